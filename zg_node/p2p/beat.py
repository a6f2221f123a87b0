"""A common beat for what is done every now and then: a process that has nothing else to do wakes once for all of it."""

from __future__ import annotations

import trio


async def next_beat(interval_s: float) -> None:
    """Sleep until trio's clock shows the next multiple of `interval_s`."""
    await trio.sleep_until((trio.current_time() // interval_s + 1) * interval_s)
