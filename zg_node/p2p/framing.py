"""How bytes are cut: length-prefixed frames, parts of large messages, and the frames between a node and its host.

    Splitter       u32 length ‖ body, …                    on Unix sockets and direct streams
    split, Parts   u32 offset ‖ u32 total ‖ ≤ 256 KiB      on bulk streams: parts of one message follow one another
    pack, unpack   u8 kind ‖ (u32 length ‖ field)*         commands and events over the socket of the host's process

Lengths are big-endian. Everything is checked before memory is set aside for it.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from enum import IntEnum

from zg_node.errors import InvalidMessage
from zg_node.p2p.network import DIRECT_MAX_BYTES

LENGTH_BYTES = 4
PART_MAX_BYTES = 256 * 1024
PART_HEADER = struct.Struct(">II")
SMALL_MAX_BYTES = 64 * 1024
"""Largest message that goes over the direct stream; larger ones go over the bulk stream, in parts."""
FRAME_MAX_BYTES = DIRECT_MAX_BYTES + 64 * 1024
"""Largest frame between a node and its host."""
PIECES_MAX = 1024
"""Pieces in one write; the system takes no more."""
PIECE_MIN_BYTES = 4096
"""A piece that is shorter grows before another one begins."""

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">IB")

Buffer = bytes | bytearray | memoryview


class Pieces:
    """Bytes in the pieces in which they came, so that what is long is copied when it is whole and not before."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._taken = 0
        """Bytes of the first piece that are gone: cutting them off would copy it for every small read."""
        self.size = 0
        """Bytes of all pieces."""

    def add(self, data: Buffer) -> None:
        """Append; what is tiny becomes part of the piece before it, so that overhead stays small."""
        self.size += len(data)
        if self._pieces and len(self._pieces[-1]) < PIECE_MIN_BYTES:
            self._pieces[-1] += data
        else:
            self._pieces.append(bytes(data))

    def take(self, limit: int) -> bytes:
        """Remove and return the first piece, or as much of it as `limit` allows; there has to be one."""
        data = self._pieces[0][self._taken : self._taken + limit]
        self._taken += len(data)
        self.size -= len(data)
        if self._taken == len(self._pieces[0]):
            self._pieces.popleft()
            self._taken = 0
        return data

    def join(self) -> bytes:
        """Remove and return everything."""
        whole = b"".join(self._pieces)
        if self._taken:
            whole = whole[self._taken :]
        self._pieces.clear()
        self._taken = self.size = 0
        return whole


class Splitter:
    """Cuts a stream of bytes into the frames that were written to it."""

    def __init__(self, limit_bytes: int) -> None:
        """`limit_bytes` bounds a frame's body."""
        self._limit = limit_bytes
        self._head = b""
        """The beginning of a length."""
        self._body = Pieces()
        """A body that is not whole."""
        self._missing = 0
        """Bytes that the body lacks."""

    def feed(self, data: bytes | memoryview) -> list[memoryview]:
        """Take bytes as they came; returns the bodies that are complete now. They may be parts of `data`. Raises
        InvalidMessage on a length beyond the limit."""
        if self._head:
            data, self._head = self._head + data, b""
        view, bodies = memoryview(data), list[memoryview]()
        position, end = self._fill(data, bodies) if self._missing else 0, len(view)
        while end - position >= LENGTH_BYTES:
            (length,) = _LENGTH.unpack_from(view, position)
            if length > self._limit:
                raise InvalidMessage(f"a frame of {length} bytes, where {self._limit} are allowed")
            start = position + LENGTH_BYTES
            position = start + length
            if position > end:
                self._missing = length
                self._fill(view[start:], bodies)
                return bodies
            bodies.append(view[start:position])
        self._head = bytes(view[position:])
        return bodies

    def _fill(self, data: Buffer, bodies: list[memoryview]) -> int:
        """Add to the body that is not whole; returns how much of `data` that takes."""
        size = min(self._missing, len(data))
        self._body.add(data if size == len(data) else memoryview(data)[:size])
        self._missing -= size
        if not self._missing:
            bodies.append(memoryview(self._body.join()))
        return size


def prefixed(body: bytes) -> bytes:
    """`body` with its length before it."""
    return _LENGTH.pack(len(body)) + body


