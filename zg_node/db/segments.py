"""Append-only segment files: the ground of the block log and of the vote log.

    <directory>/00000001.<suffix>, 00000002.<suffix>, … and beside each 0000000i.durable, see db/mark.py
    record = "ZGR1" · length u32 · crc32 u32 · payload (big-endian; the crc covers the record's place, length and
    payload)

Durability: `sync` is fdatasync of the open segment; a new segment's directory entry is fsynced before anything is
written to it, and an older segment is always synced before a newer one begins. Callers sync after every record. So
after a power cut only the last record of the last segment can be torn; opening cuts it off. Everything else that is
not as it was written is Corrupt: a bad record below the marked length or with a sound one anywhere behind it, a file
that is shorter than its mark, a segment that only its mark remembers. The crc covers the place (segment and offset),
so bytes inside a payload cannot pose as a record.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from zg_node.db import mark
from zg_node.db.files import SYSTEM, AppendFile, Files
from zg_node.db.mark import Mark
from zg_node.errors import Corrupt

_MAGIC = b"ZGR1"
_HEAD = struct.Struct(">4sII")
_PLACE = struct.Struct(">QQI")
RECORD_MAX_BYTES = 256 * 1024 * 1024
SEARCH_MAX_BYTES = 1024 * 1024 * 1024
"""How much is checksummed behind a bad record in search of a sound one."""


class Segments:
    """One directory of segments; one writer."""

    def __init__(self, directory: Path, suffix: str, files: Files = SYSTEM) -> None:
        """Open or create, cutting off a torn tail; what is there then is durable. Raises Corrupt when a segment is
        missing or a record is bad."""
        self.directory = directory
        self._suffix = suffix
        self._files = files
        files.make_directory(directory)
        self._sizes = {number: files.size(self._path(number)) for number in self._listed(suffix)}
        numbers = sorted(self._sizes)
        if numbers and numbers != list(range(numbers[0], numbers[-1] + 1)):
            raise Corrupt(f"{directory}: a segment is missing between {numbers[0]:08d} and {numbers[-1]:08d}")
        marked = self._check_marks()
        if numbers:
            self._cut_torn_tail(numbers[-1], marked.get(numbers[-1], 0))
        self.current = numbers[-1] if numbers else 1
        self._file, self._mark = self._open(self.current)
        if numbers:
            self.sync()

    def records(self) -> Iterator[tuple[int, bytes]]:
        """(segment number, payload) of every record, oldest first."""
        for number in sorted(self._sizes):
            data = self._files.read(self._path(number))
            offset = 0
            while offset < len(data):
                payload = _record_at(data, number, offset)
                if payload is None:
                    raise Corrupt(f"{self._path(number)}: bad record at byte {offset}")
                yield number, payload
                offset += _HEAD.size + len(payload)

    def append(self, parts: Sequence[bytes]) -> None:
        """Write one record (the parts joined), not yet durable. Raises OSError; the file is cut back first."""
        length = sum(map(len, parts))
        if not 0 < length <= RECORD_MAX_BYTES:
            raise ValueError(f"a record of {length} bytes")
        start = self._sizes[self.current]
        try:
            self._file.write([record_head(self.current, start, parts), *parts])
        except OSError:
            self._file.truncate(start)
            raise
        self._sizes[self.current] = start + _HEAD.size + length

    def sync(self) -> None:
        """fdatasync. Raises OSError: what was written since the last sync must be taken for lost, and the node
        stops."""
        self._file.sync()
        self._mark.note(self._sizes[self.current])

    def size(self) -> int:
        """Bytes in the current segment."""
        return self._sizes[self.current]

    def rotate(self) -> int:
        """Sync the current segment and begin the next; returns the finished one's number."""
        self.sync()
        self._mark.finish()
        finished = self.current
        file, self._mark = self._open(finished + 1)
        self._file.close()
        self._file, self.current = file, finished + 1
        return finished

    def drop(self, numbers: Sequence[int]) -> None:
        """Delete finished segments, which must be the oldest ones; others are kept."""
        oldest = takewhile(lambda number: number in numbers and number != self.current, sorted(self._sizes))
        dropped = list(oldest)
        marked = self._listed(mark.SUFFIX)
        self._remove([self._mark_path(number) for number in dropped if number in marked])
        self._remove([self._path(number) for number in dropped])
        for number in dropped:
            del self._sizes[number]

    def close(self) -> None:
        self._file.close()
        self._mark.close()

    def _remove(self, paths: Sequence[Path]) -> None:
        """Durably: a segment's mark is gone before the segment, or the mark would miss it."""
        for path in paths:
            self._files.remove(path)
        self._files.sync_directory(self.directory)

    def _path(self, number: int) -> Path:
        return self.directory / f"{number:08d}.{self._suffix}"

    def _mark_path(self, number: int) -> Path:
        return self.directory / f"{number:08d}.{mark.SUFFIX}"

    def _listed(self, suffix: str) -> list[int]:
        pattern = re.compile(rf"(\d{{8}})\.{suffix}")
        return [int(m[1]) for name in self._files.names(self.directory) if (m := pattern.fullmatch(name))]

    def _open(self, number: int) -> tuple[AppendFile, Mark]:
        file = self._files.append(self._path(number))
        durable = Mark(self._mark_path(number), number, self._files)
        self._sizes.setdefault(number, 0)
        self._files.sync_directory(self.directory)
        return file, durable

    def _check_marks(self) -> dict[int, int]:
        """Segment → bytes that were durable, as far as its mark says. Raises Corrupt when they are not there."""
        marked = {n: mark.durable_length(self._files.read(self._mark_path(n)), n) for n in self._listed(mark.SUFFIX)}
        for number, length in marked.items():
            if length > 0 and number not in self._sizes:
                raise Corrupt(f"{self._path(number)} is missing: {length} bytes of it were durable")
            if length > self._sizes.get(number, 0):
                raise Corrupt(
                    f"{self._path(number)} has lost its end: {length} bytes were durable, and {self._sizes[number]} are"
                    " there"
                )
        return marked

    def _cut_torn_tail(self, number: int, durable: int) -> None:
        path = self._path(number)
        data = self._files.read(path)
        offset = 0
        while offset < len(data):
            payload = _record_at(data, number, offset)
            if payload is None:
                break
            offset += _HEAD.size + len(payload)
        if offset == len(data):
            return
        if offset < durable:
            raise Corrupt(f"{path}: bad record at byte {offset}, and {durable} bytes were durable")
        if any(True for _ in sound_records(data, number, offset + 1)):
            raise Corrupt(f"{path}: bad record at byte {offset}, with sound ones after it")
        self._files.cut(path, offset)
        self._sizes[number] = offset


