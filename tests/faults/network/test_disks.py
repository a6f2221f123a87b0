"""Disks that are full, and files that are not as they were: one node stops with a sentence, the others go on."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.devnet import NotReady
from tests.faults.network.cluster import VALIDATORS
from tests.faults.network.conftest import Network, Stage
from tests.faults.network.settled import await_finality

pytestmark = pytest.mark.long

VICTIM = 2
OTHERS = [node for node in range(VALIDATORS) if node != VICTIM]
DISK_MB = 24
FULL_S = 120.0
PIECE_BYTES = 64 * 1024
PAUSE_S = 0.01

VOTES = "shard-0/votes"
BLOCKS = "shard-0/log"
ADVICE = ("restore", "copy", "verify", "move", "sync", "remove", "delete", "begin")
"""A refusal says what to do: one of these words is in it."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for one node."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_stops_its_node_alone(stage: Stage, small_disk: Path, tmp_path: Path) -> None:
    network = stage.fresh(tmp_path / "network", {VICTIM: small_disk / "home"})
    try:
        node = network.cluster.nodes[VICTIM]
        filling = small_disk / "filling"
        with network.load() as load:
            await_finality(network.cluster, range(VALIDATORS))
            fill(filling, node.running)
            assert node.wait() == 1, node.said
            assert "the disk is full" in node.sentence
            assert "Traceback" not in node.said
            await_finality(network.cluster, OTHERS)
            filling.unlink()
            node.start()
            await_finality(network.cluster, range(VALIDATORS))
        assert load.told > 0
        network.settle()
    finally:
        stage.close()  # before the disk goes


def fill(filling: Path, running: Callable[[], bool]) -> None:
    """Leave a node no room until it ends."""
    deadline = time.monotonic() + FULL_S
    with filling.open("wb", buffering=0) as file:
        while running():
            assert time.monotonic() < deadline, "the node runs on without any room"
            try:
                file.write(bytes(PIECE_BYTES))
            except OSError:
                time.sleep(PAUSE_S)


def flip(file: Path) -> None:
    """A bit in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


def blank(file: Path) -> None:
    """A sector of zeros in the middle."""
    content = bytearray(file.read_bytes())
    start = len(content) // 2 // 512 * 512
    content[start : start + 512] = bytes(len(content[start : start + 512]))
    file.write_bytes(content)


def halve(file: Path) -> None:
    """The second half is gone, as if it had never been written."""
    with file.open("r+b") as open_file:
        open_file.truncate(file.stat().st_size // 2)


def empty(file: Path) -> None:
    """Nothing is left."""
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [flip, blank, empty, Path.unlink], ids=["flip", "blank", "empty", "unlink"])
def test_a_validator_without_a_sound_vote_log_does_not_vote(network: Network, damage: Callable[[Path], None]) -> None:
    sentence = damaged(network, VOTES, damage)
    assert "vote log" in sentence
    assert "do not vote with this key again" in sentence


@pytest.mark.parametrize("damage", [flip, blank], ids=["flip", "blank"])
def test_a_node_without_a_sound_block_log_does_not_start(network: Network, damage: Callable[[Path], None]) -> None:
    sentence = damaged(network, BLOCKS, damage)
    assert any(word in sentence for word in ADVICE), sentence


def damaged(network: Network, directory: str, damage: Callable[[Path], None]) -> str:
    """Kill a node under load and damage its last file in `directory`: it refuses to start, and the others go on. With
    the file as it was it comes back. Returns the refusal."""
    node = network.cluster.nodes[VICTIM]
    with network.load() as load:
        await_finality(network.cluster, range(VALIDATORS))
        node.kill()
        logs = node.home / directory
        kept = network.cluster.directory / "kept"
        shutil.copytree(logs, kept)
        damage(max(logs.iterdir()))
        sentence = node.refuse()
        await_finality(network.cluster, OTHERS)
        shutil.rmtree(logs)
        kept.rename(logs)
        node.start()
        await_finality(network.cluster, range(VALIDATORS))
    assert load.told > 0
    network.settle()
    return sentence


@pytest.mark.parametrize("directory", [VOTES, BLOCKS], ids=["votes", "blocks"])
def test_a_log_that_lost_its_end_is_refused_or_harms_nobody(network: Network, directory: str) -> None:
    node = network.cluster.nodes[VICTIM]
    with network.load() as load:
        await_finality(network.cluster, range(VALIDATORS))
        node.kill()
        logs = node.home / directory
        kept = network.cluster.directory / "kept"
        shutil.copytree(logs, kept)
        halve(max(logs.iterdir()))
        node.launch()
        try:
            node.await_ready()
            shutil.rmtree(kept)
        except NotReady:
            assert node.sentence.startswith("Error: "), node.said
            assert any(word in node.sentence for word in ADVICE), node.sentence
            shutil.rmtree(logs)
            kept.rename(logs)
            node.start()
        await_finality(network.cluster, range(VALIDATORS))
    assert load.told > 0
    network.settle()
