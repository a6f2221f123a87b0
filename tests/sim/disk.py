"""A disk in memory for the logs: what was synced stays, what was not may be lost, torn or garbled by a power cut.

    write ─▶ pending ── sync ─▶ durable            content
    append, remove ─▶ pending ── sync_directory ─▶ durable     names

Faults, each switched on by the schedule and drawn from its seed:
    cut_after    the machine dies before, within or after the n-th operation from now (`PowerCut`)
    capacity     writes past it leave a part behind and raise ENOSPC
    deaf         syncs return and keep nothing
    rot          a bit of something durable flips
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.sim.loop import PowerCut

GARBAGE_MAX_BYTES = 64


@dataclass(slots=True)
class _File:
    """One file's content, as the node sees it and as the disk holds it."""

    live: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    same: int = 0
    """Bytes at the beginning that both have for certain: no sync copies them again."""

    @classmethod
    def of(cls, content: bytes) -> _File:
        """One whose content is durable."""
        return cls(bytearray(content), bytearray(content), len(content))

    def cut(self, length_bytes: int) -> None:
        del self.live[length_bytes:]
        self.same = min(self.same, length_bytes)

    def sync(self) -> None:
        self.durable[self.same :] = self.live[self.same :]
        self.same = len(self.live)

    def after_cut(self, rng: Random) -> bytes:
        """What may be there: of what was not synced nothing, a prefix, all, or all with its end garbled."""
        live, durable = bytes(self.live), bytes(self.durable)
        if live == durable:
            return durable
        if not live.startswith(durable):
            return rng.choice((live, durable))
        fresh = len(live) - len(durable)
        kept = durable + live[len(durable) :][: rng.randint(0, fresh)]
        if rng.random() < 0.3:
            kept += rng.randbytes(rng.randint(0, GARBAGE_MAX_BYTES))
        return kept


class VirtualDisk:
    """One node's disk; it outlives the node's incarnations. Satisfies `Files`."""

    def __init__(self, rng: Random) -> None:
        self.capacity: int | None = None
        """Bytes; None for no limit."""
        self.deaf = False
        self.cut_after: int | None = None
        """Operations until the power goes; None for never."""
        self.cuts = 0
        self.syncs = 0
        self._rng = rng
        self._names: dict[str, _File] = {}
        self._durable_names: dict[str, _File] = {}
        self._directories: set[str] = set()
        self._incarnation = 0

    # ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def power_cut(self) -> None:
        """The power is gone and comes back: open files are dead, what was not synced is lost in part."""
        self.cut_after = None
        self.cuts += 1
        self._incarnation += 1
        names = dict(self._durable_names)
        for path, file in self._names.items():
            if path not in names and self._rng.random() < 0.5:
                names[path] = file
        for path in [p for p in names if p not in self._names]:
            if self._rng.random() < 0.5:
                del names[path]
        self._names = {path: _File.of(file.after_cut(self._rng)) for path, file in names.items()}
        self._durable_names = dict(self._names)

    def rot(self) -> str | None:
        """Flip a bit of a file; returns which, or None when everything is empty."""
        paths = sorted(path for path, file in self._names.items() if file.live)
        if not paths:
            return None
        path = self._rng.choice(paths)
        file = self._names[path]
        bit = self._rng.randrange(8 * len(file.live))
        file.live[bit // 8] ^= 1 << bit % 8
        file.same = 0
        file.sync()
        return path

    def wipe(self) -> None:
        """Everything is gone, as when an operator starts on an empty disk with the old key."""
        self._incarnation += 1
        self._names, self._durable_names = {}, {}
        self._directories = set()

    def used(self) -> int:
        """Bytes in all files."""
        return sum(len(file.live) for file in self._names.values())

    def operation(self, incarnation: int | None = None) -> bool:
        """Count one; True when the power goes within it. Raises PowerCut when it has gone already."""
        if incarnation is not None and incarnation != self._incarnation:
            raise PowerCut
        if self.cut_after is None:
            return False
        self.cut_after -= 1
        if self.cut_after < 0:
            raise PowerCut
        return self.cut_after == 0 and self._rng.random() < 0.5

    def room(self, wanted: int) -> int:
        """How many of `wanted` bytes still fit."""
        return wanted if self.capacity is None else min(wanted, max(0, self.capacity - self.used()))

    # ── Files ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def make_directory(self, directory: Path) -> None:
        self._directories.add(str(directory))

    def names(self, directory: Path) -> list[str]:
        prefix = f"{directory}/"
        return sorted(p.removeprefix(prefix) for p in self._names if p.startswith(prefix))

    def exists(self, path: Path) -> bool:
        return str(path) in self._names or str(path) in self._directories

    def size(self, path: Path) -> int:
        return len(self._file(path).live)

    def read(self, path: Path) -> bytes:
        return bytes(self._file(path).live)

    def append(self, path: Path) -> _Handle:
        if self.operation():
            raise PowerCut
        file = self._names.setdefault(str(path), _File())
        return _Handle(self, file, self._incarnation)

    def cut(self, path: Path, length_bytes: int) -> None:
        """Shorten a closed file, durably."""
        file = self._file(path)
        if self.operation():
            raise PowerCut
        file.cut(length_bytes)
        file.sync()

    def remove(self, path: Path) -> None:
        self._file(path)
        del self._names[str(path)]
        if self.operation():
            raise PowerCut

    def sync_directory(self, directory: Path) -> None:
        if self.operation():
            raise PowerCut
        if self.deaf:
            return
        prefix = f"{directory}/"
        others = {p: f for p, f in self._durable_names.items() if not p.startswith(prefix)}
        self._durable_names = others | {p: f for p, f in self._names.items() if p.startswith(prefix)}

    def write_file(self, path: Path, content: bytes) -> None:
        if self.operation():
            raise PowerCut
        if self.room(len(content)) < len(content):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        file = _File.of(content)
        self._names[str(path)] = file
        if not self.deaf:
            self._durable_names[str(path)] = file
        self.operation()

    def _file(self, path: Path) -> _File:
        try:
            return self._names[str(path)]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path)) from None


class _Handle:
    """An open file. Satisfies `AppendFile`; dead once the power was cut."""

    def __init__(self, disk: VirtualDisk, file: _File, incarnation: int) -> None:
        self._disk = disk
        self._file = file
        self._incarnation = incarnation

    def write(self, parts: Sequence[bytes]) -> None:
        data = b"".join(parts)
        dying = self._disk.operation(self._incarnation)
        room = self._disk.room(len(data))
        self._file.live += data[:room]
        if dying:
            raise PowerCut
        if room < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")

    def truncate(self, length_bytes: int) -> None:
        if self._disk.operation(self._incarnation):
            raise PowerCut
        self._file.cut(length_bytes)

    def sync(self) -> None:
        dying = self._disk.operation(self._incarnation)
        if not self._disk.deaf:
            self._file.sync()
            self._disk.syncs += 1
        if dying:
            raise PowerCut

    def close(self) -> None:
        """Closing keeps nothing."""
