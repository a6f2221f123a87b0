"""Every deliberate breakage of the protocol is found within a bounded number of schedules; nothing points at it."""

from __future__ import annotations

import pytest

from tests.consensus.mutations import MUTATIONS, Mutation
from tests.sim import consensus_only, whole_node
from tests.sim.plan import draw_aimed, draw_whole
from zg_node.db.segments import Segments

SCHEDULES_MAX = 120
WHOLE_SCHEDULES_MAX = 24
DISK = Mutation("sync nothing", "the logs", Segments, "sync", lambda sound: lambda self: None)
FOR_WHOLE_NODES = (
    "skip after finalize",
    "finalize after skip",
    "send what is not logged",
    "a half is a quorum",
    "execute any body",
)


def named(mutation: Mutation) -> str:
    return mutation.name


@pytest.mark.parametrize("mutation", [*MUTATIONS, DISK], ids=named)
def test_a_broken_rule_is_found(mutation: Mutation) -> None:
    for seed in range(SCHEDULES_MAX):
        with mutation.apply():
            outcome = consensus_only.run(draw_aimed(seed))
        if outcome.violation is not None:
            return
    pytest.fail(f"{mutation.name} ({mutation.rule}) goes unnoticed in {SCHEDULES_MAX} schedules")


@pytest.mark.parametrize("mutation", [*(m for m in MUTATIONS if m.name in FOR_WHOLE_NODES), DISK], ids=named)
def test_a_broken_rule_is_found_in_whole_nodes(mutation: Mutation) -> None:
    for seed in range(WHOLE_SCHEDULES_MAX):
        with mutation.apply():
            outcome = whole_node.run(draw_whole(seed))
        if outcome.violation is not None:
            return
    pytest.fail(f"{mutation.name} ({mutation.rule}) goes unnoticed in {WHOLE_SCHEDULES_MAX} schedules")


def test_the_same_schedules_find_nothing_in_the_sound_protocol() -> None:
    for seed in range(SCHEDULES_MAX):
        outcome = consensus_only.run(draw_aimed(seed))
        assert outcome.violation is None, f"seed {seed}: {outcome.violation}"


def test_there_are_a_dozen_of_them() -> None:
    assert len(MUTATIONS) >= 12
