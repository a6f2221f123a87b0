"""Which transactions are published again, and when."""

from __future__ import annotations

from zg_node import _core
from zg_node.execution.reminder import TICKS_MAX, WAITING_MAX, Reminder

RAWS = [bytes([number]) * 100 for number in range(3)]


def test_what_still_waits_is_published_ever_less_often_and_never_given_up() -> None:
    reminder = Reminder()
    reminder.add(RAWS[:1])
    ticks = [tick for tick in range(1, 4 * TICKS_MAX + 1) if reminder.tick(lambda tx_hash: True)]
    assert ticks == [1, 2, 4, 8, 16, 32, 64, 96, 128]


def test_what_a_block_has_taken_is_forgotten() -> None:
    reminder = Reminder()
    reminder.add(RAWS)
    pooled = {_core.keccak256(RAWS[1])}
    assert reminder.tick(pooled.__contains__) == [RAWS[1]]
    assert reminder
    assert reminder.tick(lambda tx_hash: False) == []
    assert not reminder


def test_the_same_transaction_is_watched_once_and_the_newest_are_kept() -> None:
    reminder = Reminder()
    for _ in range(3):
        reminder.add(RAWS)
    assert reminder.tick(lambda tx_hash: True) == RAWS
    later = [number.to_bytes(100, "big") for number in range(2 * WAITING_MAX)]
    reminder.add(later)
    assert reminder.tick(lambda tx_hash: True) == later[WAITING_MAX:]
