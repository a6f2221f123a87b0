"""What the store asks of a file system beside what the logs ask: to read pieces, and to let go of whole directories."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from zg_node.db.files import Files, SystemFiles


class RowFiles(Files, Protocol):
    """A file system for rows. Everything raises OSError as the operating system would."""

    def read_at(self, path: Path, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes at each (offset, size); fewer where the file ends before."""

    def rename_directory(self, directory: Path, name: str) -> Path:
        """Give a directory another name beside the present one, durably; returns its new path."""

    def remove_directory(self, directory: Path) -> None:
        """Remove a directory and the files in it, in any order."""


class SystemRowFiles(SystemFiles):
    """The operating system's."""

    def read_at(self, path: Path, places: Sequence[tuple[int, int]]) -> list[bytes]:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return [os.pread(descriptor, size, offset) for offset, size in places]
        finally:
            os.close(descriptor)

    def rename_directory(self, directory: Path, name: str) -> Path:
        renamed = directory.rename(directory.with_name(name))
        self.sync_directory(directory.parent)
        return renamed

    def remove_directory(self, directory: Path) -> None:
        shutil.rmtree(directory)


SYSTEM: RowFiles = SystemRowFiles()
"""The files of the machine that we run on."""
