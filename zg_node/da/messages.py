"""What nodes ask one another for: requests and answers of `/zg/dachunk/1`, with their codecs.

    OFFER  keep your rows of this blob      → Signature, once they are durable
    ROWS   rows of a blob                   → Rows
    CELLS  cells of 1 KiB, for samples      → Cells
    DATA   a piece of the blob itself       → Data      for whoever keeps more than K rows: it encodes the others

    request = kind (1 byte) ‖ RLP list;  answer = RLP list

An offer is answered late: the holder first asks its sender, on the same protocol, for ROWS or DATA. An answer holds
what there is of what was asked for, in that order, as much as fits into RESPONSE_MAX_BYTES; who has nothing of it
answers nothing. Decoding checks sizes and shapes; what rows and cells prove is the verifier's business. Rows are
handed on as they lie in the message: one copy in, one copy out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import TypeAlias

from zg_node.da.certificate import SIGNATURE_BYTES, Blob
from zg_node.errors import InvalidMessage
from zg_node.p2p.network import REQUEST_MAX_BYTES, RESPONSE_MAX_BYTES
from zg_node.types.encoding import encode
from zg_node.types.shape import decode

PROTOCOL = "/zg/dachunk/1"

HEADER_BYTES = 81
CHECKSUMS_MAX_BYTES = 16 * 4096
ROW_INDICES_MAX = 16_384
CELLS_MAX = 256
"""Places in one request: a client that samples asks for 20."""
CONTENT_MAX_BYTES = RESPONSE_MAX_BYTES - CHECKSUMS_MAX_BYTES - 1024
"""Rows, cells or data in one answer, with paths and lengths."""

Row: TypeAlias = tuple[int, bytes, bytes]
"""(index, bytes, path), as the core takes and gives it."""
Cell: TypeAlias = tuple[int, int, bytes, bytes]
"""(row, cell, bytes, path), as the core takes and gives it."""


class Kind(IntEnum):
    """First byte of a request."""

    OFFER = 1
    ROWS = 2
    CELLS = 3
    DATA = 4


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Offer:
    """Keep your rows of this blob, and sign."""

    header: bytes
    """HEADER_BYTES; the blob's commitment is its hash."""
    blob: Blob

    def encode(self) -> bytes:
        blob = self.blob
        return _request(Kind.OFFER, self.header, blob.length, blob.quorum, blob.epoch, blob.expiry)


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """Rows of a blob."""

    commitment: bytes
    rows: tuple[int, ...]
    checksums: bool
    """Whether the answer brings the checksums, which are the same every time."""

    def encode(self) -> bytes:
        return _request(Kind.ROWS, self.commitment, self.checksums, struct.pack(f">{len(self.rows)}H", *self.rows))


@dataclass(frozen=True, slots=True)
class CellsRequest:
    """Cells of a blob."""

    commitment: bytes
    places: tuple[tuple[int, int], ...]
    """(row, cell) each."""

    def encode(self) -> bytes:
        numbers = [number for place in self.places for number in place]
        return _request(Kind.CELLS, self.commitment, struct.pack(f">{len(numbers)}H", *numbers))


@dataclass(frozen=True, slots=True)
class DataRequest:
    """The blob from a byte on."""

    commitment: bytes
    offset: int

    def encode(self) -> bytes:
        return _request(Kind.DATA, self.commitment, self.offset)


Request: TypeAlias = Offer | RowsRequest | CellsRequest | DataRequest


