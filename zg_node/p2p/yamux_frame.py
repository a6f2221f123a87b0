"""Yamux frames: numbers of the specification, and the cutting of a byte stream into frames.

    u8 version ‖ u8 type ‖ u16 flags ‖ u32 stream ‖ u32 length ‖ data, of DATA frames

A frame's data are handed on as they come, so that nothing is kept here but a header that is not whole.
Specification: github.com/hashicorp/yamux, spec.md.
"""

from __future__ import annotations

import struct
from typing import Protocol

from zg_node.errors import InvalidMessage

HEADER = struct.Struct(">BBHII")
"""version, type, flags, stream, length."""
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8

WINDOW_BYTES = 256 * 1024
"""What the specification grants every stream at first."""
WINDOW_MAX_BYTES = 4 * 1024 * 1024
FRAME_MAX_BYTES = 65_519 - HEADER.size
"""Payload of the frames that we send: with its header, one fills a Noise record."""


class Receiver(Protocol):
    """Who takes the data of a stream."""

    def take(self, payload: memoryview) -> None:
        """Data of the peer, in order. Raises InvalidMessage beyond the window."""
        ...

    def flags(self, flags: int) -> None:
        """FIN or RST of the peer, after the data of the same frame."""
        ...


class FrameHandler(Protocol):
    """Who takes frames."""

    def begin_data(self, stream_id: int, flags: int) -> Receiver | None:
        """Data follow; returns who takes them. Raises InvalidMessage."""
        ...

    def control(self, kind: int, flags: int, stream_id: int, value: int) -> None:
        """A frame without data. Raises InvalidMessage, and IOException when the peer says goodbye."""
        ...


class FrameReader:
    """Cuts the plaintexts of one connection."""

    def __init__(self, handler: FrameHandler) -> None:
        self._handler = handler
        self._partial = b""
        """The beginning of a header."""
        self._left = 0
        """Bytes of the current frame's data that have not come."""
        self._flags = 0
        self._receiver: Receiver | None = None

    def feed(self, plain: bytes) -> int:
        """Take bytes as they came; returns how many frames begin in them. Raises what the handler raises, and
        InvalidMessage."""
        if self._partial:
            plain, self._partial = self._partial + plain, b""
        view, position, end, frames = memoryview(plain), 0, len(plain), 0
        while position < end:
            if self._left:
                position = self._feed_data(view, position, end)
                continue
            if end - position < HEADER.size:
                self._partial = plain[position:]
                return frames
            version, kind, flags, stream_id, length = HEADER.unpack_from(plain, position)
            position += HEADER.size
            frames += 1
            if version or kind > GO_AWAY:
                raise InvalidMessage("not a Yamux frame")
            if kind != DATA:
                self._handler.control(kind, flags, stream_id, length)
                continue
            if length > WINDOW_MAX_BYTES:
                raise InvalidMessage("a frame larger than any window")
            self._receiver, self._flags, self._left = self._handler.begin_data(stream_id, flags), flags, length
            if not length and self._receiver is not None:
                self._receiver.flags(flags)
        return frames

    def _feed_data(self, view: memoryview, position: int, end: int) -> int:
        """Hand on the current frame's data; returns the position after them."""
        size = min(self._left, end - position)
        self._left -= size
        receiver = self._receiver
        if receiver is not None:
            receiver.take(view[position : position + size])
            if not self._left:
                receiver.flags(self._flags)
        return position + size
