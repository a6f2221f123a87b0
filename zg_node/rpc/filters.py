"""Polled filters: each one is a cursor, because nothing that is final is ever taken back."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from zg_node.errors import InvalidRequest
from zg_node.rpc.errors import LIMIT_EXCEEDED, SERVER_ERROR
from zg_node.rpc.logs import Criteria


@dataclass(slots=True)
class BlockFilter:
    """Hashes of the blocks from `cursor` on."""

    cursor: int


@dataclass(slots=True)
class TransactionFilter:
    """Transactions accepted since the feed's ring position `cursor`."""

    cursor: int
    release: Callable[[], None]
    """Lets the feed stop filling the ring."""
    full: bool = False
    """Answer whole transactions instead of hashes."""


@dataclass(slots=True)
class LogsFilter:
    """Matching logs of the blocks from `cursor` on."""

    cursor: int
    criteria: Criteria


Filter = BlockFilter | TransactionFilter | LogsFilter


def new_id() -> str:
    """An id that a client cannot guess: 128 random bits."""
    return f"0x{secrets.randbits(128):x}"


class FilterStore:
    """One shard's installed filters; those that nobody polls expire."""

    def __init__(self, filters_max: int, idle_s: float, now: Callable[[], float]) -> None:
        self._filters_max = filters_max
        self._idle_s = idle_s
        self._now = now
        self._filters: OrderedDict[str, tuple[Filter, float]] = OrderedDict()
        """By last use, longest ago first."""

    def __len__(self) -> int:
        return len(self._filters)

    def install(self, new: Filter) -> str:
        """Its id; raises InvalidRequest when there are too many."""
        self._expire()
        if len(self._filters) >= self._filters_max:
            _release(new)
            raise InvalidRequest(f"too many filters are installed, at most {self._filters_max}", LIMIT_EXCEEDED)
        filter_id = new_id()
        self._filters[filter_id] = (new, self._now())
        return filter_id

    def get(self, filter_id: str) -> Filter:
        """The filter, used now; raises InvalidRequest."""
        self._expire()
        entry = self._filters.get(filter_id)
        if entry is None:
            raise InvalidRequest("filter not found", SERVER_ERROR)
        self._filters[filter_id] = (entry[0], self._now())
        self._filters.move_to_end(filter_id)
        return entry[0]

    def uninstall(self, filter_id: str) -> bool:
        """Whether it was there."""
        entry = self._filters.pop(filter_id, None)
        if entry is None:
            return False
        _release(entry[0])
        return True

    def _expire(self) -> None:
        oldest = self._now() - self._idle_s
        while self._filters:
            filter_id, (_, used) = next(iter(self._filters.items()))
            if used >= oldest:
                return
            self.uninstall(filter_id)


def _release(ended: Filter) -> None:
    if isinstance(ended, TransactionFilter):
        ended.release()
