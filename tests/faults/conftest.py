"""Where the fault tests put the many directories that they rebuild and throw away."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM_MIN_BYTES = 1 << 30


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory in memory if there is room, since nobody will cut the power there; else where pytest keeps its own.

    It goes with the session; what a killed session left in memory goes when the next one begins."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM_MIN_BYTES:
        yield tmp_path_factory.mktemp("scratch")
        return
    ours = MEMORY / f"zg-faults-{os.getuid()}"
    ours.mkdir(mode=0o700, exist_ok=True)
    for left in ours.iterdir():
        if not Path(f"/proc/{left.name}").exists():
            shutil.rmtree(left, ignore_errors=True)
    directory = ours / str(os.getpid())
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)
    with contextlib.suppress(OSError):  # another session is at work
        ours.rmdir()
