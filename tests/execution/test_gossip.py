"""Transactions between nodes: what a client sent reaches the others' pools; forgeries cost their sender."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from tests.rpc.devchain import ALICE, NOBODY, DevChain
from zg_node.errors import InvalidMessage
from zg_node.execution import gossip
from zg_node.execution.gossip import (
    BATCH_BYTES,
    BATCH_TRANSACTIONS_MAX,
    QUEUE_MAX_BYTES,
    QUEUE_TRANSACTIONS_MAX,
    TransactionGossip,
    decode_batch,
    encode_batch,
)
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.p2p.network import Offence

TOPIC = "/zg/test/0/tx/1"


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=50))
def test_a_batch_comes_back(raws: list[bytes]) -> None:
    assert decode_batch(encode_batch(raws)) == raws


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x80",
        b"\xc0",
        bytes(100),
        rlp.encode([b"x", [b"y"]]),
        rlp.encode([b"x", b""]),
        rlp.encode([b"x"] * (BATCH_TRANSACTIONS_MAX + 1)),
        b"\xf8\x80" * 50_000,
        bytes(1 << 21),
    ],
)
def test_what_is_no_batch_is_refused(message: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_batch(message)


class Side:
    """A node with a pool."""

    def __init__(self, hub: MemoryHub, name: str, directory: Path) -> None:
        self.dev = DevChain(directory)
        self.network: MemoryNetwork = hub.join(name)
        self.worker = ThreadPoolExecutor(1)
        self.gossip = TransactionGossip(self.network, TOPIC, self.dev.chain, self.worker)
        self.pokes = 0
        self.dev.chain.poke = self._poke
        self.dev.chain.share = self.gossip.share
        self.reports: list[tuple[str, Offence]] = []
        report = self.network.report

        def note(peer: str, offence: Offence) -> None:
            self.reports.append((peer, offence))
            report(peer, offence)

        self.network.report = note  # type: ignore[method-assign]

    def _poke(self) -> None:
        self.pokes += 1

    def pay(self, nonce: int) -> str:
        return self.dev.sign(ALICE, nonce, to="0x" + NOBODY.hex(), value="0x1")

    def close(self) -> None:
        self.gossip.close()
        self.worker.shutdown()
        self.dev.chain.close()


async def until(condition: Callable[[], bool]) -> None:
    """Turn the loop until something is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.005)


def run(tmp_path: Path, use: Callable[[Side, Side], Coroutine[None, None, None]]) -> None:
    async def life() -> None:
        hub = MemoryHub(asyncio.get_running_loop().call_later, lambda source, target, size: (0.0,))
        one, two = Side(hub, "one", tmp_path / "one"), Side(hub, "two", tmp_path / "two")
        await until(lambda: len(one.network.peers()) == 1)
        try:
            await use(one, two)
        finally:
            one.close()
            two.close()

    asyncio.run(life())


def test_what_a_client_sent_reaches_the_others_pool(tmp_path: Path) -> None:
    async def use(one: Side, two: Side) -> None:
        raws = [one.pay(nonce) for nonce in range(5)]
        one.dev.chain.accepted(raws[:1])
        one.dev.chain.accepted(raws[1:])
        await until(lambda: two.dev.pool.len() == (5, 0))
        assert (one.pokes, two.pokes > 0, two.reports) == (2, True, [])

    run(tmp_path, use)


@pytest.mark.parametrize("of_before", [False, True], ids=["sent", "journal"])
def test_what_was_accepted_while_nobody_was_there_reaches_who_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_before: bool
) -> None:
    monkeypatch.setattr(gossip, "TICK_S", 0.01)

    async def life() -> None:
        hub = MemoryHub(asyncio.get_running_loop().call_later, lambda source, target, size: (0.0,))
        one = Side(hub, "one", tmp_path / "one")
        raws = [one.pay(nonce) for nonce in range(3)]
        one.gossip.receive("client", encode_batch([bytes.fromhex(raw[2:]) for raw in raws]))
        await until(lambda: one.dev.pool.len() == (3, 0))
        if of_before:
            one.gossip.remember([bytes.fromhex(raw[2:]) for raw in raws])
        else:
            one.dev.chain.accepted(raws)
        two = Side(hub, "two", tmp_path / "two")
        try:
            await until(lambda: two.dev.pool.len() == (3, 0))
        finally:
            one.close()
            two.close()

    asyncio.run(life())


