"""Blobs in a whole node: what was certified outlives kill -9 and flipped bits on the disk."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.conftest import StartDevnet
from tests.devnet import PROGRAM, Devnet

LENGTHS = (1, 50_000, 1_000_000)
FLIPS = 200
REPAIR_TIMEOUT_S = 60.0


class Unread(Exception):
    """The command failed; the text is what it says."""


def da(node: Devnet, *arguments: str) -> dict[str, Any]:
    """`zg-node da …` against a node: what it prints. Raises Unread."""
    command = [*PROGRAM, "da", *arguments, "--rpc", node.url, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise Unread(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def put_all(node: Devnet, directory: Path) -> dict[str, Path]:
    """Store a file of every length; commitment → file."""
    stored = {}
    for length in LENGTHS:
        path = directory / f"blob-{length}"
        path.write_bytes(random.Random(length).randbytes(length))
        stored[da(node, "put", str(path))["commitment"]] = path
    return stored


def check_all(node: Devnet, stored: dict[str, Path], directory: Path) -> None:
    """Every blob is read back byte for byte."""
    for commitment, path in stored.items():
        copy = directory / f"{path.name}.copy"
        copy.unlink(missing_ok=True)
        da(node, "get", commitment, "--out", str(copy))
        assert copy.read_bytes() == path.read_bytes()


def test_what_was_certified_is_read_after_a_kill(devnet: StartDevnet, tmp_path: Path) -> None:
    node = devnet()
    stored = put_all(node, tmp_path)
    node.kill()
    node.start()
    check_all(node, stored, tmp_path)


def test_what_the_disk_has_changed_is_repaired_and_never_read(devnet: StartDevnet, tmp_path: Path) -> None:
    node = devnet()
    stored = put_all(node, tmp_path)
    assert node.stop() == 0
    rng = random.Random(9)
    files = sorted((node.home / "da").glob("*/*.rows"))
    assert files
    for path in files:
        content = bytearray(path.read_bytes())
        for _ in range(FLIPS):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
    node.start()
    deadline = time.monotonic() + REPAIR_TIMEOUT_S
    while not all_read(node, stored, tmp_path):
        assert time.monotonic() < deadline, node.errors
        time.sleep(0.5)


def all_read(node: Devnet, stored: dict[str, Path], directory: Path) -> bool:
    """Whether every blob is read; false bytes are never."""
    try:
        check_all(node, stored, directory)
    except Unread:
        return False
    return True
