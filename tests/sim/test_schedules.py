"""Schedules from consecutive seeds: every invariant holds, and a seed says everything about its schedule."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from tests.sim.attackers import ATTACKERS
from tests.sim.faults import KINDS
from tests.sim.liars import LIARS
from tests.sim.plan import HEIGHTS, KINDS_MIN, draw_whole
from tests.sim.run import MODES, Summary, play, play_many, replay_command

SCHEDULES = {"consensus-only": 150, "whole-node": 32}
"""What `make test` has the time for; `make sim-long` plays more."""
OVERRUN_SHARE = 0.05
"""How many schedules may end because jail left the faulty too much of the stake."""
REPLAYED = (3, 8)
"""The second has moves of stake and guests."""
REPLAY = "import sys; from tests.sim.run import play; print(play(sys.argv[1], int(sys.argv[2])).digest)"


def failures(summary: Summary) -> str:
    mode = summary.mode
    return "\n".join(f"{outcome.violation}: {replay_command(mode, outcome.plan.seed)}" for outcome in summary.failures)


@pytest.mark.parametrize("mode", MODES)
def test_no_schedule_breaks_an_invariant(mode: str) -> None:
    summary = play_many(mode, 0, SCHEDULES[mode], progress=None)
    assert not summary.failures, failures(summary)
    assert summary.heights >= HEIGHTS * (summary.schedules - summary.overrun)
    assert summary.overrun <= OVERRUN_SHARE * summary.schedules
    assert mode != "whole-node" or summary.sets > summary.schedules // 2, "stake moves, and hardly any set changes"


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
    plans = [draw_whole(seed) for seed in range(600)]
    assert all(len(plan.kinds) >= KINDS_MIN for plan in plans)
    changes = {"delegate", "undelegate", "leave", "join", "snapshot"}
    assert {kind for plan in plans for kind in plan.kinds} == KINDS.keys() | ATTACKERS.keys() | LIARS.keys() | changes


def test_the_faulty_hold_less_than_a_third_of_the_stake_whichever_moves_are_done() -> None:
    for plan in map(draw_whole, range(600)):
        stake = {node: [plan.stakes[node]] * 2 for node in range(len(plan.stakes))}
        """Node → the least and the most that it may have."""
        for move in plan.moves:
            if move.kind == "delegate":
                stake[move.node][1] += move.coins
            elif move.kind != "join":
                stake[move.node][0] -= move.coins
        faulty = sum(most for node, (_, most) in stake.items() if node in plan.faulty)
        assert 2 * faulty < sum(least for node, (least, _) in stake.items() if node not in plan.faulty)
        assert all(fault.at_s + fault.lasts_s <= plan.heal_s for fault in plan.faults)


def test_a_kept_trace_tells_the_schedule_from_its_beginning() -> None:
    outcome = play("consensus-only", 3, keep_trace=True)
    assert "starts at height 0" in outcome.trace[0]
    assert any("commits 20 " in line for line in outcome.trace)
    assert outcome.digest == play("consensus-only", 3).digest


def test_a_terminal_sees_a_bar_and_the_summary_says_where_to_go_on() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    summary = play_many("consensus-only", 40, 3, progress=terminal)
    assert "1/3" in terminal.getvalue()
    assert summary.next == 43
    assert f"seeds 40 to 42; {summary.heights} heights, 0 violations" in str(summary)
