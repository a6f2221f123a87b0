"""An asyncio event loop without a clock: when nothing is ready, time leaps to the next timer.

    ready callbacks ─ none left ─▶ time = the earliest timer's ─▶ its callback

Nothing waits and nothing runs beside anything else, so a schedule of virtual minutes takes milliseconds and repeats
exactly. `run_in_executor` runs the function on the loop at a later virtual time; jobs of one executor follow one
another, as in a pool with one thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from concurrent.futures import Future as ConcurrentFuture
from contextvars import Context
from functools import partial
from heapq import heappop, heappush
from typing import Any, TypeVar

T = TypeVar("T")

SPARE_JOB_S = 0.0005
"""How long a job takes that was not given to a `Machine`."""


class Stuck(Exception):
    """Nothing is ready, and no timer will ever make anything ready."""


class PowerCut(BaseException):
    """A machine lost power inside an operation; no handler of the node's own may stop it on its way out."""


class Call:
    """A callback to come. Does what asyncio and the node ask of a handle, and no more."""

    __slots__ = ("args", "callback", "context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context

    def cancel(self) -> None:
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        return self.callback is None


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
    """Runs everything on virtual time, in an order that depends on nothing but what it is given: timers of one time
    fire in the order in which they were set."""

    _ready: deque[Call]
    _scheduled: list[tuple[float, int, Call]]
    """A heap of (virtual time, order of asking, callback)."""
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._timers = 0
        """How many there were."""
        self._spare = Machine(lambda: SPARE_JOB_S, lambda: None)

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Call:
        call = Call(callback, args, context)
        self._ready.append(call)
        return call

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Call:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Call:
        self._timers += 1
        call = Call(callback, args, context)
        heappush(self._scheduled, (when, self._timers, call))
        return call

    def _run_once(self) -> None:
        """Run until told to stop; `run_forever` calls this. Raises Stuck."""
        ready, scheduled = self._ready, self._scheduled
        while not self._stopping:
            if ready:
                call = ready.popleft()
            elif scheduled:
                at, _, call = heappop(scheduled)
                if call.callback is not None and at > self._now:
                    self._now = at
            else:
                raise Stuck("nothing is ready and no timer is set")
            if call.callback is not None:
                self._call(call.callback, call)

    def _call(self, callback: Callable[..., object], call: Call) -> None:
        try:
            if call.context is None:
                callback(*call.args)
            else:
                call.context.run(callback, *call.args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as asyncio does: it belongs to the exception handler
            self.call_exception_handler({"message": f"exception in callback {callback!r}", "exception": error})

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
