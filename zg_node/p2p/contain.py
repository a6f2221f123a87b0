"""The fence around the library: what a peer provokes in it ends one task, never the process.

py-libp2p runs its tasks in nurseries that an exception tears down, and the process with them; many of its parsers
raise what they please. Every task that it starts for a peer runs in here instead. Errors are counted (`guarded`) and
logged; cancellation passes through.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import trio

log = logging.getLogger("zg.p2p.host")

AGAIN_S = 1.0
SAID_MAX = 64

_said: set[str] = set()

Key = TypeVar("Key", bound=Hashable)

Counts = Counter[str]
"""What the host counts, by the names of `metrics.HOST_COUNTERS`."""


@contextmanager
def counted(counter: Counter[Key], key: Key) -> Iterator[None]:
    """Count what is under way, and forget keys of which nothing is."""
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]


async def contained(counts: Counts, work: Callable[..., Awaitable[Any]], *arguments: Any) -> bool:
    """Run library code that a peer's bytes reach; an exception ends here. Returns whether there was none."""
    try:
        await work(*arguments)
    except Exception as error:  # noqa: BLE001
        counts["guarded"] += 1
        log_contained(error, getattr(work, "__qualname__", str(work)))
        return False
    return True


def log_contained(error: Exception, where: str) -> None:
    """Say each kind of error once where an operator looks: it may as well be a fault of ours."""
    kind = f"{where} {type(error).__name__}"
    level = logging.DEBUG
    if kind not in _said and len(_said) < SAID_MAX:
        _said.add(kind)
        level = logging.WARNING
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.log(level, "contained error=%r in=%s at=%s:%s", error, where, frame.filename, frame.lineno)


async def kept(counts: Counts, work: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
    """Run library code that is to go on for ever: an exception ends one round of it."""
    fine = await contained(counts, work, *arguments)
    while not fine:
        await trio.sleep(AGAIN_S)
        fine = await contained(counts, work, *arguments)


class ContainedManager:
    """Stands in for the task manager of a library service: its tasks are contained, in a nursery of ours.

    The library's own manager also counts a service's tasks and fails at the thousandth; a nursery has no such limit.
    """

    is_running = True
    is_started = True

    def __init__(self, nursery: trio.Nursery, counts: Counts) -> None:
        self._nursery = nursery
        self._counts = counts

    def run_task(
        self, work: Callable[..., Awaitable[Any]], *arguments: Any, daemon: bool = False, name: str | None = None
    ) -> None:
        """Start a task."""
        self._nursery.start_soon(contained, self._counts, work, *arguments)

    def run_daemon_task(self, work: Callable[..., Awaitable[Any]], *arguments: Any, name: str | None = None) -> None:
        """Start a task that is started again when it fails."""
        self._nursery.start_soon(kept, self._counts, work, *arguments)

    async def wait_finished(self) -> None:
        """Never returns: the service ends when its nursery is cancelled."""
        await trio.sleep_forever()
