"""What consensus-only schedules run on: callbacks in the order of their virtual times, ties in the order of asking."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Protocol

STEPS_MAX = 100_000
"""A schedule that needs more goes round in circles."""


class Endless(Exception):
    """Callbacks follow on callbacks without end."""


class Handle(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """What faults, links and nodes need of time; `Timeline` and the virtual asyncio loop have it."""

    def time(self) -> float:
        """Seconds since the schedule began."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle: ...


class Call:
    """One callback to come."""

    __slots__ = ("args", "callback")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args

    def cancel(self) -> None:
        self.callback = None


class Timeline:
    """A heap of callbacks."""

    def __init__(self) -> None:
        self._now = 0.0
        self._calls: list[tuple[float, int, Call]] = []
        self._order = 0
        self.steps = 0

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Call:
        self._order += 1
        call = Call(callback, args)
        heapq.heappush(self._calls, (self._now + max(0.0, delay), self._order, call))
        return call

    def run(self, until: Callable[[], bool], deadline: float) -> bool:
        """Run until `until()` holds after a callback, or `deadline` passes, or nothing is left; whether it holds.
        Raises Endless."""
        while self._calls and not until():
            at, _, call = self._calls[0]
            if at > deadline:
                break
            heapq.heappop(self._calls)
            if call.callback is None:
                continue
            self._now = at
            self.steps += 1
            if self.steps > STEPS_MAX:
                raise Endless(f"{self.steps} callbacks in {at:.2f} s")
            call.callback(*call.args)
        return until()
