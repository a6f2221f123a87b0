"""Transactions that this node's clients sent and no block has taken yet: they are published again, ever less often.

A publication reaches the peers of that moment. Who had none then, was cut off, or has just started with its journal
would otherwise keep what it accepted to itself; a node that does not vote, for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from zg_node import _core

TICK_S = 2.0
WAITING_MAX = 1024
"""The newest ones; of more than that, some will be in the next blocks."""
TICKS_MAX = 32
"""Between two publications of the same transaction."""


class Reminder:
    """Told on the event loop what is published; asked, by one thread at a time, what to publish again."""

    def __init__(self) -> None:
        self._fresh: deque[bytes] = deque(maxlen=WAITING_MAX)
        self._waiting: dict[bytes, tuple[bytes, int]] = {}
        """Hash → (raw transaction, ticks so far), oldest first."""

    def __bool__(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self._fresh or self._waiting)

    def add(self, raws: Sequence[bytes]) -> None:
        """These are on their way."""
        self._fresh.extend(raws)

    def tick(self, holds: Callable[[bytes], bool]) -> list[bytes]:
        """TICK_S are over: the raw transactions to publish again. `holds` says whether one still waits, by its hash."""
        while self._fresh:
            raw = self._fresh.popleft()
            self._waiting.setdefault(_core.keccak256(raw), (raw, 0))
        waiting = [(tx_hash, raw, ticks + 1) for tx_hash, (raw, ticks) in self._waiting.items() if holds(tx_hash)]
        self._waiting = {tx_hash: (raw, ticks) for tx_hash, raw, ticks in waiting[-WAITING_MAX:]}
        return [raw for raw, ticks in self._waiting.values() if ticks & (ticks - 1) == 0 or ticks % TICKS_MAX == 0]
