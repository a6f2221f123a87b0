"""News of a chain: nothing twice, nothing missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

import pytest

from tests.rpc.doubles import MemoryChain, make_block
from tests.rpc.harness import run, until
from zg_node import _core
from zg_node.rpc import feed as feed_module
from zg_node.rpc.api import Chain
from zg_node.rpc.feed import Feed, LogListener, split_logs
from zg_node.rpc.workers import Workers
from zg_node.types.block import StoredBlock


class EveryLog:
    """A filter that matches one log a block: the block's number."""

    def may_match(self, bloom: bytes) -> bool:
        return True

    def logs_json(self, header: bytes, body: bytes, receipts: bytes, limit: int) -> tuple[bytes, int]:
        number = int.from_bytes(receipts, "big")
        return b'{"n":%d,"topics":["0x1"]},{"n":%d,"topics":[]}' % (number, number), 2


class LogChain(MemoryChain):
    """Its receipts carry the block's number; blocks can be pruned."""

    def grow(self) -> StoredBlock:
        block = make_block(len(self.stored), self.head.hash)
        self.stored.append(replace(block, receipts=block.number.to_bytes(4, "big")))
        for listener in tuple(self.listeners):
            listener(self.head)
        return self.head


@asynccontextmanager
async def feeding(chain: MemoryChain) -> AsyncIterator[Feed]:
    workers = Workers(1, 10, 30, "test")
    feed = Feed(cast("Chain", chain), workers)
    try:
        yield feed
    finally:
        feed.close()
        await workers.close()


def listener(taken: list[bytes], lost: list[bool], terms: bytes = b"") -> LogListener:
    def take(logs: Sequence[bytes]) -> None:
        taken.extend(logs)

    return LogListener(EveryLog(), terms, take, lambda: lost.append(True))  # type: ignore[arg-type]


def numbers(first: int, last: int) -> list[bytes]:
    return [b'{"n":%d,"topics":[%b]}' % (n, t) for n in range(first, last + 1) for t in (b'"0x1"', b"")]


def test_logs_come_apart_at_their_borders() -> None:
    assert split_logs(b"") == []
    assert split_logs(b'{"a":["x","y"]}') == [b'{"a":["x","y"]}']
    assert split_logs(b'{"a":[]},{"b":1},{}') == [b'{"a":[]}', b'{"b":1}', b"{}"]


def test_a_head_is_encoded_once_for_all_who_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[bytes] = []

    def encode(header: bytes) -> bytes:
        encoded.append(header)
        return b"{}"

    monkeypatch.setattr(_core, "header_json", encode)

    async def main() -> None:
        chain = MemoryChain(blocks=1)
        async with feeding(chain) as feed:
            chain.grow()
            assert encoded == []
            taken: list[Sequence[bytes]] = []
            for _ in range(3):
                feed.on_heads(taken.append)
            block = chain.grow()
            assert encoded == [block.header.raw]
            assert taken == [(b"{}",)] * 3

    run(main())


def test_equal_filters_are_searched_for_once_and_different_ones_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[int] = []
    search = feed_module.extract

    def extract(block: StoredBlock, filters: Sequence[_core.LogFilter]) -> list[list[bytes]]:
        searched.append(len(filters))
        return search(block, filters)

    monkeypatch.setattr(feed_module, "extract", extract)

    async def main() -> None:
        chain = LogChain(blocks=1)
        async with feeding(chain) as feed:
            taken: list[list[bytes]] = [[] for _ in range(30)]
            for place, logs in enumerate(taken):
                feed.on_logs(listener(logs, [], b"%d" % (place % 10)))
            chain.grow()
            await until(lambda: all(taken))
            assert taken == [numbers(1, 1)] * 30

    run(main())
    assert searched == [8, 2]


def test_listeners_of_logs_have_a_turn_each() -> None:
    async def main() -> None:
        chain = LogChain(blocks=1)
        async with feeding(chain) as feed:
            first: list[bytes] = []
            second: list[bytes] = []
            feed.on_logs(listener(first, []))
            feed.on_logs(listener(second, []))
            chain.grow()
            await until(lambda: first)
            assert not second
            await until(lambda: second)
            assert first == second

    run(main())


def test_a_burst_of_blocks_is_told_whole_and_in_order_to_each_listener_from_its_start() -> None:
    async def main() -> None:
        chain = LogChain(blocks=3)
        async with feeding(chain) as feed:
            early: list[bytes] = []
            late: list[bytes] = []
            feed.on_logs(listener(early, []))
            for _ in range(50):
                chain.grow()
            feed.on_logs(listener(late, []))
            for _ in range(50):
                chain.grow()
            await until(lambda: len(early) == 200 and len(late) >= 100)
            assert early == numbers(3, 102)
            assert late == numbers(53, 102)

    run(main())


def test_a_listener_that_left_hears_nothing_and_one_that_returns_gets_no_past() -> None:
    async def main() -> None:
        chain = LogChain()
        async with feeding(chain) as feed:
            first: list[bytes] = []
            second: list[bytes] = []
            leave = feed.on_logs(listener(first, []))
            chain.grow()
            leave()
            chain.grow()
            feed.on_logs(listener(second, []))
            chain.grow()
            await until(lambda: second)
            assert first == []
            assert second == numbers(3, 3)
            assert feed.subscribers == 1

    run(main())


def test_a_block_that_is_gone_ends_the_listener_instead_of_leaving_a_gap() -> None:
    async def main() -> None:
        chain = LogChain()
        async with feeding(chain) as feed:
            taken: list[bytes] = []
            lost: list[bool] = []
            feed.on_logs(listener(taken, lost))
            chain.by_number = lambda number: None  # type: ignore[method-assign]
            chain.grow()
            await until(lambda: lost)
            assert (taken, feed.subscribers) == ([], 0)

    run(main())


def test_the_ring_keeps_the_newest_hashes_for_every_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "PENDING_RING_MAX", 10)

    async def main() -> None:
        chain = MemoryChain()
        async with feeding(chain) as feed:
            chain.pool.fresh = [b"before"]
            cursor, release = feed.watch_ring()
            chain.pool.fresh = [b"%d" % n for n in range(4)]
            feed.drain()
            seen, after = feed.ring_since(cursor)
            assert seen == [b"0", b"1", b"2", b"3"]
            assert feed.ring_since(after) == ([], after)
            chain.pool.fresh = [b"%d" % n for n in range(4, 20)]
            feed.drain()
            assert feed.ring_since(after)[0] == [b"%d" % n for n in range(10, 20)]
            release()
            chain.pool.fresh = [b"unwatched"]
            feed.drain()
            assert chain.pool.fresh == [b"unwatched"]
            await asyncio.sleep(0)

    run(main())
