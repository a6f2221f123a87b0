"""The virtual loop: time leaps, jobs follow one another, and nothing hangs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.sim.loop import Machine, PowerCut, Stuck, VirtualLoop


def play(main: Coroutine[Any, Any, Any]) -> tuple[Any, float]:
    """What `main` returned, and the virtual time then."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main), loop.time()
    finally:
        loop.close()


def test_an_hour_of_sleep_takes_no_time() -> None:
    began = time.monotonic()
    _, ended = play(asyncio.sleep(3600))
    assert ended == pytest.approx(3600)
    assert time.monotonic() - began < 5


def test_timers_fire_in_the_order_of_their_times() -> None:
    async def main() -> list[tuple[str, float]]:
        loop, seen = asyncio.get_running_loop(), list[tuple[str, float]]()
        for name, delay in (("late", 2.0), ("early", 0.5), ("middle", 1.25)):
            loop.call_later(delay, lambda who: seen.append((who, loop.time())), name)
        await asyncio.sleep(3)
        return seen

    assert play(main())[0] == [("early", 0.5), ("middle", 1.25), ("late", 2.0)]


def test_timers_of_one_time_fire_in_the_order_in_which_they_were_set() -> None:
    async def main() -> list[int]:
        loop, seen = asyncio.get_running_loop(), list[int]()
        for number in range(9):
            loop.call_at(1.0, seen.append, number)
        await asyncio.sleep(2)
        return seen

    assert play(main())[0] == list(range(9))


def test_a_cancelled_timer_does_not_fire() -> None:
    async def main() -> list[str]:
        loop, seen = asyncio.get_running_loop(), list[str]()
        loop.call_later(1.0, seen.append, "never").cancel()
        await asyncio.sleep(2)
        return seen

    assert play(main())[0] == []


def test_an_error_in_a_callback_reaches_the_exception_handler() -> None:
    def fail() -> None:
        raise ValueError("no")

    loop, seen = VirtualLoop(), list[BaseException]()
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
    loop.call_soon(fail)
    loop.run_until_complete(asyncio.sleep(1))
    loop.close()
    assert [str(error) for error in seen] == ["no"]


def test_what_waits_for_nothing_is_stuck() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    loop = VirtualLoop()
    with pytest.raises(Stuck):
        loop.run_until_complete(main())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_jobs_of_one_machine_follow_one_another_and_machines_are_beside_each_other() -> None:
    async def main() -> list[tuple[str, float]]:
        loop, seen = asyncio.get_running_loop(), list[tuple[str, float]]()
        one, other = Machine(lambda: 1.0, lambda: None), Machine(lambda: 1.5, lambda: None)

        def job(name: str) -> str:
            seen.append((name, loop.time()))
            return name

        jobs = [loop.run_in_executor(machine, job, name) for machine, name in ((one, "a"), (one, "b"), (other, "c"))]
        assert list(await asyncio.gather(*jobs)) == ["a", "b", "c"]
        return seen

    assert play(main())[0] == [("a", 1.0), ("c", 1.5), ("b", 2.0)]


def test_a_submitted_job_takes_its_turn_behind_the_others() -> None:
    async def main() -> list[tuple[str, float]]:
        loop, seen = asyncio.get_running_loop(), list[tuple[str, float]]()
        machine = Machine(lambda: 1.0, lambda: None)

        def job(name: str) -> None:
            seen.append((name, loop.time()))

        machine.submit(job, "nobody waits")
        await loop.run_in_executor(machine, job, "awaited")
        return seen

    assert play(main())[0] == [("nobody waits", 1.0), ("awaited", 2.0)]


def test_an_error_of_a_job_reaches_who_awaits_it() -> None:
    async def main() -> None:
        def job() -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await asyncio.get_running_loop().run_in_executor(None, job)

    play(main())


def test_after_a_power_cut_a_machine_does_nothing_more() -> None:
    async def main() -> tuple[list[str], bool]:
        loop, seen = asyncio.get_running_loop(), list[str]()
        machine = Machine(lambda: 1.0, lambda: machine.shutdown())

        def cut() -> None:
            seen.append("cut")
            raise PowerCut

        first = loop.run_in_executor(machine, cut)
        second = loop.run_in_executor(machine, seen.append, "never")
        await asyncio.sleep(5)
        return seen, first.done() or second.done()

    assert play(main())[0] == (["cut"], False)
