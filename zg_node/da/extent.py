"""Rows as they lie in a file, and what the index says about them.

    slot    = row ‖ path ‖ crc32 u32             of one row; the crc covers the commitment and the row's index as well
    extent  = [checksums ‖ crc32 u32] ‖ slot …   written at once, in the order of its runs
    record  = RLP [1, [commitment, length, quorum, epoch, expiry], header, file, offset, checksums' bytes, runs]
            | RLP [2, [commitment, length, quorum, epoch, expiry]]                the blob is forgotten
    runs    = (first row u16, count u16) …       rows that follow one another

Whoever keeps a share of the circle has its rows in one or two runs.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from zg_node.da.certificate import Blob
from zg_node.da.messages import HEADER_BYTES, Row
from zg_node.errors import InvalidMessage
from zg_node.types.encoding import encode
from zg_node.types.shape import decode

RECORD_MAX_BYTES = 1 << 18
CRC_BYTES = 4
_CRC = struct.Struct(">I")
_RUN = struct.Struct(">HH")
_CHECKSUMS = 0xFFFFFFFF
"""Stands for a row's index in the crc of checksums."""

Runs = tuple[tuple[int, int], ...]
"""(first row, count) …"""


@dataclass(frozen=True, slots=True)
class Extent:
    """Rows of one blob that were written together."""

    file: int
    offset: int
    """Of its first byte in the file."""
    checksums_bytes: int
    """Of the checksums before the rows; 0 when there are none."""
    runs: Runs

    def rows(self) -> Iterator[int]:
        """The indices of its rows, in order."""
        return chain.from_iterable(range(first, first + count) for first, count in self.runs)

    def place(self, row: int, slot_bytes: int) -> int | None:
        """The offset in the file of a row's slot; None when it is not in here."""
        start = self.offset + (self.checksums_bytes + CRC_BYTES if self.checksums_bytes else 0)
        for first, count in self.runs:
            if first <= row < first + count:
                return start + (row - first) * slot_bytes
            start += count * slot_bytes
        return None

    def size(self, slot_bytes: int) -> int:
        """Bytes in the file."""
        head = self.checksums_bytes + CRC_BYTES if self.checksums_bytes else 0
        return head + sum(count for _, count in self.runs) * slot_bytes


@dataclass(frozen=True, slots=True)
class Added:
    """The index record of an extent."""

    blob: Blob
    header: bytes
    extent: Extent

    def encode(self) -> bytes:
        extent = self.extent
        runs = b"".join(_RUN.pack(*run) for run in extent.runs)
        place = (extent.file, extent.offset, extent.checksums_bytes)
        return encode((1, self.blob.items(), self.header, *place, runs))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The index record of a blob that is not kept any longer."""

    blob: Blob

    def encode(self) -> bytes:
        return encode((2, self.blob.items()))


def decode_record(payload: bytes) -> Added | Forgotten:
    """Parse an index record. Raises InvalidMessage."""
    match decode(payload, RECORD_MAX_BYTES, "index record"):
        case [b"\x01", list(fields), bytes(header), bytes(file), bytes(offset), bytes(checksums), bytes(runs)]:
            if len(header) != HEADER_BYTES or len(runs) % _RUN.size:
                raise InvalidMessage("index record: of another form")
            number, start, size = (int.from_bytes(string, "big") for string in (file, offset, checksums))
            extent = Extent(number, start, size, tuple((first, count) for first, count in _RUN.iter_unpack(runs)))
            return Added(Blob.of_items(fields, "index record"), header, extent)
        case [b"\x02", list(fields)]:
            return Forgotten(Blob.of_items(fields, "index record"))
        case _:
            raise InvalidMessage("index record: of another kind")


def runs_of(rows: Sequence[int]) -> Runs:
    """Indices in their order, those that follow one another together."""
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and row == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((row, 1))
    return tuple(runs)


def slots(commitment: bytes, checksums: bytes, rows: Sequence[Row]) -> list[bytes]:
    """The parts of an extent, ready to be written without being joined."""
    parts = [checksums, _CRC.pack(crc(commitment, _CHECKSUMS, checksums))] if checksums else []
    for index, row, path in rows:
        parts += (row, path + _CRC.pack(crc(commitment, index, row, path)))
    return parts


def sound_row(commitment: bytes, index: int, row: bytes, rest: bytes) -> Row | None:
    """The row of a slot that was read in two parts; None unless it is what was written."""
    path, found = rest[:-CRC_BYTES], rest[-CRC_BYTES:]
    return (index, row, path) if found == _CRC.pack(crc(commitment, index, row, path)) else None


def sound_checksums(commitment: bytes, read: bytes) -> bytes | None:
    """Checksums that were read with their crc; None unless they are what was written."""
    checksums, found = read[:-CRC_BYTES], read[-CRC_BYTES:]
    return checksums if found == _CRC.pack(crc(commitment, _CHECKSUMS, checksums)) else None


def crc(commitment: bytes, index: int, *parts: bytes) -> int:
    """Of the parts in their place."""
    value = zlib.crc32(index.to_bytes(4, "big"), zlib.crc32(commitment))
    for part in parts:
        value = zlib.crc32(part, value)
    return value
