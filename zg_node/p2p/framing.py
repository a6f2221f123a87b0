"""How bytes are cut: length-prefixed frames, parts of large messages, and the frames between a node and its host.

    Splitter       u32 length ‖ body, …                    on Unix sockets and direct streams
    split, Parts   u32 offset ‖ u32 total ‖ ≤ 256 KiB      on bulk streams: parts of one message follow one another
    pack, unpack   u8 kind ‖ (u32 length ‖ field)*         commands and events over the socket of the host's process

Lengths are big-endian. Everything is checked before memory is set aside for it.
"""

from __future__ import annotations

import struct
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

_LENGTH = struct.Struct(">I")


class Splitter:
    """Cuts a stream of bytes into the frames that were written to it."""

    def __init__(self, limit_bytes: int) -> None:
        """`limit_bytes` bounds a frame's body."""
        self._limit = limit_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; returns the bodies that are complete now. Raises InvalidMessage on a length beyond
        the limit."""
        buffer = self._buffer
        buffer += data
        bodies: list[bytes] = []
        position, end = 0, len(buffer)
        while end - position >= LENGTH_BYTES:
            (length,) = _LENGTH.unpack_from(buffer, position)
            if length > self._limit:
                raise InvalidMessage(f"a frame of {length} bytes, where {self._limit} are allowed")
            if end - position - LENGTH_BYTES < length:
                break
            position += LENGTH_BYTES
            bodies.append(bytes(memoryview(buffer)[position : position + length]))
            position += length
        if position:
            del buffer[:position]
        return bodies


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

    def add(self, part: bytes) -> bytes | None:
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
        message = bytes(self._message)
        self._message = bytearray()
        return message


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


def pack(kind: Frame, *fields: bytes) -> bytes:
    """A frame, prefixed."""
    total = 1 + LENGTH_BYTES * len(fields) + sum(map(len, fields))
    pieces = [_LENGTH.pack(total), bytes((kind,))]
    for field in fields:
        pieces += (_LENGTH.pack(len(field)), field)
    return b"".join(pieces)


def unpack(body: bytes) -> tuple[Frame, list[bytes]]:
    """A frame's kind and fields. Raises InvalidMessage."""
    try:
        kind = Frame(body[0])
        fields, position = [], 1
        while position < len(body):
            (length,) = _LENGTH.unpack_from(body, position)
            position += LENGTH_BYTES
            if length > len(body) - position:
                raise InvalidMessage("a frame that ends within a field")
            fields.append(body[position : position + length])
            position += length
    except (IndexError, ValueError, struct.error) as error:
        raise InvalidMessage("not a frame") from error
    return kind, fields


def number(value: int) -> bytes:
    """A field of 8 bytes."""
    return value.to_bytes(8, "big")


def to_number(field: bytes | bytearray) -> int:
    """The number in a field."""
    return int.from_bytes(field, "big")
