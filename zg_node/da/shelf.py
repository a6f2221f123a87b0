"""The blobs of one expiry epoch, in one directory, so that pruning is the removal of directories.

    <home>/da/<expiry>/00000001.rows    extents, one after the other, see extent.py
    <home>/da/<expiry>/00000001.index   one record an extent, see db/segments.py

    add ─▶ extent to the page cache ─ sync ─▶ fdatasync rows ─▶ records to the index ─▶ fdatasync index

So what the index names was durable before. Bytes behind the last extent that it names are of nobody, and are cut off
at the start. A row that does not read as it was written is damaged: it counts as lacking until it is added again, and
the newest extent that has a row is the one that counts. Of a damaged index the sound records are kept: the rows that
the others named are lacking, and fetched again like any that are.
"""

from __future__ import annotations

import errno
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zg_node.da.certificate import Blob
from zg_node.da.encoding import BlobHeader
from zg_node.da.extent import (
    CRC_BYTES,
    Added,
    Extent,
    Forgotten,
    decode_record,
    runs_of,
    slots,
    sound_checksums,
    sound_row,
)
from zg_node.da.messages import Row
from zg_node.da.rowfiles import RowFiles
from zg_node.db.files import AppendFile
from zg_node.db.salvage import salvage
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt, InvalidMessage

FILE_MAX_BYTES = 256 * 1024 * 1024
"""A file of rows that is this long when it is synced is followed by the next one."""
INDEX_MAX_BYTES = 16 * 1024 * 1024
"""Likewise, of the index."""
PARTS_MAX = 512
"""Buffers in one write; the operating system takes 1024."""


@dataclass(slots=True)
class Kept:
    """What is here of one blob."""

    blob: Blob
    header: bytes
    row_bytes: int
    path_bytes: int
    extents: list[Extent] = field(default_factory=list)
    """Oldest first."""
    damaged: set[int] = field(default_factory=set)
    """Rows that were read and are not what was written."""
    bad_checksums: bool = False

    @classmethod
    def of(cls, blob: Blob, header: bytes) -> Kept:
        """Nothing yet of a blob. Raises InvalidMessage for the header."""
        parsed = BlobHeader.parse(header)
        return cls(blob, header, parsed.row_bytes, 32 * (parsed.rows - 1).bit_length())

    @property
    def slot_bytes(self) -> int:
        """Of one row in the file."""
        return self.row_bytes + self.path_bytes + CRC_BYTES

    @property
    def has_checksums(self) -> bool:
        return not self.bad_checksums and any(extent.checksums_bytes for extent in self.extents)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found to be damaged."""
        return not self.damaged and not self.bad_checksums

    def rows(self) -> frozenset[int]:
        """The rows that are here and not known to be damaged."""
        return frozenset(row for extent in self.extents for row in extent.rows()) - self.damaged

    def find(self, row: int) -> tuple[int, int] | None:
        """(file, offset) of a row's slot, the newest."""
        for extent in reversed(self.extents):
            offset = extent.place(row, self.slot_bytes)
            if offset is not None:
                return extent.file, offset
        return None


@dataclass(slots=True)
class _Writer:
    """The files that a shelf has open."""

    rows: AppendFile
    index: Segments

    def close(self) -> None:
        self.rows.close()
        self.index.close()


