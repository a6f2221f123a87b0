"""Coalescing of calls: what shares a job, what bounds the queue. The engine is a recorder with a gate."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from tests.rpc.doubles import MemoryChain
from tests.rpc.harness import run, until
from zg_node.errors import InvalidRequest, Unavailable
from zg_node.rpc.api import Chain
from zg_node.rpc.calls import JOB_MAX, JOBS_MAX, Caller, Scene
from zg_node.rpc.workers import Workers

HERE = Scene(1, b"header 1")
THERE = Scene(2, b"header 2")


class RecordingEngine:
    """Answers each call with itself; a call may be an exception to raise."""

    def __init__(self) -> None:
        self.jobs: list[tuple[int, bytes, list[Any]]] = []
        self.gate = threading.Event()
        self.begun = 0

    def call(self, state: object, at: int, header: bytes, calls: Sequence[Any]) -> list[Any]:
        self.begun += 1
        assert self.gate.wait(10)
        self.jobs.append((at, header, list(calls)))
        for call in calls:
            if isinstance(call, Exception):
                raise call
        return list(calls)


@asynccontextmanager
async def calling(queue_max: int = 10_000, timeout_s: float = 30) -> AsyncIterator[tuple[RecordingEngine, Caller]]:
    engine = RecordingEngine()
    chain = MemoryChain()
    chain.engine = engine  # type: ignore[assignment]
    workers = Workers(4, 10, 30, "test")
    loop = asyncio.get_running_loop()
    try:
        yield engine, Caller(cast("Chain", chain), workers, loop, queue_max=queue_max, timeout_s=timeout_s)
    finally:
        engine.gate.set()
        await workers.close()


def test_calls_of_one_turn_and_scene_share_a_job() -> None:
    async def main() -> None:
        async with calling() as (engine, caller):
            futures = [caller.call(scene, cast(Any, b"%d" % i)) for i, scene in enumerate([HERE, HERE, THERE, HERE])]
            engine.gate.set()
            assert await asyncio.gather(*futures) == [b'"0x30"', b'"0x31"', b'"0x32"', b'"0x33"']
            assert sorted(engine.jobs) == [
                (1, b"header 1", [b"0", b"1"]),
                (1, b"header 1", [b"3"]),
                (2, b"header 2", [b"2"]),
            ]

    run(main())


def test_while_all_jobs_run_calls_wait_and_then_go_together() -> None:
    async def main() -> None:
        async with calling() as (engine, caller):
            first = []
            for scene in (HERE, THERE):
                first.append(caller.call(scene, cast(Any, b"a")))
                await asyncio.sleep(0)
            await until(lambda: engine.begun == JOBS_MAX)
            later = [caller.call(HERE, cast(Any, b"b")) for _ in range(JOB_MAX + 1)]
            await asyncio.sleep(0)
            assert engine.begun == JOBS_MAX
            engine.gate.set()
            await asyncio.gather(*first, *later)
            assert sum(len(calls) for _, _, calls in engine.jobs) == JOB_MAX + 3
            assert max(len(calls) for _, _, calls in engine.jobs) <= JOB_MAX

    run(main())


def test_a_full_queue_refuses_calls() -> None:
    async def main() -> None:
        async with calling(queue_max=3) as (engine, caller):
            futures = [caller.call(HERE, cast(Any, b"")) for _ in range(3)]
            with pytest.raises(InvalidRequest) as caught:
                caller.call(HERE, cast(Any, b""))
            assert caught.value.code == -32005
            engine.gate.set()
            await asyncio.gather(*futures)

    run(main())


def test_a_call_that_waited_too_long_is_not_run() -> None:
    async def main() -> None:
        async with calling(timeout_s=-1) as (engine, caller):
            with pytest.raises(InvalidRequest) as caught:
                await caller.call(HERE, cast(Any, b""))
            assert caught.value.code == -32002
            assert engine.begun == 0

    run(main())


def test_a_job_that_fails_fails_each_of_its_calls() -> None:
    async def main() -> None:
        async with calling() as (engine, caller):
            engine.gate.set()
            futures = [caller.call(HERE, cast(Any, one)) for one in (b"", Unavailable("missing trie node"))]
            outcomes = await asyncio.gather(*futures, return_exceptions=True)
            assert [str(one) for one in outcomes] == ["missing trie node"] * 2
            assert await caller.call(HERE, cast(Any, b"x")) == b'"0x78"'

    run(main())
