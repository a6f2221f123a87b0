"""What a gateway keeps of its own: a small LevelDB under `<home>/gateway`."""

from __future__ import annotations

from pathlib import Path

import plyvel

from zg_node.errors import Corrupt


def open_index(directory: Path) -> plyvel.DB:
    """Open or begin one. Raises Corrupt, OSError."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        return plyvel.DB(str(directory), create_if_missing=True)
    except plyvel.Error as error:
        raise Corrupt(f"{directory} does not open: {error}. Remove it to begin an empty index") from error
