"""Peer exchange: small networks that grow from one address, and answers that are bounded. Liars are in test_hostile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID

from tests.p2p.nodes import TestNode, start, stop
from zg_node.errors import InvalidMessage
from zg_node.p2p.address import Multiaddr
from zg_node.p2p.exchange import HINTS_MAX, decode_hints, encode_hints, is_reachable

PEER = ID.from_pubkey(create_new_key_pair(bytes(32)).public_key)
ADDRESS = f"/ip4/203.0.113.7/tcp/26656/p2p/{PEER.to_base58()}"


def test_nodes_that_know_one_address_all_find_each_other(tmp_path: Path) -> None:
    async def life() -> None:
        first = TestNode(tmp_path, 1)
        await start(first)
        others = [TestNode(tmp_path, number, bootstrap=first.network.addresses) for number in (2, 3)]
        everyone = [first, *others]
        await start(*others)
        try:
            for node in everyone:
                await node.until_connected(*(other for other in everyone if other is not node))
            assert all(peer.score == 100 for node in everyone for peer in node.network.peers())
        finally:
            await stop(*everyone)

    asyncio.run(life())


@pytest.mark.parametrize("lines", [[ADDRESS] * (HINTS_MAX + 1), [ADDRESS, ""], ["/ip4/nope"], ["x" * 600], ["é"]])
def test_lines_that_are_no_hints_are_refused(lines: list[str]) -> None:
    with pytest.raises(InvalidMessage):
        decode_hints(encode_hints(lines))


def test_hints_survive_the_wire() -> None:
    assert decode_hints(b"") == []
    ((address, peer),) = decode_hints(encode_hints([ADDRESS]))
    assert str(address) == "/ip4/203.0.113.7/tcp/26656"
    assert peer == PEER
    assert len(decode_hints(encode_hints([ADDRESS] * HINTS_MAX))) == HINTS_MAX


@given(st.binary(max_size=300))
def test_any_bytes_are_hints_or_one_error(body: bytes) -> None:
    try:
        decode_hints(body)
    except InvalidMessage:
        return


@pytest.mark.parametrize(
    ("address", "speaker", "reachable"),
    [
        ("/ip4/203.0.113.7/tcp/1", "198.51.100.1", True),
        ("/ip4/127.0.0.1/tcp/1", "127.0.0.1", True),
        ("/ip4/127.0.0.1/tcp/1", "8.8.8.8", False),
        ("/ip4/127.0.0.1/tcp/1", "10.0.0.1", False),
        ("/ip4/10.0.0.2/tcp/1", "10.0.0.1", True),
        ("/ip4/10.0.0.2/tcp/1", "8.8.8.8", False),
        ("/ip4/8.8.4.4/tcp/1", "10.0.0.1", True),
        ("/ip6/fe80::1/tcp/1", "2606:4700::1", False),
        ("/dns/example.org/tcp/1", "8.8.8.8", False),
        ("/ip4/8.8.4.4/udp/1", "8.8.8.8", False),
        ("/ip4/8.8.4.4/tcp/1", None, False),
    ],
)
def test_nobody_is_sent_to_an_address_that_means_another_machine_to_him(
    address: str, speaker: str | None, reachable: bool
) -> None:
    assert is_reachable(Multiaddr(address), speaker) is reachable
