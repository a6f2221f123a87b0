"""Reading a blob back from whoever keeps its rows, believing none of them.

    assignments ─▶ Plan ─▶ ROWS ─▶ verify ─┬─ good: counts ─▶ any K ─▶ recover, compare with the commitment ─▶ blob
                                           └─ bad: the holder is named, scored, and asked no more

A holder that takes long is not waited for: what it was asked for is asked of others as well, and whatever comes first
counts. Verifying and recovering run in worker threads with the GIL released.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from zg_node import _core
from zg_node.da.assignment import Assignment
from zg_node.da.encoding import BlobHeader
from zg_node.da.holders import Holder
from zg_node.da.lines import SELF, Asking
from zg_node.da.messages import Row, Rows, RowsRequest, commitment_of
from zg_node.da.reading import Plan
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Offence

log = logging.getLogger("zg.da")

REQUEST_MAX_BYTES = 1 << 20
"""Rows in one answer, so that a liar or a slow holder costs little."""
ANSWER_TIMEOUT_S = 20.0
OVERDUE_S = 1.5
"""A request that takes longer is hedged."""
TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class Liar:
    """A holder that answered with something else than the committed rows."""

    signer: bytes
    """20 bytes."""
    peer: str
    """"" for ourselves: our own disk is damaged."""
    reason: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """Verified rows of one commitment."""

    header: bytes
    checksums: bytes
    rows: tuple[Row, ...]
    """(index, bytes, path), different ones, in no order."""
    liars: tuple[Liar, ...]
    received_bytes: int


@dataclass(slots=True)
class _Gathering:
    """What is known so far of one commitment."""

    commitment: bytes
    plan: Plan
    holders: dict[str, Holder]
    header: bytes = b""
    checksums: bytes = b""
    verifier: _core.RowVerifier | None = None
    rows: dict[int, Row] = field(default_factory=dict)
    liars: dict[str, Liar] = field(default_factory=dict)
    """By peer."""
    reasons: list[str] = field(default_factory=list)
    received_bytes: int = 0


async def gather(
    commitment: bytes,
    length: int,
    assignments: Sequence[Assignment],
    lines: Asking,
    wanted: Sequence[int] | None = None,
    threads: int = 1,
) -> Gathered:
    """Verified rows of a blob of `length` bytes: any K of them, or, when these can be had, exactly those `wanted`.

    `assignments` say who keeps which rows, the likeliest first. Raises Unavailable with fewer than K rows, or without
    one that is wanted; it says how many there are, and who lied."""
    k, n, row_bytes = _core.erasure_shape(length)
    exactly = frozenset(range(k + n) if wanted is None else wanted)
    kept, holders = _sources(assignments, lines, exactly)
    needed, data_rows = (k, k) if wanted is None else (len(exactly), k + n)
    plan = Plan.of(needed, data_rows, max(1, REQUEST_MAX_BYTES // row_bytes), kept)
    gathering = _Gathering(commitment, plan, holders)
    await _Retrieval(gathering, length, lines, threads).run()
    if plan.missing:
        raise Unavailable(_explain(gathering, len(kept)))
    return Gathered(
        gathering.header,
        gathering.checksums,
        tuple(gathering.rows.values()),
        tuple(gathering.liars.values()),
        gathering.received_bytes,
    )


async def recover(gathered: Gathered, threads: int = 1) -> _core.Encoding:
    """The blob with all its rows from any K. Raises Unavailable when the committed rows are no encoding of a blob:
    whoever made the commitment lied, and every reader finds out."""
    rows = [(index, row) for index, row, _ in gathered.rows]
    try:
        return await asyncio.to_thread(_core.Encoding.recover, gathered.header, rows, threads)
    except InvalidMessage as error:
        raise Unavailable(f"nobody can read this blob, its commitment is false: {error}") from error


class _Retrieval:
    """The requests of one gathering."""

    def __init__(self, gathering: _Gathering, length: int, lines: Asking, threads: int) -> None:
        self._gathering = gathering
        self._length = length
        self._lines = lines
        self._threads = threads
        self._tasks: dict[asyncio.Task[None], tuple[int, float]] = {}
        """Task → (request, when it becomes overdue)."""

    async def run(self) -> None:
        """Ask until the plan has what it needs, or nobody is left to ask."""
        now = asyncio.get_running_loop().time
        plan = self._gathering.plan
        try:
            while plan.missing:
                while (question := plan.next()) is not None:
                    request, peer, rows = question
                    task = asyncio.ensure_future(self._ask(request, peer, rows))
                    self._tasks[task] = request, now() + OVERDUE_S
                if not self._tasks:
                    return
                done, _ = await asyncio.wait(self._tasks, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del self._tasks[task]
                    task.result()
                for request, due in self._tasks.values():
                    if now() > due:
                        plan.overdue(request)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, request: int, peer: str, wanted: tuple[int, ...]) -> None:
        gathering = self._gathering
        question = RowsRequest(gathering.commitment, wanted, gathering.verifier is None)
        now = asyncio.get_running_loop().time
        patient_until = now() + OVERDUE_S
        try:
            data = await self._lines.ask(peer, question.encode(), ANSWER_TIMEOUT_S)
            gathering.received_bytes += len(data) if peer != SELF else 0
            found = await self._check(Rows.decode(data), frozenset(wanted))
        except Unavailable as error:
            (gathering.plan.refused if now() < patient_until else gathering.plan.failed)(request)
            gathering.reasons.append(f"0x{gathering.holders[peer].signer.hex()}: {error}")
        except InvalidMessage as error:
            gathering.plan.failed(request)
            self._blame(peer, str(error))
        else:
            for row in found.rows:
                gathering.rows.setdefault(row[0], row)
            gathering.plan.answered(request, [row[0] for row in found.rows])

    async def _check(self, answer: Rows, wanted: frozenset[int]) -> Rows:
        """The answer, when all of it is committed and was asked for. Raises InvalidMessage, Unavailable."""
        indices = [index for index, _, _ in answer.rows]
        if len(set(indices)) != len(indices) or not wanted.issuperset(indices):
            raise InvalidMessage("rows that were not asked for")
        if not indices:
            raise Unavailable("it has none of the rows")
        verifier = self._gathering.verifier or await self._meet(answer)
        if answer.header != self._gathering.header:
            raise InvalidMessage("another header than the committed one")
        refused = await asyncio.to_thread(verifier.refused, answer.rows, self._threads)
        if refused:
            place, reason = refused[0]
            raise InvalidMessage(f"row {indices[place]} and {len(refused) - 1} more: {reason}")
        return answer

    async def _meet(self, answer: Rows) -> _core.RowVerifier:
        """Take over header and checksums of the first answer in which they are the committed ones."""
        gathering = self._gathering
        if commitment_of(answer.header) != gathering.commitment:
            raise InvalidMessage("another header than the committed one")
        try:
            length = BlobHeader.parse(answer.header).length
        except InvalidMessage as error:
            raise Unavailable(f"the commitment is to no blob: {error}") from error
        if length != self._length:
            raise Unavailable(f"the commitment is to {length} bytes, and {self._length} were certified")
        verifier = await asyncio.to_thread(_core.RowVerifier, answer.header, answer.checksums, self._threads)
        if gathering.verifier is None:
            gathering.verifier = verifier
            gathering.header, gathering.checksums = answer.header, answer.checksums
        return gathering.verifier

    def _blame(self, peer: str, reason: str) -> None:
        signer = self._gathering.holders[peer].signer
        self._gathering.liars.setdefault(peer, Liar(signer, peer, reason))
        self._lines.report(peer, Offence.INVALID)
        log.warning("da holder=0x%s peer=%s lies: %s", signer.hex(), peer, reason)


def _sources(
    assignments: Sequence[Assignment], lines: Asking, wanted: frozenset[int]
) -> tuple[dict[str, list[int]], dict[str, Holder]]:
    """The rows to ask of each peer that can be reached, and which holder it is."""
    kept: dict[str, list[int]] = {}
    holders: dict[str, Holder] = {}
    for assignment in assignments:
        for index, holder in enumerate(assignment.holders.holders):
            peer = lines.peer_of(holder)
            if peer is not None:
                rows = assignment.rows_of(index)
                kept.setdefault(peer, []).extend(row for row in rows if row in wanted)
                holders[peer] = holder
    return kept, holders


def _explain(gathering: _Gathering, asked: int) -> str:
    plan = gathering.plan
    text = f"{len(plan.have)} of {plan.needed} rows that are needed could be had from {asked} holders"
    for liar in list(gathering.liars.values())[:3]:
        text += f"; 0x{liar.signer.hex()} lied: {liar.reason}"
    for reason in gathering.reasons[:3]:
        text += f"; {reason}"
    return text
