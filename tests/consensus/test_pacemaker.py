"""Timeouts, silence and the one timer, to the millisecond."""

from __future__ import annotations

import pytest

from zg_node.consensus.instance import Timeouts
from zg_node.consensus.pacemaker import Pacemaker

TIMEOUTS = Timeouts(delta_ms=100, timeout_max_ms=5_000, skip_timeout_ms=400, standstill_ms=250)


def pacemaker() -> Pacemaker:
    return Pacemaker(TIMEOUTS, 4)


@pytest.mark.parametrize(("views", "factor"), [(1, 1), (2, 1), (3, 2), (4, 4), (5, 8)])
def test_both_timeouts_double_with_every_view_beyond_two_since_the_last_finality(views: int, factor: int) -> None:
    pace = pacemaker()
    pace.start(views, 1_000)
    for proposed, deltas in ((False, 2), (True, 3)):
        deadline = 1_000 + deltas * 100 * factor
        assert not pace.expired(proposed, deadline - 1)
        assert pace.expired(proposed, deadline)


def test_timeouts_stop_growing() -> None:
    pace = pacemaker()
    pace.start(10_000, 0)
    assert not pace.expired(False, 4_999)
    assert pace.expired(False, 5_000)


def test_a_standstill_begins_after_the_view_and_comes_again() -> None:
    pace = pacemaker()
    pace.start(1, 0)
    assert [now for now in range(0, 1_400, 10) if pace.stalled(now)] == [550, 800, 1_050, 1_300]


def test_what_waits_for_finality_only_is_watched_and_forgotten_with_it() -> None:
    pace = pacemaker()
    pace.watch(0)
    pace.watch(500)
    assert not pace.stalled(549)
    assert pace.stalled(550)
    pace.relax()
    assert not pace.stalled(10_000)


def test_a_leader_is_silent_when_it_missed_its_turn_and_was_not_heard_for_long() -> None:
    pace = pacemaker()
    pace.heard(2, 1_000)
    assert not pace.silent(2, 90_000), "an idle network is no sign of death"
    pace.missed(2, 7)
    assert not pace.silent(2, 1_400)
    assert pace.silent(2, 1_401)
    pace.heard(2, 1_500)
    assert not pace.silent(2, 90_000)


def test_only_what_it_signed_after_the_miss_is_news_of_a_silent_leader() -> None:
    pace = pacemaker()
    assert not pace.listens_for(2, 8)
    pace.missed(2, 7)
    assert [pace.listens_for(2, view) for view in (6, 7, 8)] == [False, False, True]


def test_the_timer_is_set_again_only_when_something_comes_sooner() -> None:
    pace = pacemaker()
    pace.start(1, 0)
    assert pace.timer(proposed=False, other_at=None) == 200
    assert pace.timer(proposed=True, other_at=None) is None, "it rings too early then, which costs nothing"
    assert pace.timer(proposed=True, other_at=50) == 50
    pace.enter()
    assert pace.timer(proposed=False, other_at=None) is None
    pace.fired()
    pace.start(1, 100)
    assert pace.timer(proposed=True, other_at=None) == 400
