"""The simulator's disk with what the row store asks for beside: directories, pieces of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.sim.disk import VirtualDisk
from tests.sim.loop import PowerCut


class RowDisk(VirtualDisk):
    """Satisfies `RowFiles`. Renaming a directory is atomic, removing one is not."""

    def names(self, directory: Path) -> list[str]:
        return sorted({name.split("/")[0] for name in super().names(directory)})

    def read_at(self, path: Path, places: Sequence[tuple[int, int]]) -> list[bytes]:
        content = self.read(path)
        return [content[offset : offset + size] for offset, size in places]

    def rename_directory(self, directory: Path, name: str) -> Path:
        if self.operation():
            raise PowerCut
        renamed = directory.with_name(name)
        for names in (self._names, self._durable_names):
            for path in [path for path in names if path.startswith(f"{directory}/")]:
                names[path.replace(f"{directory}/", f"{renamed}/", 1)] = names.pop(path)
        return renamed

    def remove_directory(self, directory: Path) -> None:
        for name in super().names(directory):
            self.remove(directory / name)

    def flip(self, path: Path, offset: int) -> None:
        """Flip a bit of a byte that is durable."""
        file = self._file(path)
        file.live[offset] ^= 0x10
        file.durable = bytearray(file.live)
