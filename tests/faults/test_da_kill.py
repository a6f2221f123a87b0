"""SIGKILL and power cuts at every step of a holder: no row that was signed for is ever lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.da.rowdisk import RowDisk
from tests.faults.da_keeper import BLOBS, PLENTY, blob_of, keep, offered
from tests.sim.loop import PowerCut
from zg_node import _core
from zg_node.da.rowfiles import SYSTEM, RowFiles
from zg_node.da.store import Store

STEPS_MAX = 400
STRIDE = 13
"""Every step would take minutes; `make test-long` takes all."""


def killed(home: Path, step: int) -> tuple[bool, dict[int, str]]:
    """Have a holder work until it dies at `step`: whether it did, and what it signed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.da_keeper", str(home), str(step)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0, parsed(done.stdout)


def told(capsys: pytest.CaptureFixture[str]) -> dict[int, str]:
    """What a holder in this process has signed since the last call."""
    return parsed(capsys.readouterr().out)


def parsed(output: str) -> dict[int, str]:
    """Number of the blob → signature."""
    pairs = (line.split() for line in output.splitlines())
    return {int(number): signature for number, signature in pairs}


def check(home: Path, signed: dict[int, str], files: RowFiles = SYSTEM) -> None:
    """Every row of every blob that was signed for is here as it is committed."""
    store = Store(home, PLENTY, files)
    for number in signed:
        encoding = _core.Encoding(blob_of(number))
        assert store.rows(offered(number), range(64)) == encoding.rows(range(64)), number
        assert store.checksums(offered(number)) == encoding.checksums()
    store.close()


def kill_at(tmp_path: Path, steps: range, capsys: pytest.CaptureFixture[str]) -> None:
    """Kill a holder at each of the steps, until it is done before; each time another one goes on where it was."""
    for step in steps:
        home = tmp_path / f"step-{step}"
        dead, signed = killed(home, step)
        if not dead:
            assert len(signed) == BLOBS
            assert step > BLOBS * STRIDE, "there were no steps to die at"
            return
        check(home, signed)
        asyncio.run(keep(home, SYSTEM))
        again = told(capsys)
        assert len(again) == BLOBS
        assert again | signed == again, "another signature for the same offer"
        check(home, again)
    raise AssertionError(f"the holder takes more than {steps[-1]} steps")


def test_a_holder_that_is_killed_keeps_every_row_that_it_signed_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kill_at(tmp_path, range(2, STEPS_MAX, STRIDE), capsys)


@pytest.mark.long
def test_a_holder_that_is_killed_at_any_step_keeps_every_row_that_it_signed_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kill_at(tmp_path, range(1, STEPS_MAX), capsys)


def test_a_power_cut_at_any_step_takes_no_row_that_was_signed_for(capsys: pytest.CaptureFixture[str]) -> None:
    cuts = 0
    for seed in range(60):
        disk, home = RowDisk(Random(seed)), Path("/home/da")
        disk.cut_after = seed
        try:
            asyncio.run(keep(home, disk))
        except PowerCut:
            cuts += 1
        disk.power_cut()
        check(home, told(capsys), disk)
    assert cuts > 20, "the cuts come too late"
