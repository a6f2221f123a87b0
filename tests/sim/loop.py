"""An asyncio event loop without a clock: when nothing is ready, time leaps to the next timer.

    ready callbacks ─ none left ─▶ time = the earliest timer's ─▶ its callback

Nothing waits and nothing runs beside anything else, so a schedule of virtual minutes takes milliseconds and repeats
exactly. `run_in_executor` runs the function on the loop at a later virtual time; jobs of one executor follow one
another, as in a pool with one thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from concurrent.futures import Future as ConcurrentFuture
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

LEAP_MAX_S = 24 * 3600.0
"""asyncio itself leaps no further at once."""
SPARE_JOB_S = 0.0005
"""How long a job takes that was not given to a `Machine`."""


class Stuck(Exception):
    """Nothing is ready, and no timer will ever make anything ready."""


class PowerCut(BaseException):
    """A machine lost power inside an operation; no handler of the node's own may stop it on its way out."""


class _Leap:
    """Stands where asyncio expects a selector."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing is ready and no timer is set")
        if timeout > 0:
            self._loop.leap(timeout)
        return []


class Machine(Executor):
    """The threads of one kind of one node: does its jobs one after the other, and none after its power is cut.

    `duration_s()` draws how long a job takes; `on_power_cut` is called when a job ran into a `PowerCut`."""

    def __init__(self, duration_s: Callable[[], float], on_power_cut: Callable[[], None]) -> None:
        self.duration_s = duration_s
        self.on_power_cut = on_power_cut
        self.free_at = 0.0
        self.dead = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> ConcurrentFuture[T]:
        """Do a job whose outcome nobody awaits; from a callback of the loop."""
        asyncio.get_running_loop().run_in_executor(self, partial(fn, *args, **kwargs))
        return ConcurrentFuture()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.dead = True


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs everything on virtual time, in an order that depends on nothing but what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = 1e-7
        self._selector = _Leap(self)
        self._spare = Machine(lambda: SPARE_JOB_S, lambda: None)

    def time(self) -> float:
        return self._now

    def leap(self, seconds: float) -> None:
        """Let time pass."""
        self._now += min(seconds, LEAP_MAX_S)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call `func` when `executor` has had the time for it; one that is no `Machine` never starts a thread."""
        machine = executor if isinstance(executor, Machine) else self._spare
        future: asyncio.Future[T] = self.create_future()
        machine.free_at = max(machine.free_at, self._now) + machine.duration_s()
        self.call_at(machine.free_at, self._do, machine, future, func, args)
        return future

    def _do(self, machine: Machine, future: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...]) -> None:
        if machine.dead:
            return
        try:
            result = func(*args)
        except PowerCut:
            machine.on_power_cut()
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the job
            if not future.cancelled():
                future.set_exception(error)
        else:
            if not future.cancelled():
                future.set_result(result)

    def _process_events(self, event_list: list[Any]) -> None:
        """asyncio asks for this; there are no events from outside."""

    def _write_to_self(self) -> None:
        """asyncio asks for this; nobody waits in a system call."""
