"""Clocks: the manual one moves only when told, the system's never runs backwards."""

from __future__ import annotations

import pytest

from zg_node.clock import ManualClock, SystemClock


def test_a_manual_clock_advances_both_readings() -> None:
    clock = ManualClock(1_000)
    clock.advance(250)
    assert (clock.unix_ms(), clock.monotonic_ms()) == (1_250, 250)


def test_setting_the_time_leaves_the_monotonic_reading_alone() -> None:
    clock = ManualClock(1_000, elapsed_ms=7)
    clock.set_unix_ms(5)
    assert (clock.unix_ms(), clock.monotonic_ms()) == (5, 7)


def test_time_does_not_pass_backwards() -> None:
    with pytest.raises(ValueError, match="backwards"):
        ManualClock(0).advance(-1)


def test_the_system_clock_reads_milliseconds_since_1970() -> None:
    clock = SystemClock()
    assert 1_700_000_000_000 < clock.unix_ms() < 10_000_000_000_000
    first = clock.monotonic_ms()
    assert clock.monotonic_ms() >= first
