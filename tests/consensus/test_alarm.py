"""What an operator is warned of, and how often: blocks that do not hold, clocks that are off."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from tests.consensus.blocks import make_block
from zg_node.clock import ManualClock
from zg_node.consensus.alarm import EVERY_MS, SKEW_MS, TURNS_LOST, Alarm
from zg_node.errors import InvalidBlock
from zg_node.types.block import Block
from zg_node.types.hashing import ZERO_HASH

OURS = b"\1" * 20
HOUR_MS = 3_600_000


class Watch:
    """An alarm, the right time, and the warnings."""

    def __init__(self, caplog: pytest.LogCaptureFixture, off_ms: int = 0) -> None:
        """Our clock is `off_ms` ahead."""
        caplog.set_level(logging.DEBUG, "zg.consensus")
        self._records = caplog.records
        self._off_ms = off_ms
        self._clock = ManualClock(10 * HOUR_MS + off_ms)
        self.alarm = Alarm(3, OURS, self._clock)

    def pass_ms(self, duration_ms: int) -> None:
        self._clock.advance(duration_ms)

    def mend(self) -> None:
        self._clock.set_unix_ms(self._clock.unix_ms() - self._off_ms)
        self._off_ms = 0

    def final(self, view: int, age_ms: int = 20, *, ours: bool = False) -> None:
        """A block of `view`, made `age_ms` ago by the right clock, becomes final."""
        timestamp_ms = self._clock.unix_ms() - self._off_ms - age_ms
        self.alarm.final(block(view, timestamp_ms, OURS if ours else b"\2" * 20))

    def lose(self, *views: int) -> None:
        """Our blocks are passed over, and the next ones become final."""
        for view in views:
            self.alarm.proposed(view)
            self.final(view + 1)

    @property
    def warnings(self) -> list[str]:
        return [record.getMessage() for record in self._records if record.levelno == logging.WARNING]


def block(view: int, timestamp_ms: int = 0, coinbase: bytes = OURS) -> Block:
    made = make_block(ZERO_HASH, view, view, 0)
    return Block(replace(made.header, coinbase=coinbase), replace(made.consensus, timestamp_ms=timestamp_ms), made.body)


def test_invalid_blocks_are_a_warning_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(caplog)
    for view in range(180):
        watch.alarm.invalid(block(view), InvalidBlock(f"no. {view}"))
        watch.pass_ms(EVERY_MS // 60)
    assert watch.warnings == [f"shard=3 height={view} invalid block: no. {view}" for view in range(0, 180, 60)]
    assert len(caplog.records) == 180


def test_a_final_block_from_the_future_shows_that_our_clock_is_behind(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(caplog, -HOUR_MS)
    for view in range(1, 7):
        watch.final(view)
        watch.pass_ms(EVERY_MS // 3)
    assert [line[: line.index(":")] for line in watch.warnings] == [
        f"shard=3 height={view} this machine's clock is behind by 3600.0 s" for view in (1, 4)
    ]


@pytest.mark.parametrize(("off_ms", "warned"), [(-SKEW_MS, False), (-SKEW_MS - 1, True)])
def test_as_much_as_validators_allow_each_other_is_no_fault(
    caplog: pytest.LogCaptureFixture, off_ms: int, warned: bool
) -> None:
    watch = Watch(caplog, off_ms)
    watch.final(1, age_ms=0)
    assert bool(watch.warnings) is warned


def test_turns_that_are_all_lost_while_others_blocks_seem_old_say_that_our_clock_may_be_ahead(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = Watch(caplog, HOUR_MS)
    watch.lose(4, 8)
    watch.alarm.proposed(12)
    watch.final(11)
    assert not watch.warnings
    for view in (13, 14, 15):
        watch.final(view)
    [line] = watch.warnings
    assert line.startswith("shard=3 height=13 this machine's clock may be ahead: ")
    assert "theirs are 3600.0 s old" in line
    watch.pass_ms(EVERY_MS)
    watch.lose(16)
    assert len(watch.warnings) == 2
    watch.mend()
    watch.pass_ms(EVERY_MS)
    watch.lose(20)
    assert len(watch.warnings) == 2


def test_who_only_loses_its_turns_has_no_wrong_clock(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(caplog)
    watch.lose(*range(4, 4 + 4 * 2 * TURNS_LOST, 4))
    assert not watch.warnings


def test_a_node_that_catches_up_has_no_wrong_clock(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(caplog)
    for view in range(100):
        watch.final(view, age_ms=HOUR_MS)
    assert not watch.warnings


def test_a_node_whose_own_blocks_become_final_has_no_clock_that_is_ahead(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(caplog, HOUR_MS)
    for view in range(4, 40, 4):
        watch.alarm.proposed(view)
        watch.final(view, ours=True)
        watch.final(view + 1)
    assert not watch.warnings


def test_blocks_that_become_final_late_but_together_were_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(caplog)
    for view in (4, 8, 12):
        watch.alarm.proposed(view)
    for view in (5, 8, 9, 12, 13):
        watch.final(view, age_ms=60_000, ours=view in (8, 12))
    assert not watch.warnings
