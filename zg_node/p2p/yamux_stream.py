"""One stream of our Yamux: its buffer, its windows, and whoever consumes it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

import trio
from libp2p.abc import IMuxedStream
from libp2p.stream_muxer.exceptions import MuxedStreamEOF, MuxedStreamError, MuxedStreamReset

from zg_node.errors import InvalidMessage
from zg_node.p2p.framing import Pieces
from zg_node.p2p.yamux_frame import (
    DATA,
    FIN,
    FRAME_MAX_BYTES,
    HEADER,
    RST,
    WINDOW_BYTES,
    WINDOW_MAX_BYTES,
    WINDOW_UPDATE,
)

if TYPE_CHECKING:
    from zg_node.p2p.yamux import FastYamux

SEND_WINDOW_MAX = 1 << 31
WRITE_TIMEOUT_S = 60.0
"""How long a peer may keep its window shut."""

Consumer = Callable[[bytes | memoryview], float]
"""Takes data as they come, valid only during the call, and returns the seconds for which the connection should not be
read; may raise."""


class FastStream(IMuxedStream):
    """One stream."""

    muxed_conn: FastYamux

    def __init__(self, stream_id: int, conn: FastYamux) -> None:
        self.stream_id = stream_id
        self.muxed_conn = conn
        self._unread = Pieces()
        self._readable = trio.Event()
        self._writable = trio.Event()
        self._consumer: Consumer | None = None
        self._failure: Exception | None = None
        """What the consumer raised."""
        self._send_window = WINDOW_BYTES
        self._window = WINDOW_BYTES
        """What the peer may still send."""
        self._grant = WINDOW_BYTES
        """The window when nothing is unread."""
        self._consumed = 0
        self._send_closed = False
        self._receive_closed = False
        self._reset = False

    async def write(self, data: bytes | memoryview) -> None:
        """Send everything. Raises MuxedStreamReset, and MuxedStreamError when our side is closed or the peer keeps
        its window shut."""
        view, offset, total = memoryview(data), 0, len(data)
        while True:
            if self._reset:
                raise MuxedStreamReset("reset")
            if self._send_closed:
                raise MuxedStreamError("closed for writing")
            if offset == total:
                return
            size = min(self._send_window, total - offset, FRAME_MAX_BYTES)
            if size <= 0:
                await self._wait_for_window()
                continue
            self._send_window -= size
            self.muxed_conn.queue(HEADER.pack(0, DATA, 0, self.stream_id, size), view[offset : offset + size])
            offset += size
            await self.muxed_conn.wait_for_room()

    def write_now(self, data: bytes) -> bool:
        """Send everything in one frame if that takes no waiting; returns whether it does not."""
        size = len(data)
        if self._send_closed or size > self._send_window or size > FRAME_MAX_BYTES or not self.muxed_conn.has_room:
            return False
        self._send_window -= size
        self.muxed_conn.queue(HEADER.pack(0, DATA, 0, self.stream_id, size) + data)
        return True

    async def read(self, n: int | None = None) -> bytes:
        """At least one byte and at most `n`. Raises MuxedStreamEOF, MuxedStreamReset."""
        while not self._unread.size:
            if self._reset:
                raise MuxedStreamReset("reset")
            if self._receive_closed:
                raise MuxedStreamEOF("end of stream")
            self._readable = trio.Event()
            await self._readable.wait()
        data = self._unread.join() if n is None or n < 0 else self._unread.take(n)
        self._credit(len(data))
        return data

    async def consume(self, consumer: Consumer) -> None:
        """Hand over everything that comes, within the callback that read it, until the peer closes its side. Raises
        what the consumer raises, and MuxedStreamReset."""
        self._consumer = consumer
        try:
            held = self._unread.join()
            if held:
                self._hand_over(held)
            while not (self._receive_closed or self._reset or self._failure):
                self._readable = trio.Event()
                await self._readable.wait()
        finally:
            self._consumer = None
        if self._failure is not None:
            raise self._failure
        if self._reset:
            raise MuxedStreamReset("reset")

    async def close(self) -> None:
        """Close our side; what the peer still sends can be read."""
        if not self._send_closed:
            self._send_closed = True
            self.muxed_conn.queue(HEADER.pack(0, WINDOW_UPDATE, FIN, self.stream_id, 0))
        self._forget_when_done()

    async def finish(self) -> None:
        """Close our side, and throw away what still comes: nobody reads it."""
        self._receive_closed = True
        self._unread.join()
        await self.close()

    async def reset(self) -> None:
        """End both sides at once."""
        if not self._reset and not (self._send_closed and self._receive_closed):
            self.muxed_conn.queue(HEADER.pack(0, WINDOW_UPDATE, RST, self.stream_id, 0))
        self.abort()

    def abort(self) -> None:
        """Both sides are over, for whatever reason."""
        self._reset = self._send_closed = self._receive_closed = True
        self._unread.join()
        self._wake()
        self.muxed_conn.forget(self)

    def set_deadline(self, ttl: int) -> None:
        """Deadlines are the callers' cancel scopes."""
        raise NotImplementedError

    def get_remote_address(self) -> tuple[str, int] | None:
        """(IP address, port) of the peer."""
        return self.muxed_conn.get_remote_address()

    async def __aenter__(self) -> FastStream:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.close()

    # ── for the connection ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def extra_grant(self) -> int:
        """Window beyond the first grant."""
        return self._grant - WINDOW_BYTES

    def take(self, payload: memoryview) -> None:
        """Data of the peer. Raises InvalidMessage beyond the window."""
        self._window -= len(payload)
        if self._window < 0:
            raise InvalidMessage("data beyond the receive window")
        if self._consumer is not None:
            self._hand_over(payload)
        elif not self._receive_closed and self._failure is None:
            self._unread.add(payload)
            self._readable.set()

    def open_window(self, increment: int) -> None:
        """The peer reads."""
        self._send_window = min(SEND_WINDOW_MAX, self._send_window + increment)
        self._writable.set()

    def flags(self, flags: int) -> None:
        """FIN or RST of the peer."""
        if flags & RST:
            self.abort()
        elif flags & FIN:
            self._receive_closed = True
            self._readable.set()
            self._forget_when_done()

    def _hand_over(self, data: bytes | memoryview) -> None:
        """Give data to the consumer; what it raises ends the stream, in the task that consumes."""
        assert self._consumer is not None
        self._credit(len(data))
        try:
            pause_s = self._consumer(data)
        except Exception as error:  # noqa: BLE001 — raised again by `consume`
            self._failure, self._consumer = error, None
            self._readable.set()
            return
        if pause_s > 0:
            self.muxed_conn.pause(pause_s)

    def _credit(self, size: int) -> None:
        """Grant what was read again, in large steps."""
        self._consumed += size
        if self._receive_closed or self._consumed < self._grant // 2:
            return
        increment, self._consumed = self._consumed, 0
        if self._grant == WINDOW_BYTES and self.muxed_conn.may_grant(WINDOW_MAX_BYTES - WINDOW_BYTES):
            increment += WINDOW_MAX_BYTES - WINDOW_BYTES
            self._grant = WINDOW_MAX_BYTES
        self._window += increment
        self.muxed_conn.queue(HEADER.pack(0, WINDOW_UPDATE, 0, self.stream_id, increment))

    async def _wait_for_window(self) -> None:
        self._writable = trio.Event()
        with trio.move_on_after(WRITE_TIMEOUT_S) as scope:
            await self._writable.wait()
        if scope.cancelled_caught:
            raise MuxedStreamError("the peer keeps its window shut")

    def _forget_when_done(self) -> None:
        if self._send_closed and self._receive_closed:
            self.muxed_conn.forget(self)

    def _wake(self) -> None:
        self._readable.set()
        self._writable.set()
