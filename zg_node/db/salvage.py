"""Damaged segments made whole again: what is sound in them is kept, in a segment of its own, and the rest is let go.

    damaged 1 … N ─▶ their sound records ─▶ segment N + 1, at once ─▶ 1 … N are removed

Only for what others can give back: in a log of votes or blocks a record that is missing is a contradiction. A power
cut in between may leave segments of both; salvaged again, some records come twice, and all of them in their order
last: whoever reads them has to bear that.
"""

from __future__ import annotations

import re
from pathlib import Path

from zg_node.db import mark
from zg_node.db.files import Files
from zg_node.db.segments import record_head, sound_records


def salvage(directory: Path, suffix: str, files: Files) -> None:
    """Leave one segment with the sound records of all, oldest first; durable then. Raises OSError."""
    pattern = re.compile(rf"(\d{{8}})\.({suffix}|{mark.SUFFIX})")
    found = sorted((int(m[1]), m[2]) for name in files.names(directory) if (m := pattern.fullmatch(name)))
    segments = [number for number, kind in found if kind == suffix]
    fresh = max((number for number, _ in found), default=0) + 1
    content = bytearray()
    for number in segments:
        for payload in sound_records(files.read(_path(directory, number, suffix)), number):
            content += record_head(fresh, len(content), [payload]) + payload
    files.write_file(_path(directory, fresh, suffix), bytes(content))
    for number, kind in found:
        files.remove(_path(directory, number, kind))
    files.sync_directory(directory)


def _path(directory: Path, number: int, suffix: str) -> Path:
    return directory / f"{number:08d}.{suffix}"
