"""Peer exchange: a node that knows one address hears of the others from whoever answers there.

    asker  /zg/peers/1 ─▶
                        ◀─ varint length ‖ addresses with /p2p/<id>, one a line ‖ FIN

Each newly connected peer is asked once, and one of them again every now and then while there are few. Nothing is
signed: whoever answers at an address has to prove its id to the dialler. What a liar can still do is bounded: a hint
counts for no more than an address to try, an answer holds at most HINTS_MAX of them, and nobody can have a third
party's address passed on, because only addresses are told whose host is the one that the peer speaks to us from.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterable, Sequence

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.address import ADDRESS_MAX_BYTES, Multiaddr, host_of, parse_peer_address, with_peer
from zg_node.p2p.basic import GuardedHost, read_prefixed
from zg_node.p2p.bucket import QUESTION_COST
from zg_node.p2p.contain import Counts, contained
from zg_node.p2p.network import Offence
from zg_node.p2p.peers import Connected, Peers
from zg_node.p2p.stream import PeerStream
from zg_node.p2p.swarm import LIBRARY_ERRORS
from zg_node.p2p.topics import PEERS_PROTOCOL
from zg_node.p2p.varint import encode_varint

HINTS_MAX = 32
"""Addresses in an answer."""
ANSWER_MAX_BYTES = HINTS_MAX * (ADDRESS_MAX_BYTES + 1)
ANSWER_TIMEOUT_S = 5.0
PEERS_ENOUGH = 32
ASK_FIRST_S = 1.0
ASK_AGAIN_MAX_S = 30.0
"""Pauses between questions double up to this, and begin again when somebody comes or goes."""

Found = Callable[[ID, Sequence[Multiaddr]], None]
"""(peer, where it may listen)."""


class Exchange:
    """Asks and answers. `known` holds where each connected peer listens, for peers that may be told of."""

    def __init__(
        self, host: GuardedHost, peers: Peers, nursery: trio.Nursery, counts: Counts, found: Found, rng: random.Random
    ) -> None:
        """`found` takes hints."""
        self._host = host
        self._peers = peers
        self._nursery = nursery
        self._counts = counts
        self._found = found
        self._rng = rng
        self._pause_s = ASK_FIRST_S
        self._asking: set[ID] = set()
        self.known: dict[ID, Multiaddr] = {}
        host.set_stream_handler(TProtocol(PEERS_PROTOCOL), self._serve)
        peers.on_peer(self._on_peer)

    async def run(self) -> None:
        """Ask again while there are few peers."""
        while True:
            await trio.sleep(self._pause_s)
            self._pause_s = min(ASK_AGAIN_MAX_S, 2 * self._pause_s)
            if 0 < len(self._peers.table) < PEERS_ENOUGH:
                self._ask_soon(self._rng.choice(tuple(self._peers.table)))

    def identified(self, peer: ID, addresses: Sequence[Multiaddr]) -> None:
        """A connected peer said where it listens."""
        entry = self._peers.table.get(peer)
        if entry is None:
            return
        listening = [Multiaddr(entry.address)] if entry.outbound else addresses
        heard_from = host_of(Multiaddr(entry.address))
        for address in listening:
            if host_of(address) == heard_from is not None:
                self.known[peer] = address
                break

    # ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _serve(self, stream: INetStream) -> None:
        """Raises StreamClosed, TooSlowError."""
        assert isinstance(stream, PeerStream)
        asker = stream.muxed_conn.peer_id
        await self._peers.take_messages(asker, QUESTION_COST)
        body = encode_hints(self._hints_for(asker))
        with trio.fail_after(ANSWER_TIMEOUT_S):
            await stream.write(encode_varint(len(body)) + body)
            await stream.close()

    def _hints_for(self, asker: ID) -> list[str]:
        entry = self._peers.table.get(asker)
        if entry is None:
            return []
        heard_from = host_of(Multiaddr(entry.address))
        hints = [
            with_peer(address, peer)
            for peer, address in self.known.items()
            if peer != asker and self._peers.points(peer.to_base58()) > 0 and is_reachable(address, heard_from)
        ]
        return self._rng.sample(hints, min(HINTS_MAX, len(hints)))

    # ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_peer(self, peer: ID, entry: Connected, connected: bool) -> None:
        self._pause_s = ASK_FIRST_S
        if connected:
            self._ask_soon(peer)
        else:
            self.known.pop(peer, None)

    def _ask_soon(self, peer: ID) -> None:
        if peer not in self._asking and len(self._peers.table) < PEERS_ENOUGH:
            self._asking.add(peer)
            self._nursery.start_soon(contained, self._counts, self._ask, peer)

    async def _ask(self, peer: ID) -> None:
        try:
            with trio.fail_after(ANSWER_TIMEOUT_S):
                stream = await self._host.open_stream(peer, PEERS_PROTOCOL)
                try:
                    hints = decode_hints(await read_prefixed(stream, ANSWER_MAX_BYTES))
                finally:
                    await contained(self._counts, stream.reset)
        except InvalidMessage:
            self._peers.offend(peer, Offence.MALFORMED)
            return
        except (Unavailable, trio.TooSlowError, *LIBRARY_ERRORS):  # it speaks no peer exchange, or is gone
            return
        finally:
            self._asking.discard(peer)
        entry = self._peers.table.get(peer)
        if entry is None:
            return
        heard_from = host_of(Multiaddr(entry.address))
        for address, hinted in hints:
            if is_reachable(address, heard_from):
                self._found(hinted, [address])


def encode_hints(addresses: Iterable[str]) -> bytes:
    """An answer's body."""
    return "\n".join(addresses).encode()


def decode_hints(body: bytes) -> list[tuple[Multiaddr, ID]]:
    """(address without the peer, peer) of each line. Raises InvalidMessage."""
    if not body:
        return []
    try:
        lines = body.decode("ascii").split("\n")
        if len(lines) > HINTS_MAX:
            raise InvalidMessage(f"{len(lines)} hints, where {HINTS_MAX} are allowed")
        return [parse_peer_address(line) for line in lines]
    except (UnicodeDecodeError, Unavailable) as error:
        raise InvalidMessage("not a list of addresses") from error


def is_reachable(address: Multiaddr, heard_from: str | None) -> bool:
    """Whether an address means the same to both sides of a conversation with the host `heard_from`: loopback and
    private addresses stay among those who speak from such."""
    try:
        there = ipaddress.ip_address(host_of(address) or "")
        speaker = ipaddress.ip_address(heard_from or "")
    except ValueError:  # a name is looked up by whoever dials it: it may mean anything
        return False
    return there.is_loopback <= speaker.is_loopback and there.is_private <= speaker.is_private
