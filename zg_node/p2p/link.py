"""The host's end of the socket to its node."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio

from zg_node.p2p.contain import Counts
from zg_node.p2p.framing import FRAME_MAX_BYTES, Frame, Splitter, number, pack, unpack
from zg_node.p2p.sockets import receive, send_all

READ_BYTES = 256 * 1024
OFFERED_MAX_BYTES = 64 * 1024 * 1024
"""Events that the node has not taken; beyond it, messages are dropped."""
GOSSIP_MAX_BYTES = 32 * 1024 * 1024
"""The same for gossip, which gives way first."""

OnFrame = Callable[[Frame, list[bytes]], Awaitable[bool]]
"""(kind, fields) → whether to go on."""


class Link:
    """Frames to and from the node."""

    def __init__(self, stream: trio.SocketStream, counts: Counts) -> None:
        self._stream = stream
        self.counts = counts
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._wake = trio.Event()

    def tell(self, kind: Frame, *fields: bytes) -> None:
        """Send an event that must not be lost."""
        frame = pack(kind, *fields)
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        self._wake.set()

    def offer(self, kind: Frame, *fields: bytes) -> None:
        """Send a message unless the node is too far behind; it is counted as dropped then."""
        limit = GOSSIP_MAX_BYTES if kind is Frame.GOSSIP else OFFERED_MAX_BYTES
        if self._waiting_bytes > limit:
            self.counts["dropped"] += 1
        else:
            self.tell(kind, *fields)

    async def write_loop(self) -> None:
        """Send what waits, as one piece each time. Raises OSError."""
        while True:
            while not self._waiting:
                self._wake = trio.Event()
                await self._wake.wait()
            frames, self._waiting, self._waiting_bytes = self._waiting, [], 0
            await send_all(self._stream, b"".join(frames))

    async def read_loop(self, on_frame: OnFrame) -> None:
        """Hand over frames until the node closes the socket or the handler is done. Raises InvalidMessage."""
        splitter = Splitter(FRAME_MAX_BYTES)
        while data := await receive(self._stream, READ_BYTES):
            for body in splitter.feed(data):
                kind, fields = unpack(body)
                if not await on_frame(kind, fields):
                    return

    async def flush(self) -> None:
        """Send what waits, at the end."""
        frames, self._waiting = self._waiting, []
        await send_all(self._stream, b"".join(frames))


class LinkLogHandler(logging.Handler):
    """Log records go to the node, which writes all of a node's lines."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        self._link.offer(Frame.LOG, number(record.levelno), record.getMessage()[:1000].encode())