def test_many_transactions_leave_in_messages_of_bounded_size(tmp_path: Path) -> None:
    async def use(one: Side, two: Side) -> None:
        sizes: list[int] = []
        publish = one.network.publish

        def note(topic: str, message: bytes) -> None:
            sizes.append(len(message))
            publish(topic, message)

        one.network.publish = note  # type: ignore[method-assign]
        one.gossip.share([bytes([index % 250 + 1]) * 100 for index in range(2_000)])
        await until(lambda: sum(sizes) > 200_000)
        assert max(sizes) <= BATCH_BYTES + 8
        assert len(sizes) <= 6

    run(tmp_path, use)


def test_a_forged_signature_costs_whoever_published_it(tmp_path: Path) -> None:
    async def use(one: Side, two: Side) -> None:
        raw = bytearray.fromhex(one.pay(0)[2:])
        raw[-40] ^= 0x80  # r, or s, of another number
        one.network.publish(TOPIC, encode_batch([b"\x02\xc0", bytes(raw)]))
        await until(lambda: bool(two.reports))
        assert two.reports[0] == ("one", Offence.INVALID)

    run(tmp_path, use)


def test_a_transaction_that_came_late_costs_nothing(tmp_path: Path) -> None:
    async def use(one: Side, two: Side) -> None:
        raw = one.pay(0)
        two.dev.clock.advance(100)
        two.gossip.receive("one", encode_batch([bytes.fromhex(raw[2:])]))
        await until(lambda: two.dev.pool.len() == (1, 0))
        two.dev.mine()
        two.gossip.receive("one", encode_batch([bytes.fromhex(raw[2:])]))
        two.gossip.receive("one", encode_batch([bytes.fromhex(one.pay(1)[2:])]))
        await until(lambda: two.dev.pool.len() == (1, 0))
        assert two.reports == []

    run(tmp_path, use)


def test_garbage_costs_more(tmp_path: Path) -> None:
    async def use(one: Side, two: Side) -> None:
        one.network.publish(TOPIC, b"garbage")
        await until(lambda: bool(two.reports))
        assert two.reports == [("one", Offence.MALFORMED)]

    run(tmp_path, use)


def test_more_than_can_wait_is_dropped_and_counted(tmp_path: Path) -> None:
    async def use(one: Side, two: Side) -> None:
        flood = encode_batch([b"\x01"] * BATCH_TRANSACTIONS_MAX)
        for _ in range(QUEUE_TRANSACTIONS_MAX // BATCH_TRANSACTIONS_MAX + 3):
            two.gossip.receive("one", flood)
        assert two.gossip.dropped > 0
        assert two.gossip.dropped % BATCH_TRANSACTIONS_MAX == 0

    run(tmp_path, use)


def test_what_waits_is_bounded_in_bytes_as_well(tmp_path: Path) -> None:
    async def use(one: Side, two: Side) -> None:
        large = encode_batch([bytes(1_000_000)])
        for _ in range(100):
            two.gossip.receive("one", large)
        assert two.gossip.dropped >= 100 - QUEUE_MAX_BYTES // 1_000_000
        await until(lambda: bool(two.reports))
        assert two.reports[0] == ("one", Offence.INVALID), "no pool has ever taken so large a transaction"
        await until(lambda: two.gossip._job is None or two.gossip._job.done())
        dropped = two.gossip.dropped
        two.gossip.receive("one", large)
        assert two.gossip.dropped == dropped

    run(tmp_path, use)
