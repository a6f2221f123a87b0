"""When a block is due in the current view: pure, in milliseconds on a monotonic clock.

paced        block_time_ms after the last block
on demand    when transactions wait: min_interval_ms after the last block, longer under load; else heartbeat_ms
unsettled    while the last block is not final here, its own transactions seem to wait. Only its successor's leader, who
             builds on it, can tell; the others give finality finality_ms to come, and expect a block only then. After
             so long the leader makes an empty one, which makes both final.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WORK_SHARE = 3
"""Under load the pause between blocks is this many times the work of one, so that blocks grow with the load."""
INTERVAL_MAX_MS = 250
RETRY_MS = 20
"""When waiting transactions do not fit into a block yet (gas rate), look again after this long."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When blocks are made."""

    block_time_ms: int
    """A block every so often; 0 makes one when transactions wait."""
    heartbeat_ms: int
    min_interval_ms: int
    finality_ms: int
    """How long a notarized block may take to become final here: Δ."""


@dataclass(slots=True)
class BlockClock:
    """What has happened so far, and when the next block is due."""

    pace: Pace
    last_block_ms: int
    """When the last block was notarized, as far as is known here; not when it became final, which comes later and on
    some nodes before the next view begins, on others after it."""
    retry_ms: int = 0
    """Not before this, after an attempt that found nothing to put into a block."""
    _preparing_ms: int = 0
    """How long building or executing the block took that is not final yet."""
    _works_ms: deque[int] = field(default_factory=lambda: deque((0, 0), maxlen=2))
    """How long building or executing, and committing each of the last blocks took. The smaller counts: one that had to
    wait for a busy disk or processor alone says nothing about the load."""

    def due_ms(self, *, waiting: bool, certain: bool) -> int:
        """When a block is due; `certain` says that what waits does so for the next block."""
        if self.pace.block_time_ms > 0:
            return self.last_block_ms + self.pace.block_time_ms
        heartbeat = self.last_block_ms + self.pace.heartbeat_ms
        if not waiting:
            return heartbeat
        if not certain:
            return min(heartbeat, self.last_block_ms + self.pace.finality_ms)
        interval = max(self.pace.min_interval_ms, min(WORK_SHARE * min(self._works_ms), INTERVAL_MAX_MS))
        return min(heartbeat, max(self.last_block_ms + interval, self.retry_ms))

    def empty_allowed(self, now_ms: int, *, settled: bool) -> bool:
        """Whether a block without transactions may be made now; `settled` says that the last one is final."""
        pause_ms = self.pace.heartbeat_ms if settled else min(self.pace.finality_ms, self.pace.heartbeat_ms)
        return self.pace.block_time_ms > 0 or now_ms - self.last_block_ms >= pause_ms - 1

    def found_nothing(self, now_ms: int) -> None:
        """An attempt to build a block ended without one."""
        self.retry_ms = now_ms + RETRY_MS

    def prepared(self, started_ms: int, now_ms: int) -> None:
        """A block is ready to be voted on; building or executing it took from `started_ms` until now."""
        self._preparing_ms = now_ms - started_ms

    def built(self, now_ms: int) -> None:
        """A block has been notarized."""
        self.last_block_ms = now_ms

    def committed(self, started_ms: int, now_ms: int) -> None:
        """A block became final; committing it took from `started_ms` until now."""
        self._works_ms.append(self._preparing_ms + now_ms - started_ms)
        self._preparing_ms = 0