def decode_request(message: bytes) -> Request:
    """Parse a request. Raises InvalidMessage."""
    items = decode(message[1:], REQUEST_MAX_BYTES, "request")
    match message[:1], items:
        case b"\x01", [bytes(header), *fields] if len(header) == HEADER_BYTES:
            return Offer(header, Blob.of_items((sha256(header).digest(), *fields), "offer"))
        case b"\x02", [bytes(commitment), bytes(checksums), bytes(rows)] if len(commitment) == 32:
            if checksums not in (b"", b"\x01"):
                raise InvalidMessage("request: neither with checksums nor without")
            return RowsRequest(commitment, _numbers(rows, ROW_INDICES_MAX), checksums == b"\x01")
        case b"\x03", [bytes(commitment), bytes(places)] if len(commitment) == 32 and len(places) % 4 == 0:
            numbers = _numbers(places, 2 * CELLS_MAX)
            return CellsRequest(commitment, tuple(zip(numbers[::2], numbers[1::2], strict=True)))
        case b"\x04", [bytes(commitment), bytes(offset)] if len(commitment) == 32 and len(offset) <= 8:
            return DataRequest(commitment, int.from_bytes(offset, "big"))
        case _:
            raise InvalidMessage("request: no kind has this form")


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Signature:
    """The holder keeps its rows."""

    signature: bytes
    """SIGNATURE_BYTES over the blob's digest."""

    def encode(self) -> bytes:
        return encode((self.signature,))

    @classmethod
    def decode(cls, data: bytes) -> Signature:
        """Parse; raises InvalidMessage."""
        match decode(data, SIGNATURE_BYTES + 8, "signature"):
            case [bytes(signature)] if len(signature) == SIGNATURE_BYTES:
                return cls(signature)
            case _:
                raise InvalidMessage("signature: of another length")


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a blob."""

    header: bytes
    checksums: bytes
    """16 · K bytes; empty where they were not asked for."""
    rows: tuple[Row, ...]

    def encode(self) -> bytes:
        """RLP [header, checksums, index, row, path, index, row, path …]."""
        strings = [self.header, self.checksums]
        for index, row, path in self.rows:
            strings += (_number(index), row, path)
        return _flat(strings)

    @classmethod
    def decode(cls, data: bytes) -> Rows:
        """Parse; raises InvalidMessage."""
        header, checksums, *rest = _strings(data, "rows", 2)
        if len(checksums) > CHECKSUMS_MAX_BYTES or len(rest) % 3:
            raise InvalidMessage("rows: of another form")
        rows = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
        return cls(header, checksums, tuple((_short(index), row, path) for index, row, path in rows))


@dataclass(frozen=True, slots=True)
class Cells:
    """Some cells of a blob."""

    header: bytes
    cells: tuple[Cell, ...]

    def encode(self) -> bytes:
        """RLP [header, row, cell, bytes, path, row, cell, bytes, path …]."""
        strings = [self.header]
        for row, cell, content, path in self.cells:
            strings += (_number(row), _number(cell), content, path)
        return _flat(strings)

    @classmethod
    def decode(cls, data: bytes) -> Cells:
        """Parse; raises InvalidMessage."""
        header, *rest = _strings(data, "cells", 1)
        if len(rest) % 4 or len(rest) > 4 * CELLS_MAX:
            raise InvalidMessage("cells: of another form")
        cells = zip(rest[::4], rest[1::4], rest[2::4], rest[3::4], strict=True)
        return cls(header, tuple((_short(row), _short(cell), content, path) for row, cell, content, path in cells))


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of a blob, from the byte that was asked for on."""

    header: bytes
    piece: bytes

    def encode(self) -> bytes:
        """RLP [header, piece]."""
        return _flat([self.header, self.piece])

    @classmethod
    def decode(cls, data: bytes) -> Data:
        """Parse; raises InvalidMessage."""
        header, *rest = _strings(data, "data", 1)
        if len(rest) != 1 or not rest[0]:
            raise InvalidMessage("data: not one piece")
        return cls(header, rest[0])


def row_budget(row_bytes: int, path_bytes: int) -> int:
    """How many rows fit into one answer beside the checksums; at least one."""
    return max(1, CONTENT_MAX_BYTES // (row_bytes + path_bytes + 16))


def commitment_of(header: bytes) -> bytes:
    """32 bytes: what a header, HEADER_BYTES, is known by."""
    return sha256(header).digest()


def _request(kind: Kind, *items: bytes | int) -> bytes:
    return bytes((kind,)) + encode(items)


def _numbers(packed: bytes, count_max: int) -> tuple[int, ...]:
    """Big-endian u16 numbers, one to `count_max` of them."""
    count, odd = divmod(len(packed), 2)
    if odd or not 0 < count <= count_max:
        raise InvalidMessage(f"request: {len(packed)} bytes of places")
    return struct.unpack(f">{count}H", packed)


def _strings(data: bytes, what: str, least: int) -> list[bytes]:
    """The strings of an answer, of which the first is a header."""
    items = decode(data, RESPONSE_MAX_BYTES, what)
    if not isinstance(items, list) or len(items) < least or not all(isinstance(item, bytes) for item in items):
        raise InvalidMessage(f"{what}: not a list of strings")
    if len(items[0]) != HEADER_BYTES:
        raise InvalidMessage(f"{what}: a header of {len(items[0])} bytes")
    return items


def _short(string: bytes) -> int:
    if len(string) > 2 or string[:1] == b"\0":
        raise InvalidMessage("an index is out of range")
    return int.from_bytes(string, "big")


def _number(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _flat(strings: Iterable[bytes]) -> bytes:
    """The RLP list of strings, as `encode` gives it, with one copy of each."""
    parts: list[bytes] = []
    for string in strings:
        length = len(string)
        if length != 1 or string[0] >= 0x80:
            parts.append(_prefix(0x80, length))
        parts.append(string)
    return b"".join([_prefix(0xC0, sum(map(len, parts))), *parts])


def _prefix(offset: int, length: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((offset + 55 + len(size),)) + size
