"""Names and small files that outlive a power cut.

A file's fsync keeps its content, its directory's fsync keeps its name; neither implies the other.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

DRAFT = ".draft"
"""What the name of something unfinished ends with; a restart may remove it."""


def sync_directory(directory: Path) -> None:
    """Make creations, renames and deletions in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path, mode: int = 0o777) -> None:
    """Create `directory`, with `mode`, and its parents durably."""
    missing = [p for p in (directory, *directory.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(mode if path == directory else 0o777, exist_ok=True)
        sync_directory(path.parent)


def write_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Make `path` a file with this content and `mode`, or after a power cut leave it as it was."""
    draft = _draft(path)
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def make_database(directory: Path, make: Callable[[Path], None]) -> None:
    """Have `make` create a database and close it; `directory` is there whole, or after a power cut not at all.

    LevelDB needs this: it does not sync its first manifest, nor the name by which it finds it.
    """
    if directory.exists():
        return
    draft = _draft(directory)
    if draft.exists():
        shutil.rmtree(draft)
    make(draft)
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_directory(draft)
    draft.rename(directory)
    sync_directory(directory.parent)


def _draft(path: Path) -> Path:
    return path.with_name(path.name + DRAFT)
