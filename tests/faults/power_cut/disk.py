"""A disk as a power cut finds it: what was synced is there, what was not may be there in part.

    trace ──apply, op by op──▶ Disk ──crash(flavour)──▶ a directory that the disk may hold after a cut at this point

What the model takes for granted, and no more:
  - fsync or fdatasync of a file keeps its content up to then; fsync of a directory keeps its names up to then;
  - a file's sync says nothing about its name, a name's sync nothing about the content;
  - operations on the names of one directory reach the disk in order (journalling file systems promise that); those of
    different directories, and contents, in any order;
  - a sector of 512 bytes is written whole or not at all;
  - LevelDB relies on one thing more than POSIX promises, and gets it: syncing one of its new tables keeps the table's
    name and the earlier changes of names beside it (ext4, XFS, Btrfs and F2FS do so). No other new file gets that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random

from tests.faults.power_cut.recording import Op

SECTOR = 512
PAGE = 4096
TABLE = ".ldb"
UNSEEN = {"LOG", "LOG.old"}
"""LevelDB writes its diary through the C library's streams, which the shim does not see; nobody reads it back."""


class Flavour(Enum):
    """Which part of what was not synced is there after the cut."""

    LEAST = "nothing"
    MOST = "everything"
    NAMES = "every name, no content"
    CONTENTS = "every content, no name"
    TORN = "a prefix of each, cut at a sector"
    PAGES = "sizes, and any subset of the pages"
    MIXED = "something else for each file"


@dataclass(frozen=True, slots=True)
class Write:
    offset: int
    data: bytes


@dataclass(slots=True)
class File:
    """Content: what the disk holds, and what was done since the last sync. A Truncate is its length."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write | int] = field(default_factory=list)
    size: int = 0
    """As the process sees it."""

    def write(self, offset: int, data: bytes) -> None:
        self.pending.append(Write(offset, data))
        self.size = max(self.size, offset + len(data))

    def truncate(self, length: int) -> None:
        self.pending.append(length)
        self.size = length

    def sync(self) -> None:
        for change in self.pending:
            _change(self.durable, change)
        self.pending.clear()

    def crashed(self, flavour: Flavour, rng: Random) -> bytes:
        """What may be there after the cut."""
        content = bytearray(self.durable)
        match flavour:
            case Flavour.LEAST | Flavour.NAMES:
                pass
            case Flavour.MOST | Flavour.CONTENTS:
                for change in self.pending:
                    _change(content, change)
            case Flavour.TORN:
                whole = rng.randint(0, len(self.pending))
                for change in self.pending[:whole]:
                    _change(content, change)
                if whole < len(self.pending):
                    _change(content, _torn(self.pending[whole], rng))
            case Flavour.PAGES:
                for change in self.pending:
                    _change(content, change)
                for start in range(0, len(content), PAGE):
                    if rng.random() < 0.5:
                        old = self.durable[start : start + PAGE].ljust(PAGE, b"\0")
                        content[start : start + PAGE] = old[: len(content) - start]
            case Flavour.MIXED:
                return self.crashed(rng.choice(list(Flavour)[:-1]), rng)
        return bytes(content)


def _change(content: bytearray, change: Write | int) -> None:
    if isinstance(change, int):
        del content[change:]
        content.extend(bytes(change - len(content)))
        return
    if change.offset > len(content):
        content.extend(bytes(change.offset - len(content)))
    content[change.offset : change.offset + len(change.data)] = change.data


def _torn(change: Write | int, rng: Random) -> Write | int:
    """A write up to a sector's border; a truncation, which is one step, did not happen yet."""
    if isinstance(change, int):
        return Write(0, b"")
    first = change.offset // SECTOR + 1
    last = (change.offset + len(change.data)) // SECTOR
    end = rng.randint(first, last) * SECTOR if last >= first else change.offset
    return Write(change.offset, change.data[: end - change.offset])


Names = dict[str, "File | Directory"]


