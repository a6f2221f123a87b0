"""A connected stream socket in the reactor's hands: read when it has bytes, written when its owner has output."""

from __future__ import annotations

import os
import select
from typing import Protocol

import trio

from zg_node.p2p.framing import PIECES_MAX, Buffer, rest_of
from zg_node.p2p.reactor import Reactor

READ_MIN_BYTES = 8 * 1024
READ_MAX_BYTES = 256 * 1024
"""Asked for after a read that brought READ_MIN_BYTES or more."""


class Endpoint(Protocol):
    """What a channel carries bytes for. Nothing here may wait; an exception ends the channel."""

    def received(self, data: bytes) -> float:
        """Take bytes as they came; returns the seconds for which no more are wanted."""
        ...

    def ended(self) -> None:
        """Nothing more comes or goes: the other side closed, or the socket failed. Called once."""
        ...

    def output(self) -> list[Buffer]:
        """Everything that waits to be written, and no longer does."""
        ...


class Channel:
    """A connected stream socket in the reactor's hands."""

    def __init__(self, reactor: Reactor, descriptor: int, endpoint: Endpoint) -> None:
        """`descriptor` does not block, and stays open until `close` was called."""
        self.descriptor = descriptor
        self._reactor = reactor
        self._endpoint = endpoint
        self._rest: list[Buffer] = []
        """Output that the socket has not taken."""
        self._blocked = False
        """Whether the reactor says when the socket takes more."""
        self._flushing = False
        """Whether the reactor flushes soon."""
        self._paused = False
        self._paused_until_s = 0.0
        """`trio.current_time()` of the end of the longest pause that was asked for."""
        self._closed = False
        self._read_bytes = READ_MIN_BYTES

    def open(self) -> None:
        """Begin to read."""
        self._reactor.watch(self, select.EPOLLIN)

    def close(self) -> None:
        """Stop, and tell nobody. Safe to call again."""
        if not self._closed:
            self._closed = True
            self._reactor.forget(self)

    def pause(self, pause_s: float) -> None:
        """Read nothing for a while; of pauses that overlap, the last to end counts."""
        self._paused_until_s = max(self._paused_until_s, trio.current_time() + pause_s)
        if not self._paused and not self._closed:
            self._paused = True
            self._watch()
            self._reactor.after(pause_s, self)

    def resume(self) -> None:
        """Read again, unless a longer pause was asked for meanwhile."""
        rest_s = self._paused_until_s - trio.current_time()
        if rest_s > 0 and not self._closed:
            self._reactor.after(rest_s, self)
            return
        self._paused = False
        if not self._closed:
            self._watch()

    def flush_soon(self) -> None:
        """Write the endpoint's output soon."""
        if not self._flushing and not self._blocked:
            self._flushing = True
            self._reactor.flush_soon(self)

    def flush(self) -> None:
        """Write the endpoint's output, as much as the socket takes."""
        self._flushing = False
        while not self._closed:
            pieces = self._rest or self._endpoint.output()
            if not pieces:
                if self._blocked:
                    self._blocked = False
                    self._watch()
                return
            try:
                written = os.writev(self.descriptor, pieces[:PIECES_MAX])
            except BlockingIOError:
                written = 0
            except OSError:
                self.end()
                return
            self._rest = rest_of(pieces, written)
            if len(self._rest) > max(0, len(pieces) - PIECES_MAX):
                if not self._blocked:
                    self._blocked = True
                    self._watch()
                return

    # ── for the reactor ─────────────────────────────────────────────────────────────────────────────────────────────

    def ready(self, flags: int) -> None:
        """The socket has events."""
        if flags & select.EPOLLOUT:
            self.flush()
        if flags & ~select.EPOLLOUT and not self._closed:
            self._read()

    def _read(self) -> None:
        try:
            data = os.read(self.descriptor, self._read_bytes)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end()
            return
        self._read_bytes = READ_MAX_BYTES if len(data) >= READ_MIN_BYTES else READ_MIN_BYTES
        pause_s = self._endpoint.received(data)
        if pause_s > 0:
            self.pause(pause_s)

    def _watch(self) -> None:
        events = 0 if self._paused else select.EPOLLIN
        self._reactor.watch(self, events | select.EPOLLOUT if self._blocked else events)

    def end(self) -> None:
        """Stop, and tell the endpoint."""
        self.close()
        self._endpoint.ended()
