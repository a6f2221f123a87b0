"""A node's clocks: virtual time, as wrong as the schedule wants them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.timeline import Scheduler

EPOCH_MS = 1_800_000_000_000
"""The schedule's zero on the calendar; after every chain file's genesis."""
ROUNDING_MS = 1e-4
"""A timer set for a millisecond must find that millisecond when it fires."""


@dataclass(slots=True)
class NodeClock:
    """Satisfies `zg_node.clock.Clock`."""

    scheduler: Scheduler
    offset_ms: int = 0
    """How far the calendar was set off: jumps."""
    drift: float = 0.0
    """How much faster the calendar runs than it should: 1e-3 gains a millisecond a second."""

    def unix_ms(self) -> int:
        return EPOCH_MS + self.offset_ms + int(self.scheduler.time() * 1000 * (1 + self.drift))

    def monotonic_ms(self) -> int:
        return int(self.scheduler.time() * 1000 + ROUNDING_MS)
