"""Nodes that find one another: by the table, by an address book, on the local network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from libp2p.kad_dht.common import PROTOCOL_ID as TABLE_PROTOCOL
from libp2p.kad_dht.pb.kademlia_pb2 import Message

from tests.p2p.attacker import connected
from tests.p2p.nodes import TX, TestNode, start, stop
from zg_node.p2p.peers import SECOND_CONNECTION_S
from zg_node.p2p.varint import encode_varint


def test_two_who_know_the_same_third_find_each_other(tmp_path: Path) -> None:
    async def life() -> None:
        third = TestNode(tmp_path, 3, dht=True)
        await start(third)
        one, two = (TestNode(tmp_path, index, dht=True, bootstrap=third.network.addresses) for index in (1, 2))
        await start(one, two)
        try:
            await one.until_connected(two, third)
            await two.until_connected(one, third)
        finally:
            await stop(one, two, third)

    asyncio.run(life())


def test_a_node_finds_its_peers_again_without_a_bootstrap_address(tmp_path: Path) -> None:
    async def life() -> None:
        one, two = TestNode(tmp_path, 1), TestNode(tmp_path, 2)
        await start(one)
        two = TestNode(tmp_path, 2, bootstrap=one.network.addresses)
        await start(two)
        try:
            await two.until_connected(one)
            await stop(two)
            again = TestNode(tmp_path, 2)
            await start(again)
            await again.until_connected(one)
            await stop(again)
        finally:
            await stop(one, two)

    asyncio.run(life())


def test_a_bootstrap_node_that_comes_back_is_dialled_again(tmp_path: Path) -> None:
    async def life() -> None:
        one = TestNode(tmp_path, 1)
        await start(one)
        address = one.network.addresses[0]
        two = TestNode(tmp_path, 2, bootstrap=[address])
        await start(two)
        try:
            await two.until_connected(one)
            await stop(one)
            await two.until(lambda: not two.network.peers(), "the first node is gone")
            one = TestNode(tmp_path, 1, listen=address.partition("/p2p/")[0])
            await start(one)
            await two.until_connected(one)
        finally:
            await stop(one, two)

    asyncio.run(life())


@asynccontextmanager
async def two_that_dial_each_other(home: Path, *, fast_path: bool = True) -> AsyncIterator[tuple[TestNode, TestNode]]:
    """Connected nodes; a second later one of their two connections goes."""
    one, two = TestNode(home, 1, fast_path=fast_path), TestNode(home, 2, fast_path=fast_path)
    await start(one, two)
    try:
        one.network.dial(two.network.addresses[0])
        two.network.dial(one.network.addresses[0])
        await one.until_connected(two)
        await two.until_connected(one)
        yield one, two
    finally:
        await stop(one, two)


def test_two_that_dial_each_other_keep_one_connection(tmp_path: Path) -> None:
    async def life() -> None:
        async with two_that_dial_each_other(tmp_path) as (one, two):
            for index in range(40):  # over the time at which the second connection goes
                one.network.send(two.id, bytes([index]))
                two.network.send(one.id, bytes([index]))
                await one.until(lambda count=index: len(one.direct) > count, "a message arrives")  # type: ignore[misc]
                await two.until(lambda count=index: len(two.direct) > count, "a message arrives")  # type: ignore[misc]
            assert [connected for _, connected in one.comings] == [True]
            assert [connected for _, connected in two.comings] == [True]

    asyncio.run(life())


def test_gossip_arrives_while_two_that_dial_each_other_leave_a_connection(tmp_path: Path) -> None:
    async def life() -> None:
        async with two_that_dial_each_other(tmp_path) as (one, two):
            await asyncio.sleep(SECOND_CONNECTION_S / 4)  # they have told each other what they follow
            sent = [bytes([index]) for index in range(50)]
            for message in sent:
                one.network.publish(TX, message)
                two.network.publish(TX, message)
                await asyncio.sleep(SECOND_CONNECTION_S / 25)
            for node, other in ((one, two), (two, one)):
                await node.until(lambda node=node: len(node.gossip) >= len(sent), "all has arrived")  # type: ignore[misc]
                assert node.gossip == [(other.id, message) for message in sent]

    asyncio.run(life())


@pytest.mark.long
def test_stock_gossip_goes_on_after_two_that_dial_each_other_have_left_a_connection(tmp_path: Path) -> None:
    """The library may lose what is said until its next heartbeat."""

    async def life() -> None:
        async with two_that_dial_each_other(tmp_path, fast_path=False) as (one, two):
            for index in range(50):
                one.network.publish(TX, bytes([index]))
                two.network.publish(TX, bytes([index]))
                await asyncio.sleep(3 * SECOND_CONNECTION_S / 50)
            last = bytes([49])
            for node, other in ((one, two), (two, one)):
                await node.until(lambda node=node, other=other: (other.id, last) in node.gossip, "the last arrives")  # type: ignore[misc]

    asyncio.run(life())


def test_an_answer_that_names_thousands_of_peers_stops_nobody(tmp_path: Path) -> None:
    question = Message(type=Message.FIND_NODE, key=bytes(40)).SerializeToString()
    named = b"".join(b"\x42\x05\x0a\x03" + number.to_bytes(3, "big") for number in range(30_000))
    answer = Message(type=Message.FIND_NODE).SerializeToString() + named

    async def attack(address: str) -> None:
        async with connected(address) as peer:
            await peer.open(str(TABLE_PROTOCOL), encode_varint(len(question)) + question)
            await peer.answer(str(TABLE_PROTOCOL), encode_varint(len(answer)) + answer)
            await peer.read_for(0.5)

    async def life() -> None:
        victim, friend = TestNode(tmp_path, 1, dht=True), TestNode(tmp_path, 2)
        await start(victim, friend)
        await asyncio.to_thread(trio.run, attack, victim.network.addresses[0])
        friend.network.dial(victim.network.addresses[0])
        try:
            await friend.until_connected(victim)
        finally:
            await stop(victim, friend)

    asyncio.run(life())
