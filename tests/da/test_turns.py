"""So many at a time, so many a peer, so many bytes; and what ends makes room."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from zg_node.da.turns import Turns
from zg_node.errors import Unavailable


class Worker:
    """Has a turn until it is told to end."""

    def __init__(self, turns: Turns, peer: str, size_bytes: int = 1) -> None:
        self.running = False
        self.end = asyncio.Event()
        self.task = asyncio.ensure_future(self._work(turns, peer, size_bytes))

    async def _work(self, turns: Turns, peer: str, size_bytes: int) -> None:
        async with turns.take(peer, size_bytes):
            self.running = True
            await self.end.wait()
        self.running = False

    async def finish(self) -> None:
        self.end.set()
        await self.task


async def settle() -> None:
    """Let everybody run who can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_no_more_run_than_may_and_who_ends_lets_the_next_begin() -> None:
    async def scenario() -> None:
        turns = Turns(2, 10, 100)
        workers = [Worker(turns, "one") for _ in range(3)]
        await settle()
        assert [worker.running for worker in workers] == [True, True, False]
        await workers[0].finish()
        await settle()
        assert [worker.running for worker in workers] == [False, True, True]
        for worker in workers[1:]:
            await worker.finish()

    asyncio.run(scenario())


def test_bytes_are_bounded_and_what_is_larger_than_all_runs_alone() -> None:
    async def scenario() -> None:
        turns = Turns(10, 10, 100)
        small, large = Worker(turns, "one", 60), Worker(turns, "two", 500)
        await settle()
        assert (small.running, large.running) == (True, False)
        await small.finish()
        await settle()
        other = Worker(turns, "one", 1)
        await settle()
        assert (large.running, other.running) == (True, False)
        await large.finish()
        await settle()
        assert (large.running, other.running) == (False, True)
        await other.finish()

    asyncio.run(scenario())


def test_a_peer_has_no_more_than_its_share_with_what_waits() -> None:
    async def scenario() -> None:
        turns = Turns(1, 2, 100)
        workers = [Worker(turns, "greedy"), Worker(turns, "greedy")]
        await settle()
        async with AsyncExitStack() as stack:
            with pytest.raises(Unavailable, match="2 requests of this peer"):
                await stack.enter_async_context(turns.take("greedy", 1))
        for worker in workers:
            await worker.finish()
        async with turns.take("greedy", 1):
            pass

    asyncio.run(scenario())


def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        turns = Turns(1, 1, 100)
        first, second = Worker(turns, "one"), Worker(turns, "two")
        await settle()
        second.task.cancel()
        await asyncio.gather(second.task, return_exceptions=True)
        await first.finish()
        for peer in ("one", "two"):
            last = Worker(turns, peer)
            await settle()
            assert last.running
            await last.finish()

    asyncio.run(scenario())
