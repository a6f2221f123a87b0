"""The rows that this node keeps, on disk: a shelf for each expiry epoch, one limit for all of them.

    add ─▶ shelf (page cache) ─ sync ─▶ durable ─▶ only now may anybody sign

`sync` is shared: who comes while one runs waits for the next, which makes durable what all of them added. When the
disk fails to sync, nobody knows what it holds; from then on the store takes nothing more until the node starts again.
Reads go on: every row is checked as it is read.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from zg_node.da.certificate import Blob
from zg_node.da.messages import Row
from zg_node.da.rowfiles import SYSTEM, RowFiles
from zg_node.da.shelf import Kept, Shelf
from zg_node.db.durable import DRAFT
from zg_node.errors import Corrupt, Unavailable

log = logging.getLogger("zg.da")

SHELVES_MAX = 4096
"""Expiry epochs for which rows are kept at one time."""
OPEN_MAX = 16
"""Shelves that keep their files open when nothing waits to be synced."""


class Store:
    """From any thread."""

    def __init__(self, directory: Path, capacity_bytes: int, files: RowFiles = SYSTEM) -> None:
        """Open or create; what is there then is durable. `capacity_bytes` bounds the rows with their paths. Raises
        Corrupt, with what to do, for an index of another form; of a damaged one it keeps what is sound, and warns."""
        self.capacity_bytes = capacity_bytes
        self._directory = directory
        self._files = files
        self._lock = threading.Lock()
        self._sync_turn = threading.Lock()
        self._added = self._synced = 0
        self._failure: str | None = None
        files.make_directory(directory)
        names = files.names(directory)
        for name in names:
            if name.endswith(DRAFT):
                files.remove_directory(directory / name)
        self._shelves = {int(name): self._open(int(name)) for name in names if name.isdigit()}
        self._by_commitment: dict[bytes, list[Blob]] = {}
        for blob in self.blobs():
            self._by_commitment.setdefault(blob.commitment, []).append(blob)

    @property
    def used_bytes(self) -> int:
        """Of rows and paths on disk, those of blobs that were forgotten included as long as they are there."""
        return sum(shelf.used_bytes for shelf in tuple(self._shelves.values()))

    def blobs(self) -> tuple[Blob, ...]:
        """All of which there is anything here."""
        return tuple(blob for shelf in tuple(self._shelves.values()) for blob in tuple(shelf.blobs))

    def damaged(self) -> tuple[Blob, ...]:
        """Those of which something that was read is damaged, and not repaired yet."""
        return tuple(blob for shelf in tuple(self._shelves.values()) for blob in tuple(shelf.damaged))

    def blobs_of(self, commitment: bytes) -> tuple[Blob, ...]:
        """Those with this commitment: the same bytes, requested more than once."""
        return tuple(self._by_commitment.get(commitment, ()))

    def kept(self, blob: Blob) -> Kept | None:
        """What is here of a blob."""
        shelf = self._shelves.get(blob.expiry)
        return shelf.blobs.get(blob) if shelf is not None else None

    def lacking(self, blob: Blob, wanted: Sequence[int]) -> tuple[int, ...]:
        """Which of the wanted rows are not here, or damaged."""
        kept = self.kept(blob)
        held = kept.rows() if kept is not None else frozenset[int]()
        return tuple(row for row in wanted if row not in held)

    def check_room(self, size_bytes: int) -> None:
        """Raise Unavailable unless so many bytes could be added."""
        used = self.used_bytes
        if used + size_bytes > self.capacity_bytes:
            raise Unavailable(f"the store is full: {used:,} of {self.capacity_bytes:,} bytes are used")

    def add(self, blob: Blob, header: bytes, checksums: bytes, rows: Sequence[Row]) -> int:
        """Write those of the rows, which were verified, that are not here, and the checksums likewise; returns the
        bytes written. Durable after `sync`. Raises Unavailable when there is no room."""
        with self._lock:
            self._check_failure()
            self.check_room(len(checksums) + sum(len(row) + len(path) + 4 for _, row, path in rows))
            try:
                shelf = self._shelf(blob.expiry)
                written = shelf.add(blob, header, checksums, rows)
            except (OSError, Corrupt) as error:
                raise Unavailable(f"rows cannot be written: {_reason(error)}") from error
            self._added += 1
            shelf.touched = self._added
            own = self._by_commitment.setdefault(blob.commitment, [])
            if blob not in own:
                own.append(blob)
            return written

    def sync(self) -> None:
        """Make durable what was added before the call. Raises Unavailable when the disk does not, now or before."""
        ticket = self._added
        with self._sync_turn:
            if self._synced >= ticket:
                return
            self._check_failure()
            covered, shelves = self._added, tuple(self._shelves.values())
            try:
                for shelf in shelves:
                    shelf.sync()
            except (OSError, Corrupt) as error:
                self._failure = f"rows could not be made durable: {_reason(error)}"
                log.error("da store failed: %s; restart the node when the disk is well", error)
                self._check_failure()
            self._synced = covered
            for shelf in sorted((s for s in shelves if s.is_open), key=lambda s: s.touched)[:-OPEN_MAX]:
                shelf.rest()

    def rows(self, blob: Blob, wanted: Sequence[int]) -> list[Row]:
        """Those of the wanted rows that are here, each as it was written; what is damaged is left out and is lacking
        from then on."""
        shelf = self._shelves.get(blob.expiry)
        return shelf.read(blob, wanted) if shelf is not None else []

    def checksums(self, blob: Blob) -> bytes | None:
        """The data rows' checksums; None when they are not here, or damaged."""
        shelf = self._shelves.get(blob.expiry)
        return shelf.checksums(blob) if shelf is not None else None

    def forget(self, blob: Blob) -> None:
        """Keep nothing of a blob; durable with the next `sync`."""
        with self._lock:
            shelf = self._shelves.get(blob.expiry)
            if shelf is not None:
                shelf.forget(blob)
                self._added += 1
            self._unlist(blob)

    def prune(self, epoch: int) -> int:
        """Remove, durably, every blob that expired before `epoch`; returns how many bytes. Raises Unavailable when the
        disk does not let go of them; the next start tries again."""
        freed = 0
        with self._sync_turn, self._lock:
            for expiry in sorted(expiry for expiry in self._shelves if expiry < epoch):
                shelf = self._shelves.pop(expiry)
                for blob in tuple(shelf.blobs):
                    self._unlist(blob)
                freed += shelf.used_bytes
                shelf.close()
                try:
                    expired = self._files.rename_directory(shelf.directory, shelf.directory.name + DRAFT)
                    self._files.remove_directory(expired)
                except OSError as error:
                    raise Unavailable(f"{shelf.directory} cannot be removed: {error.strerror}") from error
        return freed

    def close(self) -> None:
        for shelf in self._shelves.values():
            shelf.close()

    def _check_failure(self) -> None:
        if self._failure is not None:
            raise Unavailable(self._failure)

    def _shelf(self, expiry: int) -> Shelf:
        shelf = self._shelves.get(expiry)
        if shelf is None:
            if len(self._shelves) >= SHELVES_MAX:
                raise Unavailable(f"rows are kept for {SHELVES_MAX} expiry epochs already")
            shelf = self._shelves[expiry] = self._open(expiry)
        return shelf

    def _open(self, expiry: int) -> Shelf:
        directory = self._directory / str(expiry)
        try:
            shelf = Shelf(directory, self._files)
        except Corrupt as error:
            raise Corrupt(
                f"the index of the stored rows cannot be read: {error}. Remove {directory}, and the node fetches its "
                "rows from the other holders again"
            ) from error
        if shelf.damage is not None:
            log.warning(
                "da index damaged: %s; kept_blobs=%d, what else was named there is fetched from other holders",
                shelf.damage, len(shelf.blobs),
            )  # fmt: skip
        return shelf

    def _unlist(self, blob: Blob) -> None:
        own = self._by_commitment.get(blob.commitment, [])
        if blob in own:
            own.remove(blob)
        if not own:
            self._by_commitment.pop(blob.commitment, None)


def _reason(error: OSError | Corrupt) -> str | None:
    return error.strerror if isinstance(error, OSError) else str(error)