def record_head(segment: int, offset: int, parts: Sequence[bytes]) -> bytes:
    """What stands before a payload, given in parts, of a record at that place."""
    length = sum(map(len, parts))
    crc = zlib.crc32(_PLACE.pack(segment, offset, length))
    for part in parts:
        crc = zlib.crc32(part, crc)
    return _HEAD.pack(_MAGIC, length, crc)


def sound_records(data: bytes, segment: int, offset: int = 0) -> Iterator[bytes]:
    """The payloads of the sound records from `offset` on, whatever lies between them.

    A payload may be full of false beginnings, on purpose: the search gives up after SEARCH_MAX_BYTES."""
    searched = 0
    while searched < SEARCH_MAX_BYTES and (offset := data.find(_MAGIC, offset)) >= 0:
        payload = _record_at(data, segment, offset)
        if payload is not None:
            yield payload
            offset += _HEAD.size + len(payload)
            continue
        length = int.from_bytes(data[offset + 4 : offset + 8], "big")
        searched += length if length < len(data) - offset else 0
        offset += 1


def _record_at(data: bytes, segment: int, offset: int) -> bytes | None:
    """The payload of the record at `offset`, or None when it is not whole and sound."""
    if len(data) - offset < _HEAD.size:
        return None
    magic, length, crc = _HEAD.unpack_from(data, offset)
    start = offset + _HEAD.size
    if magic != _MAGIC or not 0 < length <= min(RECORD_MAX_BYTES, len(data) - start):
        return None
    payload = data[start : start + length]
    return payload if zlib.crc32(payload, zlib.crc32(_PLACE.pack(segment, offset, length))) == crc else None
