"""What the host remembers of peers, and what it lets their questions cost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID

from zg_node.p2p.address import Multiaddr
from zg_node.p2p.basic import PEERS_REMEMBERED_MAX, PING_BYTES, GuardedHost, PeerBook
from zg_node.p2p.bucket import PING_COST, QUESTION_COST
from zg_node.p2p.stream import PeerStream

OURS = create_new_key_pair(bytes(32))
US = ID.from_pubkey(OURS.public_key)
ADDRESS = Multiaddr("/ip4/203.0.113.7/tcp/26656")


def test_a_node_that_has_met_a_thousand_peers_still_knows_its_own_key() -> None:
    book = PeerBook(OURS)
    for number in range(PEERS_REMEMBERED_MAX + 10):
        book.add_addr(ID(b"peer %d" % number), ADDRESS, 7200)
    assert book.privkey(US) == OURS.private_key
    assert len(book.peer_ids()) == PEERS_REMEMBERED_MAX + 1


def test_peers_without_an_address_are_forgotten_too() -> None:
    book = PeerBook(OURS)
    for number in range(PEERS_REMEMBERED_MAX + 10):
        book.add_protocols(ID(b"peer %d" % number), ["/zg/direct/1"])
        book.shrink()
    assert book.pubkey(US) == OURS.public_key
    assert len(book.peer_ids()) == PEERS_REMEMBERED_MAX + 1


class Asking(PeerStream):
    """A stream on which a peer pings so many times."""

    def __init__(self, pings: int) -> None:
        self.muxed_conn = SimpleNamespace(peer_id=ID(b"peer"))  # type: ignore[assignment]
        self.pings = pings
        self.answers = 0

    async def read_some(self, limit: int = 0) -> bytes:
        self.pings -= 1
        return bytes(limit) if self.pings >= 0 else b""

    async def write(self, data: bytes | memoryview) -> None:
        self.answers += len(data) == PING_BYTES


def test_pings_and_introductions_are_taken_from_the_bucket_before_they_are_answered() -> None:
    taken: list[int] = []
    introduced: list[list[int]] = []

    async def meter(peer: ID, count: int) -> None:
        assert peer == ID(b"peer")
        taken.append(count)

    async def introduce(stream: object) -> None:
        introduced.append(list(taken))

    host: Any = GuardedHost.__new__(GuardedHost)
    host._meter, host._introduce = meter, introduce
    stream = Asking(3)
    trio.run(host._answer_pings, stream)
    trio.run(host._answer_identify, stream)
    assert stream.answers == 3
    assert taken == [PING_COST] * 3 + [QUESTION_COST]
    assert introduced == [taken]
