"""Fixture files out of a directory, or streamed out of an archive.

A release's archive holds other kinds of tests beside the state tests, which are under `state_tests/` or
`fixtures/state_tests/`; a directory may be either of these, or what contains them. Names are given below them.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MEMBER = re.compile(r"^(?:\./)?(?:fixtures/)?state_tests/(.+\.json)$")
"""A state test's path in an archive."""


class SourceFile(NamedTuple):
    """One JSON file."""

    name: str
    text: str
    done: float
    """Fraction of the source that has been read, 0 to 1."""


def read(path: Path) -> Iterator[SourceFile]:
    """The JSON files of `path`, in a fixed order. Raises OSError, EOFError, tarfile.TarError, or the decompressor's."""
    if path.is_dir():
        yield from _directory(path)
    elif path.suffix == ".json":
        yield SourceFile(path.name, path.read_text(), 1.0)
    else:
        yield from _archive(path)


def _directory(path: Path) -> Iterator[SourceFile]:
    inner = (path / "fixtures" / "state_tests", path / "state_tests")
    root = next((folder for folder in inner if folder.is_dir()), path)
    paths = sorted(root.rglob("*.json"))
    for index, file in enumerate(paths):
        yield SourceFile(file.relative_to(root).as_posix(), file.read_text(), (index + 1) / len(paths))


def _archive(path: Path) -> Iterator[SourceFile]:
    size = max(1, path.stat().st_size)
    with path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as archive:
        for member in archive:
            match = MEMBER.match(member.name)
            content = archive.extractfile(member) if match else None
            if match and content is not None:
                yield SourceFile(match[1], content.read().decode(), os.lseek(raw.fileno(), 0, os.SEEK_CUR) / size)
