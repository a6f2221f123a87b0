"""Which rows to ask of whom: the plan of one retrieval, pure.

    sources ─▶ next(): (peer, rows) … ─▶ asked ─┬─▶ answered: rows count, the rest is not asked there again
                                                ├─▶ refused: these rows are not asked there again
                                                ├─▶ failed: the peer is silent or lies, and is asked no more
                                                └─▶ overdue: still welcome, but others are asked meanwhile

Data rows come before parity rows, which are asked for only where data rows cannot be had in time: decoding costs, and
any K different rows do. A row that is under way counts as if it were here, until its request is overdue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

IN_FLIGHT_PEER_MAX: Final = 2
"""Requests under way to one peer."""
REFUSALS_MAX: Final = 64
"""Requests in a row that a peer refuses before it is asked no more."""


@dataclass(slots=True)
class _Source:
    data: list[int]
    """Data rows that it may have and has not been asked for, next one last."""
    parity: list[int]
    in_flight: int = 0
    slow: bool = False
    """A request to it is overdue."""
    refusals: int = 0
    """In a row."""


@dataclass(slots=True)
class _Request:
    peer: str
    rows: tuple[int, ...]
    overdue: bool = False


@dataclass(slots=True)
class Plan:
    """One retrieval's bookkeeping."""

    needed: int
    """How many different rows are."""
    batch: int
    """Rows in one request at most."""
    have: set[int] = field(default_factory=set)
    """Rows that were verified."""
    _sources: dict[str, _Source] = field(default_factory=dict)
    _requests: dict[int, _Request] = field(default_factory=dict)
    _next: int = 0

    @classmethod
    def of(cls, needed: int, data_rows: int, batch: int, kept: Mapping[str, Iterable[int]]) -> Plan:
        """A plan over peers and the rows that each keeps, of which those below `data_rows` are data rows."""
        plan = cls(needed, batch)
        for peer, rows in kept.items():
            ordered = sorted(set(rows), reverse=True)
            plan._sources[peer] = _Source(
                [row for row in ordered if row < data_rows], [row for row in ordered if row >= data_rows]
            )
        return plan

    @property
    def missing(self) -> int:
        """Rows still needed."""
        return max(0, self.needed - len(self.have))

    @property
    def waiting(self) -> bool:
        """Whether any request is under way."""
        return bool(self._requests)

    def next(self) -> tuple[int, str, tuple[int, ...]] | None:
        """(request, peer, rows) of a question to ask now; None when nothing more is needed, or nobody is left."""
        coming = {row for request in self._requests.values() if not request.overdue for row in request.rows}
        wanted = self.missing - len(coming - self.have)
        if wanted <= 0:
            return None
        idle = sorted(
            (item for item in self._sources.items() if item[1].in_flight < IN_FLIGHT_PEER_MAX),
            key=lambda item: item[1].in_flight,
        )
        for peer, source in idle:
            rows = _take(source.data, min(self.batch, wanted), self.have | coming)
            if rows:
                return self._begin(peer, source, rows)
        queued = {row for source in self._sources.values() if not source.slow for row in source.data}
        wanted -= len(queued - self.have - coming)
        for peer, source in idle:
            rows = _take(source.parity, min(self.batch, wanted), self.have | coming)
            if rows:
                return self._begin(peer, source, rows)
        return None

    def answered(self, request: int, rows: Sequence[int]) -> None:
        """A request brought these verified rows."""
        done = self._end(request)
        self.have.update(rows)
        if done.peer in self._sources:
            self._sources[done.peer].refusals = 0

    def refused(self, request: int) -> None:
        """A request's peer is there, and has none of these rows, or no time."""
        done = self._end(request)
        source = self._sources.get(done.peer)
        if source is not None:
            source.refusals += 1
            if source.refusals >= REFUSALS_MAX:
                del self._sources[done.peer]

    def failed(self, request: int) -> None:
        """A request's peer does not answer, or lies: it is asked no more."""
        done = self._end(request)
        self._sources.pop(done.peer, None)

    def overdue(self, request: int) -> None:
        """A request takes longer than it should."""
        late = self._requests.get(request)
        if late is not None:
            late.overdue = True
            if late.peer in self._sources:
                self._sources[late.peer].slow = True

    def _begin(self, peer: str, source: _Source, rows: tuple[int, ...]) -> tuple[int, str, tuple[int, ...]]:
        self._next += 1
        self._requests[self._next] = _Request(peer, rows)
        source.in_flight += 1
        return self._next, peer, rows

    def _end(self, request: int) -> _Request:
        done = self._requests.pop(request)
        source = self._sources.get(done.peer)
        if source is not None:
            source.in_flight -= 1
        return done


def _take(rows: list[int], count: int, known: set[int]) -> tuple[int, ...]:
    """Up to `count` rows from the end of `rows` that are not known; those that are stay for later."""
    taken: list[int] = []
    kept: list[int] = []
    while rows and len(taken) < count:
        row = rows.pop()
        (kept if row in known else taken).append(row)
    rows.extend(reversed(kept))
    return tuple(taken)
