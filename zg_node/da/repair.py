"""Getting rows that we should have and do not: damaged ones, and those that a new epoch's set makes ours.

    lacking ─┬─ K rows are here ─▶ recover the whole blob of them ──────┬─▶ store ─ fsync
         ├─ few ──▶ exactly these, from whoever else keeps them ────┤
         └─ many ─▶ any K rows from others ─▶ recover ──────────────┘    bytes received are counted and logged

Ours are, of every certified blob until its expiry, the rows that we signed for and those of our place in the set of
now, see keepers.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from zg_node import _core
from zg_node.da.certificate import Blob
from zg_node.da.holder_metrics import HolderMetrics
from zg_node.da.keepers import assignment_in, keepers
from zg_node.da.ledger import Certified, Ledger
from zg_node.da.lines import Asking
from zg_node.da.retrieval import Gathered, gather, recover
from zg_node.da.store import Store
from zg_node.errors import Unavailable

log = logging.getLogger("zg.da")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did."""

    blobs: int = 0
    rows: int = 0
    """Stored."""
    received_bytes: int = 0
    """Moved for them, with what was recovered from and not kept."""
    failed: int = 0
    """Blobs of which something is still lacking."""

    def __add__(self, other: Repaired) -> Repaired:
        return Repaired(
            self.blobs + other.blobs,
            self.rows + other.rows,
            self.received_bytes + other.received_bytes,
            self.failed + other.failed,
        )


class Repair:
    """One a node; on the event loop, one blob at a time."""

    def __init__(
        self, ledger: Ledger, store: Store, signer: bytes, lines: Asking, executor: Executor, metrics: HolderMetrics
    ) -> None:
        """`signer` is our address as a holder; `executor` writes."""
        self._ledger = ledger
        self._store = store
        self._signer = signer
        self._lines = lines
        self._executor = executor
        self._metrics = metrics
        self._turn = asyncio.Lock()

    async def hand_over(self, live: Iterable[Certified]) -> Repaired:
        """Get what we lack of live blobs."""
        done = Repaired()
        for certified in live:
            try:
                done += await self.mend(certified.blob, await self._ours(certified))
            except Unavailable as error:
                log.info("da commitment=0x%s: who keeps it is not known: %s", certified.blob.commitment.hex(), error)
                done += Repaired(failed=1)
        if done.blobs or done.failed:
            log.log(
                logging.WARNING if done.failed else logging.INFO,
                "da handover epoch=%d blobs=%d rows=%d received_bytes=%d failed=%d",
                self._ledger.epoch(), done.blobs, done.rows, done.received_bytes, done.failed,
            )  # fmt: skip
        return done

    async def mend(self, blob: Blob, wanted: Sequence[int]) -> Repaired:
        """Have the `wanted` rows of a blob in the store, durably, with its checksums."""
        async with self._turn:
            lacking = self._store.lacking(blob, wanted)
            kept = self._store.kept(blob)
            if not wanted or (not lacking and kept is not None and kept.has_checksums):
                return Repaired()
            try:
                return await self._fetch(blob, lacking or tuple(wanted[:1]))
            except Unavailable as error:
                log.info("da commitment=0x%s rows=%d not repaired: %s", blob.commitment.hex(), len(lacking), error)
                return Repaired(failed=1)

    async def _fetch(self, blob: Blob, lacking: tuple[int, ...]) -> Repaired:
        data_rows, _, _ = _core.erasure_shape(blob.length)
        own = await self._in_executor(lambda: _own_rows(self._store, blob, data_rows))
        if own is not None:
            return await self._recover(blob, own, lacking)
        assignments = await keepers(self._ledger, blob)
        if len(lacking) < data_rows:
            try:
                exact = await gather(blob.commitment, blob.length, assignments, self._lines, lacking)
            except Unavailable as error:
                log.info("da commitment=0x%s: %s; recovering", blob.commitment.hex(), error)
            else:
                return await self._keep(blob, exact, lacking)
        return await self._recover(blob, await gather(blob.commitment, blob.length, assignments, self._lines), lacking)

    async def _recover(self, blob: Blob, gathered: Gathered, lacking: tuple[int, ...]) -> Repaired:
        encoding = await recover(gathered)
        rows = tuple(encoding.rows(lacking))
        whole = Gathered(gathered.header, encoding.checksums(), rows, gathered.liars, gathered.received_bytes)
        return await self._keep(blob, whole, lacking)

    async def _keep(self, blob: Blob, gathered: Gathered, lacking: tuple[int, ...]) -> Repaired:
        wanted = frozenset(lacking)
        rows = [row for row in gathered.rows if row[0] in wanted]

        def write() -> None:
            self._store.add(blob, gathered.header, gathered.checksums, rows)
            self._store.sync()

        await self._in_executor(write)
        self._metrics.repaired.inc(len(rows))
        self._metrics.repair_moved.inc(gathered.received_bytes)
        return Repaired(1, len(rows), gathered.received_bytes)

    async def _in_executor(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def _ours(self, certified: Certified) -> tuple[int, ...]:
        """The rows of a live blob that we have to keep now. Raises Unavailable while a set is not known here."""
        blob = certified.blob
        rows: dict[int, None] = {}
        for epoch in dict.fromkeys((blob.epoch, self._ledger.epoch())):
            assignment = await assignment_in(self._ledger, blob, epoch)
            index = assignment.holders.index_of(self._signer)
            if index is not None and (epoch != blob.epoch or index in certified.signers):
                rows |= dict.fromkeys(assignment.rows_of(index))
        return tuple(rows)


def _own_rows(store: Store, blob: Blob, data_rows: int) -> Gathered | None:
    """As many rows out of our own store as give the blob back; None when there are fewer."""
    kept = store.kept(blob)
    held = sorted(kept.rows()) if kept is not None else []
    if kept is None or len(held) < data_rows:
        return None
    rows = store.rows(blob, held[:data_rows])
    return Gathered(kept.header, b"", tuple(rows), (), 0) if len(rows) == data_rows else None