@dataclass(slots=True)
class Directory:
    """Names: what the disk holds, what the process sees, and the steps in between."""

    durable: Names = field(default_factory=dict)
    live: Names = field(default_factory=dict)
    pending: list[Callable[[Names], object]] = field(default_factory=list)

    def do(self, step: Callable[[Names], object]) -> None:
        step(self.live)
        self.pending.append(step)

    def sync(self) -> None:
        for step in self.pending:
            step(self.durable)
        self.pending.clear()

    def crashed(self, flavour: Flavour, rng: Random) -> Names:
        """The names that may be there after the cut."""
        match flavour:
            case Flavour.LEAST | Flavour.CONTENTS:
                count = 0
            case Flavour.MOST | Flavour.NAMES:
                count = len(self.pending)
            case _:
                count = rng.randint(0, len(self.pending))
        names = dict(self.durable)
        for step in self.pending[:count]:
            step(names)
        return names


@dataclass(slots=True)
class _Open:
    node: File | Directory
    append: bool
    position: int = 0


class Disk:
    """Takes the trace's operations one by one. `deaf` names syncs that this disk ignores, to test the test."""

    def __init__(self, deaf: Callable[[str], bool] = lambda path: False) -> None:
        self.root = Directory()
        self._deaf = deaf
        self._open: dict[int, _Open] = {}

    def apply(self, op: Op) -> None:
        match op.kind:
            case "o":
                self._opened(op)
            case "c":
                self._open.pop(op.descriptor, None)
            case "w":
                self._written(op)
            case "t":
                self._file(op.descriptor).truncate(op.number)
            case "s":
                if not self._deaf(op.path):
                    self._open[op.descriptor].node.sync()
                    if op.path.endswith(TABLE):
                        self._place(op.path)[0].sync()
            case "r":
                self._rename(op.path, op.data.decode())
            case "u" | "x":
                directory, name = self._place(op.path)
                assert name in directory.live or name in UNSEEN, f"{op.path} was never created"
                directory.do(lambda names: names.pop(name, None))
            case "d":
                directory, name = self._place(op.path)
                made = Directory()
                directory.do(lambda names: names.__setitem__(name, made))
            case "P":
                self._open.clear()

    def crash(self, flavour: Flavour, rng: Random, target: Path) -> None:
        """Make `target` what the disk may hold after a cut here."""
        self._crash(self.root, flavour, rng, target)

    def _crash(self, directory: Directory, flavour: Flavour, rng: Random, target: Path) -> None:
        target.mkdir()
        for name, node in directory.crashed(flavour, rng).items():
            if isinstance(node, Directory):
                self._crash(node, flavour, rng, target / name)
            else:
                (target / name).write_bytes(node.crashed(flavour, rng))

    def _place(self, path: str) -> tuple[Directory, str]:
        *parents, name = path.split("/")
        directory = self.root
        for parent in parents:
            node = directory.live[parent]
            assert isinstance(node, Directory)
            directory = node
        return directory, name

    def _opened(self, op: Op) -> None:
        if not op.path:
            self._open[op.descriptor] = _Open(self.root, append=False)
            return
        directory, name = self._place(op.path)
        node = directory.live.get(name)
        if node is None:
            node = File()
            if op.number & os.O_CREAT:
                directory.do(lambda names: names.__setitem__(name, node))
            else:
                assert name in UNSEEN, f"{op.path} was never created"
        elif op.number & os.O_TRUNC and isinstance(node, File) and node.size:
            node.truncate(0)
        self._open[op.descriptor] = _Open(node, bool(op.number & os.O_APPEND))

    def _written(self, op: Op) -> None:
        at, file = self._open[op.descriptor], self._file(op.descriptor)
        if op.number >= 0:
            file.write(op.number, op.data)
            return
        offset = file.size if at.append else at.position
        file.write(offset, op.data)
        at.position = offset + len(op.data)

    def _file(self, descriptor: int) -> File:
        node = self._open[descriptor].node
        assert isinstance(node, File)
        return node

    def _rename(self, source: str, target: str) -> None:
        directory, old = self._place(source)
        other, new = self._place(target)
        assert directory is other, f"{source} is moved to another directory"
        if old not in UNSEEN:
            directory.do(lambda names: names.__setitem__(new, names.pop(old)))
