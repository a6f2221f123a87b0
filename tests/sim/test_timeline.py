"""The timeline of consensus-only schedules."""

from __future__ import annotations

import pytest

from tests.sim import timeline
from tests.sim.timeline import Endless, Timeline


def test_a_call_behind_the_deadline_is_made_when_the_timeline_goes_on() -> None:
    line, seen = Timeline(), list[float]()
    for delay in (1.0, 2.0, 3.0):
        line.call_later(delay, lambda: seen.append(line.time()))
    assert not line.run(lambda: False, 1.5)
    assert seen == [1.0]
    assert line.run(lambda: len(seen) == 3, 9.0)
    assert seen == [1.0, 2.0, 3.0]


def test_calls_of_one_time_come_in_the_order_of_asking() -> None:
    line, seen = Timeline(), list[int]()
    for number in range(5):
        line.call_later(1.0, seen.append, number)
    line.run(lambda: False, 2.0)
    assert seen == [0, 1, 2, 3, 4]


def test_a_cancelled_call_is_not_made() -> None:
    line, seen = Timeline(), list[int]()
    line.call_later(1.0, seen.append, 1).cancel()
    line.run(lambda: False, 2.0)
    assert seen == []


def test_callbacks_without_end_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "STEPS_MAX", 100)
    line = Timeline()

    def again() -> None:
        line.call_later(0.0, again)

    again()
    with pytest.raises(Endless):
        line.run(lambda: False, 1.0)
