"""Sockets that are read and written by callbacks, from within trio's own wait for events.

    trio: nothing to run ─▶ get_events ─▶ write what tasks queued ─▶ epoll ─┬─ a task's socket ─▶ back to trio
                                                ▲                           └─ one of ours ─▶ its callback ─┐
                                                └──────────── write what the callbacks queued ◀─────────────┘

A turn of trio's scheduler costs more than everything else that is done for a message of 200 bytes, and with a task for
each socket there are several. Here there is none unless a callback wakes a task, and what the callbacks of one turn
queue for a socket leaves in one piece.

trio has no public place for this: `install` replaces its I/O manager by one that behaves alike for tasks. The version
of trio is pinned, and checked.
"""

from __future__ import annotations

import contextlib
import time
from importlib.metadata import version
from types import TracebackType
from typing import Protocol, cast

import trio
import trio._core._run as trio_run
from trio._core._io_epoll import EpollIOManager

from zg_node.p2p.contain import Counts, log_contained

TRIO_VERSION = "0.35.0"
ROUNDS_MAX = 8
"""Times that callbacks go on when tasks are due."""
EVENTS_MAX = 128

Events = list[tuple[int, int]]
"""(file descriptor, flags)."""


class Watched(Protocol):
    """A socket that is served by callbacks."""

    descriptor: int

    def ready(self, flags: int) -> None:
        """The socket has events."""
        ...

    def flush(self) -> None:
        """Write what waits."""
        ...

    def end(self) -> None:
        """An exception came out of one of the others."""
        ...

    def resume(self) -> None:
        """A pause is over."""
        ...


class _SharedPoll(EpollIOManager):
    """trio's I/O manager, which lets a reactor serve its sockets before trio hears of the others."""

    reactor: Reactor | None = None

    def get_events(self, timeout: float) -> Events:
        """Wait at most `timeout` seconds; returns the events for tasks, none as well when tasks are due."""
        reactor, runner = self.reactor, trio_run.GLOBAL_RUN_CONTEXT.runner
        if reactor is None:
            return super().get_events(timeout)
        reactor.flush()
        until, rounds = time.monotonic() + timeout, 0
        while rounds < ROUNDS_MAX:
            remaining = 0.0 if runner.runq else max(0.0, until - time.monotonic())
            events = self._epoll.poll(remaining, EVENTS_MAX)
            others = reactor.serve(events)
            if others or not events:
                return others
            if not remaining:
                rounds += 1
        return []


def install() -> None:
    """Let runs of trio that begin from now on have a reactor. Raises RuntimeError with another version of trio."""
    found = version("trio")
    if found != TRIO_VERSION:
        raise RuntimeError(f"trio {found}, where {TRIO_VERSION} is needed")
    trio_run.TheIOManager = _SharedPoll  # type: ignore[attr-defined]


class Reactor:
    """The sockets of this run of trio that callbacks serve, until the end of a `with` block."""

    def __init__(self, nursery: trio.Nursery, counts: Counts) -> None:
        """`nursery` runs pauses. Needs `install` before the run began."""
        self._poll = cast(_SharedPoll, trio_run.GLOBAL_RUN_CONTEXT.runner.io_manager)
        assert isinstance(self._poll, _SharedPoll)
        assert self._poll.reactor is None
        self._poll.reactor = self
        self._epoll = self._poll._epoll
        self._nursery = nursery
        self.counts = counts
        self._watched: dict[int, Watched] = {}
        self._dirty: list[Watched] = []

    def __enter__(self) -> Reactor:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self._poll.reactor = None

    def watch(self, socket: Watched, events: int) -> None:
        """Begin to wait for events of a socket, or for others. No task may wait for it meanwhile. Raises OSError."""
        if socket.descriptor in self._watched:
            self._epoll.modify(socket.descriptor, events)
            return
        try:
            self._epoll.register(socket.descriptor, events)
        except FileExistsError:  # a task has waited for it before
            self._epoll.modify(socket.descriptor, events)
        self._watched[socket.descriptor] = socket

    def forget(self, socket: Watched) -> None:
        """Wait for nothing more; the socket is still open."""
        if self._watched.pop(socket.descriptor, None) is not None:
            with contextlib.suppress(OSError):  # at the very end, sockets may be closed first
                self._epoll.unregister(socket.descriptor)

    def flush_soon(self, socket: Watched) -> None:
        """Let a socket write before the next wait for events."""
        self._dirty.append(socket)

    def after(self, pause_s: float, socket: Watched) -> None:
        """Let a socket go on after a pause."""
        self._nursery.start_soon(self._resume_later, pause_s, socket)

    # ── within the wait for events ──────────────────────────────────────────────────────────────────────────────────

    def serve(self, events: Events) -> Events:
        """Run the callbacks of sockets that have events, and write; returns the events of others."""
        others: Events = []
        for event in events:
            socket = self._watched.get(event[0])
            if socket is None:
                others.append(event)
                continue
            try:
                socket.ready(event[1])
            except Exception as error:  # noqa: BLE001
                self._failed(socket, error)
        self.flush()
        return others

    def flush(self) -> None:
        """Write what was queued."""
        while self._dirty:
            dirty, self._dirty = self._dirty, []
            for socket in dirty:
                try:
                    socket.flush()
                except Exception as error:  # noqa: BLE001
                    self._failed(socket, error)

    def _failed(self, socket: Watched, error: Exception) -> None:
        """An error that nobody expected ends one socket, not the process."""
        self.counts["guarded"] += 1
        log_contained(error, "reactor")
        socket.end()

    async def _resume_later(self, pause_s: float, socket: Watched) -> None:
        await trio.sleep(pause_s)
        socket.resume()
