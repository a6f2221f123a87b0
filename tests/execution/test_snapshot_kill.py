"""kill -9 in the middle of an installation: what was said to be durable is there, and the rest follows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.execution.epoch_chain import EPOCH_BLOCKS, EpochChain
from tests.execution.test_snapshot import boundary, installation
from zg_node.types.block import StoredBlock

STEP = 7
"""Chunks between two kills."""


def run_and_kill(directory: Path, folder: Path, block: StoredBlock, after: int) -> tuple[int, int]:
    """Kill the process once it has added `after` chunks: (the chunk it began with, the last it said was durable)."""
    arguments = [str(directory), str(folder), str(block.number), block.hash.hex(), block.header.state_root.hex()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.execution.snapshot_process", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    due, last = -1, -1
    for line in process.stdout:
        what, number = line.split()
        if what == "due":
            due = last = int(number)
            last -= 1
        else:
            last = int(number)
        if last - due + 1 >= after:
            process.kill()
            break
    for line in process.stdout:  # what it managed to say before the signal
        last = int(line.split()[1])
    process.wait()
    process.stdout.close()
    return due, last


def test_an_installation_survives_being_killed_again_and_again(tmp_path: Path) -> None:
    source = EpochChain(tmp_path / "source")
    for _ in range(2 * EPOCH_BLOCKS):
        source.mine(transfers=40)
    block = boundary(source)
    snapshot = source.chain.state.snapshot(block.number, 1500)
    folder, directory = tmp_path / "chunks", tmp_path / "copy"
    folder.mkdir()
    after, count = None, 0
    while count == 0 or after is not None:
        chunk, after = snapshot.chunk(after)
        (folder / str(count)).write_bytes(chunk)
        count += 1
    snapshot.close()
    assert count > 3 * STEP
    kills, next_due = 0, 0
    while next_due < count - STEP:
        due, last = run_and_kill(directory, folder, block, STEP)
        assert due in (next_due, next_due + 1), "nothing durable is lost; a chunk may be in that was not announced"
        assert not (directory / "state").exists()
        next_due, kills = last + 1, kills + 1
    assert kills >= 3
    target = installation(directory)
    for index in range(target.open(block.number, block.hash, block.header.state_root), count):
        target.add(index, (folder / str(index)).read_bytes())
    target.finish(block, {})
    copy = EpochChain(directory)
    assert copy.chain.head == block
    assert copy.chain.state.verify()[2] == block.header.state_root
    copy.chain.close()
    source.chain.close()
