"""When a block is due: a table of situations."""

from __future__ import annotations

import pytest

from zg_node.consensus.pace import INTERVAL_MAX_MS, RETRY_MS, BlockClock, Pace

ON_DEMAND = Pace(block_time_ms=0, heartbeat_ms=1_000, min_interval_ms=10, finality_ms=250)
PACED = Pace(block_time_ms=500, heartbeat_ms=1_000, min_interval_ms=10, finality_ms=250)
LAST_MS = 10_000


def after_blocks(clock: BlockClock, *works_ms: int) -> BlockClock:
    """The clock after blocks of others that took so long to commit."""
    for work_ms in works_ms:
        clock.committed(LAST_MS, LAST_MS + work_ms)
    return clock


@pytest.mark.parametrize(
    ("pace", "waiting", "work_ms", "due_ms"),
    [
        (ON_DEMAND, False, 0, LAST_MS + 1_000),
        (ON_DEMAND, True, 0, LAST_MS + 10),
        (ON_DEMAND, True, 50, LAST_MS + 150),
        (ON_DEMAND, True, 5_000, LAST_MS + INTERVAL_MAX_MS),
        (PACED, False, 0, LAST_MS + 500),
        (PACED, True, 5_000, LAST_MS + 500),
    ],
)
def test_a_block_is_due(pace: Pace, waiting: bool, work_ms: int, due_ms: int) -> None:
    clock = after_blocks(BlockClock(pace, LAST_MS), work_ms, work_ms)
    assert clock.due_ms(waiting=waiting, certain=True) == due_ms


def test_an_attempt_without_a_block_is_repeated_later_but_not_after_the_heartbeat() -> None:
    clock = BlockClock(ON_DEMAND, LAST_MS)
    clock.found_nothing(LAST_MS + 12)
    assert clock.due_ms(waiting=True, certain=True) == LAST_MS + 12 + RETRY_MS
    clock.found_nothing(LAST_MS + 995)
    assert clock.due_ms(waiting=True, certain=True) == LAST_MS + 1_000


def test_the_work_of_a_block_is_building_or_executing_and_committing() -> None:
    clock = BlockClock(ON_DEMAND, LAST_MS)
    for at_ms in (LAST_MS, LAST_MS + 100):
        clock.prepared(at_ms + 10, at_ms + 30)
        clock.built(at_ms + 40)
        clock.committed(at_ms + 40, at_ms + 50)
    assert clock.due_ms(waiting=True, certain=True) == LAST_MS + 140 + 3 * 30


def test_commits_of_others_blocks_do_not_add_up() -> None:
    clock = after_blocks(BlockClock(ON_DEMAND, LAST_MS), *([20] * 10))
    assert clock.due_ms(waiting=True, certain=True) == LAST_MS + 60


def test_one_slow_block_makes_no_pause_and_two_do() -> None:
    clock = after_blocks(BlockClock(ON_DEMAND, LAST_MS), 2, 50)
    assert clock.due_ms(waiting=True, certain=True) == LAST_MS + 10
    assert after_blocks(clock, 40).due_ms(waiting=True, certain=True) == LAST_MS + 120


def test_the_pause_is_counted_from_the_notarization() -> None:
    clock = BlockClock(ON_DEMAND, LAST_MS)
    clock.built(LAST_MS + 300)
    assert clock.due_ms(waiting=False, certain=True) == LAST_MS + 1_300
    clock.committed(LAST_MS + 300, LAST_MS + 500)
    assert clock.due_ms(waiting=False, certain=True) == LAST_MS + 1_300


@pytest.mark.parametrize(
    ("pace", "waiting", "due_ms"),
    [(ON_DEMAND, True, LAST_MS + 250), (ON_DEMAND, False, LAST_MS + 1_000), (PACED, True, LAST_MS + 500)],
)
def test_who_cannot_tell_what_waits_expects_a_block_when_the_last_should_be_final(
    pace: Pace, waiting: bool, due_ms: int
) -> None:
    assert BlockClock(pace, LAST_MS).due_ms(waiting=waiting, certain=False) == due_ms


@pytest.mark.parametrize(
    ("pace", "elapsed_ms", "settled", "allowed"),
    [
        (ON_DEMAND, 500, True, False),
        (ON_DEMAND, 999, True, True),
        (ON_DEMAND, 200, False, False),
        (ON_DEMAND, 249, False, True),
        (PACED, 0, True, True),
    ],
)
def test_empty_blocks_are_for_the_heartbeat_and_for_the_finality_of_the_last(
    pace: Pace, elapsed_ms: int, settled: bool, allowed: bool
) -> None:
    assert BlockClock(pace, LAST_MS).empty_allowed(LAST_MS + elapsed_ms, settled=settled) is allowed
