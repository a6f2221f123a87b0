"""The host's process as the node sees it: one Unix socket pair, frames in both directions.

    Child.spawn ─▶ python -m zg_node.p2p.host <fd> ─▶ frames ─▶ on_frame … ─▶ on_end when the socket closes

Commands are collected and written once a turn of the event loop, answers to frames right after those. The socket is
the only tie: either side's end closes it, and the other one notices. The process is in a session of its own, so that
Ctrl-C reaches the node alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable
from typing import cast

from zg_node import allocator
from zg_node.errors import InvalidMessage
from zg_node.p2p.framing import FRAME_MAX_BYTES, PIECES_MAX, Buffer, Frame, Splitter, pack, rest_of, unpack

MODULE = "zg_node.p2p.host"
QUEUE_MAX_BYTES = 64 * 1024 * 1024
"""Commands that the host has not taken; beyond it, messages are dropped."""
SOCKET_BUFFER_BYTES = 1024 * 1024
STOP_TIMEOUT_S = 5.0
ALLOCATION = {
    "MALLOC_MMAP_THRESHOLD_": str(allocator.MMAP_FROM_BYTES),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024 * 1024),
}
"""Environment for glibc: buffers of messages stay in the host's heap between two messages. What is given back to the
system comes again as pages that it has to clear first."""

OnFrame = Callable[[Frame, list[bytes]], None]


class Link(asyncio.Protocol):
    """The node's end of the socket pair."""

    def __init__(self, on_frame: OnFrame, on_end: Callable[[], None]) -> None:
        self._on_frame = on_frame
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._splitter = Splitter(FRAME_MAX_BYTES)
        self._descriptor = -1
        self._waiting: list[Buffer] = []
        self._waiting_bytes = 0
        self._reading = False
        """While frames are handed on, what answers them waits for the last one."""
        self.transport: asyncio.Transport | None = None

    def write(self, head: bytes, last: Buffer) -> None:
        """Send a frame, in two pieces, soon."""
        if not self._waiting and not self._reading:
            self._loop.call_soon(self._flush)
        self._waiting += (head, last)
        self._waiting_bytes += len(head) + len(last)

    @property
    def unsent_bytes(self) -> int:
        """What the host has not taken."""
        return self._waiting_bytes + (0 if self.transport is None else self.transport.get_write_buffer_size())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._descriptor = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        try:
            frames = [unpack(body) for body in self._splitter.feed(data)]
        except InvalidMessage:
            self.transport.abort()
            return
        self._reading = True
        try:
            for kind, fields in frames:
                self._on_frame(kind, fields)
        finally:
            self._reading = False
            if self._waiting:
                self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._on_end()

    def _flush(self) -> None:
        """Write what waits: past the transport, which would do so a turn later, unless it has something itself."""
        pieces, self._waiting, self._waiting_bytes = self._waiting, [], 0
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if not transport.get_write_buffer_size() and len(pieces) <= PIECES_MAX:
            with contextlib.suppress(OSError):  # the transport will meet the same, and wait or end
                pieces = rest_of(pieces, os.writev(self._descriptor, pieces))
        if pieces:
            transport.writelines(pieces)


class Child:
    """One run of the host's process."""

    def __init__(self, link: Link, process: asyncio.subprocess.Process) -> None:
        self._link = link
        self._process = process

    @classmethod
    async def spawn(cls, on_frame: OnFrame, on_end: Callable[[], None]) -> Child:
        """Start the process. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    MODULE,
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    env=os.environ | ALLOCATION,
                    stdin=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        _, link = await asyncio.get_running_loop().create_unix_connection(lambda: Link(on_frame, on_end), sock=ours)
        return cls(link, process)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def tell(self, kind: Frame, *fields: bytes) -> None:
        """Send a command that must not be lost."""
        self._link.write(*pack(kind, *fields))

    def offer(self, kind: Frame, *fields: bytes) -> bool:
        """Send a message unless the queue is full; returns whether it was taken."""
        if self._link.transport is None or self._link.unsent_bytes > QUEUE_MAX_BYTES:
            return False
        self.tell(kind, *fields)
        return True

    async def stop(self) -> None:
        """Let the process end by itself, and see to it that it does."""
        self.tell(Frame.STOP)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
        self._close()

    async def kill(self) -> None:
        """End the process now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._link.transport is not None:
            self._link.transport.close()
