"""What the logs ask of a file system: little enough that the simulator can put a disk of its own in its place.

    SystemFiles   the operating system's calls, nothing in between
    tests/sim     a disk in memory that loses, tears and flips what was not synced, fills up, and fails

Content and name are made durable apart: `AppendFile.sync` keeps what was written, `sync_directory` keeps the names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from zg_node.db import durable


class AppendFile(Protocol):
    """An open file that grows at its end; one writer."""

    def write(self, parts: Sequence[bytes]) -> None:
        """Append the parts. Raises OSError; any prefix of them may be there then."""

    def truncate(self, length_bytes: int) -> None:
        """Cut the file back to `length_bytes`. Raises OSError."""

    def sync(self) -> None:
        """fdatasync. Raises OSError: what was written since the last sync must be taken for lost."""

    def close(self) -> None: ...


class Files(Protocol):
    """A file system. Everything raises OSError as the operating system would."""

    def make_directory(self, directory: Path) -> None:
        """Create `directory` and its parents durably."""

    def names(self, directory: Path) -> list[str]:
        """What is in `directory`, in any order."""

    def exists(self, path: Path) -> bool: ...

    def size(self, path: Path) -> int:
        """Bytes."""

    def read(self, path: Path) -> bytes: ...

    def append(self, path: Path) -> AppendFile:
        """Open for appending, creating an empty file when there is none; its name is not durable yet."""

    def cut(self, path: Path, length_bytes: int) -> None:
        """Shorten a closed file, durably."""

    def remove(self, path: Path) -> None:
        """Forget the name; durable after `sync_directory`."""

    def sync_directory(self, directory: Path) -> None:
        """Make creations and removals in `directory` durable."""

    def write_file(self, path: Path, content: bytes) -> None:
        """Make `path` a file with this content, or after a power cut leave it as it was."""


class _SystemAppendFile:
    """A descriptor opened with O_APPEND."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, parts: Sequence[bytes]) -> None:
        views = [memoryview(part) for part in parts]
        while views:
            written = os.writev(self._descriptor, views)
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if views:
                views[0] = views[0][written:]

    def truncate(self, length_bytes: int) -> None:
        os.ftruncate(self._descriptor, length_bytes)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class SystemFiles:
    """The operating system's."""

    def make_directory(self, directory: Path) -> None:
        durable.make_directory(directory)

    def names(self, directory: Path) -> list[str]:
        return os.listdir(directory)  # noqa: PTH208 - names are wanted, not paths

    def exists(self, path: Path) -> bool:
        return path.exists()

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def append(self, path: Path) -> AppendFile:
        return _SystemAppendFile(path)

    def cut(self, path: Path, length_bytes: int) -> None:
        with path.open("r+b") as file:
            file.truncate(length_bytes)
            os.fsync(file.fileno())

    def remove(self, path: Path) -> None:
        path.unlink()

    def sync_directory(self, directory: Path) -> None:
        durable.sync_directory(directory)

    def write_file(self, path: Path, content: bytes) -> None:
        durable.write_file(path, content)


SYSTEM: Files = SystemFiles()
"""The files of the machine that we run on."""
