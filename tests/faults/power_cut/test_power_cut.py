"""The power fails under load: from everything that un-synced loss allows the node starts, and what it said stays true.

One trace is recorded (record.py), the disk is rebuilt as it may be after many of its operations (disk.py), and a node
is opened on each (check.py). Where one class of syncs is ignored the same check must fail, or it would prove nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

import pytest

from tests.conftest import StartDevnet
from tests.faults.power_cut.check import Cut, Promises, failures
from tests.faults.power_cut.cuts import after_promises, choose
from tests.faults.power_cut.disk import Disk, Flavour
from tests.faults.power_cut.record import Recording, record
from tests.faults.power_cut.recording import ACKNOWLEDGED
from tests.faults.test_kill import await_receipt
from tests.transfers import transfer

SEED = 20_240_229
LIFE_S = 2.0
LIFE_LONG_S = 10.0
CUTS = 200
CUTS_LONG = int(os.environ.get("ZG_POWER_CUTS", "3000"))
WORKERS = 2

SYNCS = {
    "the block log": r"shard-0/log/.*\.log",
    "a new segment of the block log": r"shard-0/log",
    "the vote log": r"shard-0/votes/.*\.wal",
    "a new segment of the vote log": r"shard-0/votes",
    "the state": r"shard-0/state/.*",
    "the block store": r"shard-0/blocks/.*",
    "the names of the databases' files": r"shard-0/(state|blocks)",
    "the shard's directory": r"shard-0",
    "the data directory": r"",
    "the data directory's marker": r"zg-node\.home\.draft",
}
"""What a class of syncs keeps → the paths of its files, below the data directory."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    if shutil.which("gcc") is None:
        pytest.skip("the shim needs gcc")
    return record(tmp_path_factory.mktemp("power-cut"), LIFE_S)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def test_the_trace_is_the_whole_story(recording: Recording, tmp_path: Path) -> None:
    disk = Disk()
    for op in recording.ops():
        disk.apply(op)
    disk.crash(Flavour.MOST, Random(SEED), tmp_path / "rebuilt")
    assert tree(tmp_path / "rebuilt") == tree(recording.root)


def test_the_trace_holds_what_a_cut_can_hit(recording: Recording) -> None:
    ops = recording.ops()
    assert sum(op.kind == ACKNOWLEDGED for op in ops) >= 5
    assert sum(op.kind == "u" and op.path.endswith(".wal") for op in ops) > 0, "no vote segment was dropped"
    assert sum(op.kind == "u" and "/log/" in op.path for op in ops) > 0, "no log segment was dropped"
    assert sum(op.kind == "s" and "/state/" in op.path for op in ops) > 2, "the state was not flushed"
    assert sum(op.kind == "u" and "/blocks/" in op.path for op in ops) > 0, "the block store changed no file"


def test_nothing_that_was_said_is_lost_wherever_the_power_fails(
    recording: Recording, pool: ProcessPoolExecutor, scratch: Path
) -> None:
    cuts = choose(recording.ops(), CUTS, 2, Random(SEED))
    assert len(cuts) >= CUTS
    assert everywhere(recording, cuts, pool, scratch) == []


@pytest.mark.long
def test_nothing_that_was_said_is_lost_wherever_the_power_fails_in_a_long_trace(
    tmp_path: Path, pool: ProcessPoolExecutor, scratch: Path
) -> None:
    recording = record(tmp_path, LIFE_LONG_S)
    cuts = choose(recording.ops(), CUTS_LONG, 4, Random(SEED + 1))
    assert everywhere(recording, cuts, pool, scratch) == []


@pytest.mark.parametrize("kept", SYNCS)
def test_without_the_syncs_of_a_class_something_is_lost(recording: Recording, kept: str, scratch: Path) -> None:
    pattern = re.compile(rf"home/{SYNCS[kept]}" if SYNCS[kept] else "(home)?")
    assert any(op.kind == "s" and pattern.fullmatch(op.path) for op in recording.ops()), "there is no such sync"
    cuts = after_promises(recording.ops(), 400, Random(SEED))
    lost = failures(recording, cuts, SEED, scratch, deaf=lambda path: pattern.fullmatch(path) is not None)
    assert next(lost, None) is not None


@pytest.mark.parametrize("flavour", [Flavour.LEAST, Flavour.TORN, Flavour.PAGES])
def test_a_whole_node_starts_after_a_power_cut(
    recording: Recording, devnet: StartDevnet, tmp_path: Path, flavour: Flavour
) -> None:
    ops, rng = recording.ops(), Random(f"{SEED} {flavour.name}")
    after = rng.choice([index for index, op in enumerate(ops) if op.kind == ACKNOWLEDGED])
    disk, promises = Disk(), Promises()
    for op in ops[: after + 1]:
        disk.apply(op)
        promises.note(op)
    disk.crash(flavour, rng, tmp_path / "root")
    node = devnet(home=tmp_path / "root" / "home")
    with node.client() as client:
        for number, block_hash in promises.blocks.items():
            assert client.call("eth_getBlockByNumber", hex(number), False)["hash"] == "0x" + block_hash.hex()
            assert client.call("eth_getBlockReceipts", hex(number))
        await_receipt(client, client.call("eth_sendRawTransaction", transfer(9, 0)))


def everywhere(recording: Recording, cuts: list[Cut], pool: ProcessPoolExecutor, scratch: Path) -> list[str]:
    """Check all cuts in the pool's processes; sentences about those that fail."""
    shares = [cuts[start::WORKERS] for start in range(WORKERS)]
    work = [(recording, share, scratch) for share in shares]
    return [failure for found in pool.map(_share, work) for failure in found]


def _share(work: tuple[Recording, list[Cut], Path]) -> list[str]:
    recording, cuts, scratch = work
    return list(failures(recording, cuts, SEED, scratch))


def tree(root: Path, skip: Callable[[str], bool] = lambda name: name.startswith("LOG")) -> dict[str, bytes]:
    """Every file below `root` with its content."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and not skip(path.name))
    return {str(path.relative_to(root)): path.read_bytes() for path in files}
