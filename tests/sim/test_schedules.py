"""Schedules from consecutive seeds: every invariant holds, and a seed says everything about its schedule."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.sim.attackers import ATTACKERS
from tests.sim.faults import KINDS
from tests.sim.plan import HEIGHTS, KINDS_MIN, draw
from tests.sim.run import MODES, Summary, play, play_many, replay_command

SCHEDULES = {"consensus-only": 150, "whole-node": 40}
"""What `make test` has the time for; `make sim-long` plays more."""
REPLAYED = (3, 7)
REPLAY = "import sys; from tests.sim.run import play; print(play(sys.argv[1], int(sys.argv[2])).digest)"


def failures(summary: Summary) -> str:
    mode = summary.mode
    return "\n".join(f"{outcome.violation}: {replay_command(mode, outcome.plan.seed)}" for outcome in summary.failures)


@pytest.mark.parametrize("mode", MODES)
def test_no_schedule_breaks_an_invariant(mode: str) -> None:
    summary = play_many(mode, 0, SCHEDULES[mode], progress=None)
    assert not summary.failures, failures(summary)
    assert summary.heights >= HEIGHTS * summary.schedules


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", REPLAYED)
def test_a_seed_gives_the_same_trace_in_every_process(mode: str, seed: int) -> None:
    digests = {play(mode, seed).digest}
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", REPLAY, mode, str(seed)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.add(done.stdout.strip())
    assert len(digests) == 1


@pytest.mark.parametrize("mode", MODES)
def test_another_seed_gives_another_trace(mode: str) -> None:
    assert play(mode, 3).digest != play(mode, 4).digest


def test_every_schedule_has_two_kinds_of_fault_and_every_kind_is_drawn() -> None:
    plans = [draw(seed) for seed in range(600)]
    assert all(len(plan.kinds) >= KINDS_MIN for plan in plans)
    assert {kind for plan in plans for kind in plan.kinds} == KINDS.keys() | ATTACKERS.keys()


def test_the_faulty_hold_less_than_a_third_of_the_stake() -> None:
    for plan in map(draw, range(600)):
        assert 3 * sum(plan.stakes[node] for node in plan.faulty) < sum(plan.stakes)
        assert all(fault.at_s + fault.lasts_s <= plan.heal_s for fault in plan.faults)


def test_a_kept_trace_tells_the_schedule_from_its_beginning() -> None:
    outcome = play("consensus-only", 3, keep_trace=True)
    assert "starts at height 0" in outcome.trace[0]
    assert any("commits 20 " in line for line in outcome.trace)
    assert outcome.digest == play("consensus-only", 3).digest
