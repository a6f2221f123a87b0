"""How far a segment is durable: what tells damage from a torn end.

    <directory>/00000001.durable    beside 00000001.<suffix>
    entry = length u64 · crc32 u32 (big-endian; the crc covers the segment's number and the length)

The writer appends an entry after the segment's fdatasync has returned, and does not sync the entry: that is one write
of 12 bytes. So an entry proves that the segment was durable up to its length, whatever happened since; a missing entry
proves nothing. Lengths only grow: the last sound entry counts, and entries that a power cut garbled are passed over.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from zg_node.db.files import Files

SUFFIX = "durable"
_ENTRY = struct.Struct(">QI")
_PLACE = struct.Struct(">QQ")


def durable_length(data: bytes, segment: int) -> int:
    """The length in bytes that a mark's content proves; 0 when it proves nothing."""
    for offset in range(len(data) // _ENTRY.size - 1, -1, -1):
        length, crc = _ENTRY.unpack_from(data, offset * _ENTRY.size)
        if crc == _crc(segment, length):
            return int(length)
    return 0


class Mark:
    """The open mark of the segment that is written; one writer."""

    def __init__(self, path: Path, segment: int, files: Files) -> None:
        """Open or create; the name is not durable yet. Raises OSError."""
        self._segment = segment
        self._file = files.append(path)
        self._size = files.size(path)
        self._noted = 0
        part = self._size % _ENTRY.size
        if part:
            self._size -= part
            self._file.truncate(self._size)

    def note(self, length: int) -> None:
        """The segment is durable up to `length` bytes. Raises OSError; the mark is cut back first."""
        if length == self._noted:
            return
        try:
            self._file.write([_ENTRY.pack(length, _crc(self._segment, length))])
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += _ENTRY.size
        self._noted = length

    def finish(self) -> None:
        """The segment is complete: keep what was noted, and close. Raises OSError."""
        self._file.sync()
        self._file.close()

    def close(self) -> None:
        self._file.close()


def _crc(segment: int, length: int) -> int:
    return zlib.crc32(_PLACE.pack(segment, length))