class Shelf:
    """`add`, `forget` and reads from any thread; `sync` from one at a time."""

    def __init__(self, directory: Path, files: RowFiles) -> None:
        """Open or create. Raises Corrupt when the index is damaged."""
        self.directory = directory
        self.blobs: dict[Blob, Kept] = {}
        self.damaged: set[Blob] = set()
        """Blobs of which something was read that is not what was written, and has not been added again."""
        self.touched = 0
        """When something was added last, by the store's count."""
        self._files = files
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._writer: _Writer | None = None
        self.damage: str | None = None
        """What was wrong with the index; None when nothing was."""
        try:
            ends = self._replay()
        except Corrupt as error:
            self.damage = str(error)
            self.blobs.clear()
            salvage(directory, "index", files)
            ends = self._replay()
        self._sizes = self._listed()
        self._cut_back(ends)
        self._number = max([1, *self._sizes])
        self._sizes.setdefault(self._number, 0)

    @property
    def is_open(self) -> bool:
        """Whether files are open for writing."""
        return self._writer is not None

    @property
    def used_bytes(self) -> int:
        """In the files of rows."""
        return sum(self._sizes.values())

    def add(self, blob: Blob, header: bytes, checksums: bytes, rows: Sequence[Row]) -> int:
        """Write what is not here yet of `rows`, all of the blob's lengths, and of `checksums`; returns the bytes
        written, which are not durable yet. Raises OSError, Corrupt, InvalidMessage for the header."""
        with self._lock:
            self._open()
            kept = self.blobs.get(blob) or Kept.of(blob, header)
            held = kept.rows()
            fresh = [row for row in rows if row[0] not in held]
            checksums = b"" if kept.has_checksums else checksums
            if not fresh and not checksums:
                return 0
            extent = Extent(self._number, self._sizes[self._number], len(checksums), runs_of([row[0] for row in fresh]))
            self._write(slots(blob.commitment, checksums, fresh), extent.offset)
            self._sizes[self._number] += extent.size(kept.slot_bytes)
            self._pending.append(Added(blob, header, extent).encode())
            kept.extents.append(extent)
            kept.damaged -= {row[0] for row in fresh}
            kept.bad_checksums &= not checksums
            self.blobs[blob] = kept
            if kept.is_sound:
                self.damaged.discard(blob)
            return extent.size(kept.slot_bytes)

    def forget(self, blob: Blob) -> None:
        """Keep nothing of a blob; its bytes are given back with the last blob of their file."""
        with self._lock:
            if self.blobs.pop(blob, None) is not None:
                self._pending.append(Forgotten(blob).encode())
            self.damaged.discard(blob)

    def sync(self) -> None:
        """Make durable what was added before. Raises OSError, Corrupt: that must be taken for lost then."""
        with self._lock:
            pending, self._pending = self._pending, []
            if not pending:
                return
            writer = self._open()
        writer.rows.sync()
        for record in pending:
            writer.index.append([record])
        writer.index.sync()
        if not self._files.exists(self._path(self._number)):
            raise FileNotFoundError(errno.ENOENT, f"{self.directory} was removed meanwhile")
        if writer.index.size() > INDEX_MAX_BYTES:
            writer.index.rotate()
        if self._sizes[self._number] > FILE_MAX_BYTES:
            self._next_file()
        self._remove_unused()

    def read(self, blob: Blob, wanted: Sequence[int]) -> list[Row]:
        """Those of the wanted rows that are here, as they were written."""
        with self._lock:
            kept = self.blobs.get(blob)
            if kept is None:
                return []
            places = [(row, place) for row in wanted if row not in kept.damaged and (place := kept.find(row))]
        rows: list[Row] = []
        for number in sorted({file for _, (file, _) in places}):
            own = [(row, offset) for row, (file, offset) in places if file == number]
            rows += self._read_slots(kept, number, own)
        return rows

    def checksums(self, blob: Blob) -> bytes | None:
        """The data rows' checksums; None when they are not here as they were written."""
        with self._lock:
            kept = self.blobs.get(blob)
            if kept is None or not kept.has_checksums:
                return None
            extent = next(extent for extent in reversed(kept.extents) if extent.checksums_bytes)
        (read,) = self._read_at(extent.file, [(extent.offset, extent.checksums_bytes + CRC_BYTES)])
        found = sound_checksums(blob.commitment, read)
        with self._lock:
            kept.bad_checksums |= found is None
            self._note(kept)
        return found

    def rest(self) -> None:
        """Close the files, unless something waits to be synced; the next `add` opens them again."""
        with self._lock:
            if self._writer is not None and not self._pending:
                self._writer.close()
                self._writer = None

    def close(self) -> None:
        """For good; what was not synced may be lost."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _open(self) -> _Writer:
        if self._writer is None:
            rows = self._files.append(self._path(self._number))
            try:
                self._writer = _Writer(rows, Segments(self.directory, "index", self._files))
            except (OSError, Corrupt):
                rows.close()
                raise
            self._files.sync_directory(self.directory)
        return self._writer

    def _read_slots(self, kept: Kept, number: int, own: Sequence[tuple[int, int]]) -> list[Row]:
        """The sound rows of (row, offset of its slot) in one file; the others are damaged from now on."""
        rest_bytes = kept.path_bytes + CRC_BYTES
        pieces = [piece for _, at in own for piece in ((at, kept.row_bytes), (at + kept.row_bytes, rest_bytes))]
        read = self._read_at(number, pieces)
        found = [
            sound_row(kept.blob.commitment, index, row, rest)
            for (index, _), row, rest in zip(own, read[::2], read[1::2], strict=True)
        ]
        with self._lock:
            kept.damaged |= {index for (index, _), row in zip(own, found, strict=True) if row is None}
            self._note(kept)
        return [row for row in found if row is not None]

    def _note(self, kept: Kept) -> None:
        if not kept.is_sound and self.blobs.get(kept.blob) is kept:
            self.damaged.add(kept.blob)

    def _read_at(self, number: int, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """What is there; nothing at all of what the disk does not give back, and that is damage like any other."""
        try:
            return self._files.read_at(self._path(number), places)
        except OSError:
            return [b""] * len(places)

    def _write(self, parts: Sequence[bytes], start: int) -> None:
        file = self._open().rows
        try:
            for first in range(0, len(parts), PARTS_MAX):
                file.write(parts[first : first + PARTS_MAX])
        except OSError:
            file.truncate(start)
            raise

    def _path(self, number: int) -> Path:
        return self.directory / f"{number:08d}.rows"

    def _listed(self) -> dict[int, int]:
        """File of rows → its bytes."""
        names = self._files.names(self.directory)
        numbers = [int(found[1]) for name in names if (found := re.fullmatch(r"(\d{8})\.rows", name))]
        return {number: self._files.size(self._path(number)) for number in sorted(numbers)}

    def _replay(self) -> dict[int, int]:
        """Read the index; file → the end of the last extent in it. Raises Corrupt."""
        ends: dict[int, int] = {}
        index = Segments(self.directory, "index", self._files)
        try:
            for _, payload in index.records():
                record = decode_record(payload)
                if isinstance(record, Forgotten):
                    self.blobs.pop(record.blob, None)
                    continue
                kept = self.blobs.setdefault(record.blob, Kept.of(record.blob, record.header))
                if record.extent in kept.extents:  # twice, when the power went while the index was salvaged
                    kept.extents.remove(record.extent)
                kept.extents.append(record.extent)
                end = record.extent.offset + record.extent.size(kept.slot_bytes)
                ends[record.extent.file] = max(ends.get(record.extent.file, 0), end)
        except InvalidMessage as error:
            raise Corrupt(f"{self.directory}: {error}") from error
        finally:
            index.close()
        return ends

    def _cut_back(self, ends: dict[int, int]) -> None:
        """Cut off what no record of the index names."""
        for number, size in self._sizes.items():
            end = ends.get(number, 0)
            if size > end:
                self._files.cut(self._path(number), end)
                self._sizes[number] = end

    def _next_file(self) -> None:
        """Go on in a new file of rows; all of the present one is durable but for what waits."""
        with self._lock:
            writer = self._open()
            writer.rows.sync()
            file = self._files.append(self._path(self._number + 1))
            self._files.sync_directory(self.directory)
            writer.rows.close()
            writer.rows = file
            self._number += 1
            self._sizes[self._number] = 0

    def _remove_unused(self) -> None:
        """Give back the files in which no blob has a row any more."""
        with self._lock:
            if self._pending:  # perhaps that a blob is forgotten, and its rows may not go before that is durable
                return
            used = {extent.file for kept in self.blobs.values() for extent in kept.extents} | {self._number}
            unused = [number for number in self._sizes if number not in used]
            for number in unused:
                self._files.remove(self._path(number))
                del self._sizes[number]
        if unused:
            self._files.sync_directory(self.directory)