def split(message: bytes) -> Iterator[bytes]:
    """Frames of a bulk stream, prefixed, that carry `message`."""
    view, total = memoryview(message), len(message)
    for offset in range(0, total, PART_MAX_BYTES):
        part = view[offset : offset + PART_MAX_BYTES]
        header = _LENGTH.pack(PART_HEADER.size + len(part)) + PART_HEADER.pack(offset, total)
        yield b"".join((header, part))


class Parts:
    """Puts messages of one bulk stream together again; holds at most one, of at most DIRECT_MAX_BYTES."""

    def __init__(self) -> None:
        self._message = bytearray()
        self._total = 0

    @property
    def held_bytes(self) -> int:
        """Memory that the unfinished message takes."""
        return len(self._message)

    def add(self, part: bytes | memoryview) -> bytearray | None:
        """Take the next part; returns the message when it is whole. Raises InvalidMessage when the part is not the
        one that follows."""
        if len(part) <= PART_HEADER.size:
            raise InvalidMessage("an empty part")
        offset, total = PART_HEADER.unpack_from(part)
        if offset != len(self._message) or (offset and total != self._total):
            raise InvalidMessage("a part that does not follow the one before it")
        if total > DIRECT_MAX_BYTES or offset + len(part) - PART_HEADER.size > total:
            raise InvalidMessage("parts of a message that is too long")
        self._total = total
        self._message += memoryview(part)[PART_HEADER.size :]
        if len(self._message) < total:
            return None
        message, self._message = self._message, bytearray()
        return message


def rest_of(pieces: list[Buffer], written: int) -> list[Buffer]:
    """What is left of pieces when their first bytes are gone."""
    for index, piece in enumerate(pieces):
        if written < len(piece):
            return [memoryview(piece)[written:], *pieces[index + 1 :]]
        written -= len(piece)
    return []


class Frame(IntEnum):
    """What a frame between a node and its host says; the fields are in the comments."""

    # node → host
    CONFIGURE = 1  # json
    SUBSCRIBE = 2  # topic
    PUBLISH = 4  # topic, message
    SEND = 5  # peer, message
    BROADCAST = 6  # message
    REQUEST = 7  # id, peer, protocol, message, timeout in ms
    RESPOND = 8  # id, status, message
    REPORT = 9  # peer, cost
    PROTECT = 10  # peer, 0 or 1
    DIAL = 11  # multiaddress with /p2p/<id>
    STOP = 12

    # host → node
    STARTED = 32  # peer id, addresses separated by newlines, address to listen on again
    FAILED = 33  # what went wrong, a sentence
    PEER = 34  # id, address, outbound 0 or 1, points, connected 0 or 1
    GOSSIP = 35  # topic, peer that published, message
    DIRECT = 36  # peer, message
    ASKED = 37  # id, peer, protocol, message
    ANSWERED = 38  # id, status, message
    SCORE = 39  # peer, points
    COUNTS = 40  # json
    LOG = 41  # level, text


_KINDS = {kind.value: kind for kind in Frame}


def pack(kind: Frame, *fields: Buffer) -> tuple[bytes, Buffer]:
    """A frame, prefixed, in two pieces: the second is the last field, which may be large and is not copied."""
    if not fields:
        return _HEAD.pack(1, kind), b""
    total = 1 + LENGTH_BYTES * len(fields) + sum(map(len, fields))
    pieces: list[Buffer] = [_HEAD.pack(total, kind)]
    for field in fields[:-1]:
        pieces += (_LENGTH.pack(len(field)), field)
    pieces.append(_LENGTH.pack(len(fields[-1])))
    return b"".join(pieces), fields[-1]


def unpack(body: memoryview) -> tuple[Frame, list[bytes]]:
    """A frame's kind and fields. Raises InvalidMessage."""
    try:
        kind, fields = _KINDS[body[0]], list[bytes]()
        position, end = 1, len(body)
        while position < end:
            start = position + LENGTH_BYTES
            position = start + _LENGTH.unpack_from(body, position)[0]
            if position > end:
                raise InvalidMessage("a frame that ends within a field")
            fields.append(bytes(body[start:position]))
    except (IndexError, KeyError, struct.error) as error:
        raise InvalidMessage("not a frame") from error
    return kind, fields


def number(value: int) -> bytes:
    """A field of 8 bytes."""
    return value.to_bytes(8, "big")


def to_number(field: bytes | bytearray) -> int:
    """The number in a field."""
    return int.from_bytes(field, "big")
