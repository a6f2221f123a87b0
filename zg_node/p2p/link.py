"""The host's end of the socket to its node."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from zg_node.p2p.channel import Channel
from zg_node.p2p.contain import Counts
from zg_node.p2p.framing import FRAME_MAX_BYTES, Buffer, Frame, Splitter, number, pack, unpack
from zg_node.p2p.reactor import Reactor

OFFERED_MAX_BYTES = 64 * 1024 * 1024
"""Events that the node has not taken; beyond it, messages are dropped."""
GOSSIP_MAX_BYTES = 32 * 1024 * 1024
"""The same for gossip, which gives way first."""

OnFrame = Callable[[Frame, list[bytes]], bool]
"""(kind, fields) → whether to go on. Raises InvalidMessage, Unavailable."""


class Link:
    """Frames to and from the node."""

    def __init__(self, reactor: Reactor, descriptor: int, counts: Counts) -> None:
        self.counts = counts
        self.on_frame: OnFrame = lambda kind, fields: True
        self._channel = Channel(reactor, descriptor, self)
        self._splitter = Splitter(FRAME_MAX_BYTES)
        self._waiting: list[Buffer] = []
        self._waiting_bytes = 0
        self._over = trio.Event()
        self._failure: Exception | None = None

    def tell(self, kind: Frame, *fields: Buffer) -> None:
        """Send an event that must not be lost."""
        head, last = pack(kind, *fields)
        self._waiting += (head, last)
        self._waiting_bytes += len(head) + len(last)
        self._channel.flush_soon()

    def offer(self, kind: Frame, *fields: Buffer) -> None:
        """Send a message unless the node is too far behind; it is counted as dropped then."""
        limit = GOSSIP_MAX_BYTES if kind is Frame.GOSSIP else OFFERED_MAX_BYTES
        if self._waiting_bytes > limit:
            self.counts["dropped"] += 1
        else:
            self.tell(kind, *fields)

    async def run(self) -> None:
        """Hand over frames until the node closes the socket or the handler is done. Raises InvalidMessage, and what
        the handler raises."""
        self._channel.open()
        await self._over.wait()
        if self._failure is not None:
            raise self._failure

    def flush(self) -> None:
        """Write what waits now, as much as the socket takes."""
        self._channel.flush()

    # ── for the channel ─────────────────────────────────────────────────────────────────────────────────────────────

    def received(self, data: bytes) -> float:
        """Frames of the node."""
        try:
            for body in self._splitter.feed(data):
                kind, fields = unpack(body)
                if not self.on_frame(kind, fields):
                    self._over.set()
                    break
        except Exception as error:  # noqa: BLE001 — raised again by `run`: a fault of the node, or of ours
            self._failure = error
            self._over.set()
        return 0.0

    def ended(self) -> None:
        """The node is gone."""
        self._over.set()

    def output(self) -> list[Buffer]:
        """Everything that waits."""
        pieces, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return pieces


class LinkLogHandler(logging.Handler):
    """Log records go to the node, which writes all of a node's lines."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        self._link.offer(Frame.LOG, number(record.levelno), record.getMessage()[:1000].encode())
