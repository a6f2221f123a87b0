"""Time as an argument: what the shells read it from, and what tests and the simulator put in its place.

Pure code never holds a clock; it is handed a number. Two readings exist because they answer different questions:

    unix_ms        what time is it?     block timestamps, transaction lifetimes; may jump when the system's time is set
    monotonic_ms   how long did it take? timers, timeouts; never jumps, means nothing outside this process
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where a shell reads the time."""

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary moment; never less than an earlier answer."""


class SystemClock:
    """The operating system's clocks."""

    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until it is told to move."""

    now_unix_ms: int
    elapsed_ms: int = 0

    def unix_ms(self) -> int:
        return self.now_unix_ms

    def monotonic_ms(self) -> int:
        return self.elapsed_ms

    def advance(self, duration_ms: int) -> None:
        """Let `duration_ms` ≥ 0 pass on both readings."""
        if duration_ms < 0:
            raise ValueError(f"time does not pass backwards: {duration_ms} ms")
        self.now_unix_ms += duration_ms
        self.elapsed_ms += duration_ms

    def set_unix_ms(self, now_ms: int) -> None:
        """Set the system's time, as an operator or NTP may: `monotonic_ms` does not notice."""
        self.now_unix_ms = now_ms
