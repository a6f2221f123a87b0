"""Reads what is stored, over and over at a bounded rate, so that damage is found while others can still repair it.

blob ─▶ a piece of its rows ─▶ read, checked ─▶ pause ─▶ … ─▶ damaged? ─▶ repair
                                                                    ▲
what a reader found damaged ─▶ look, every few seconds ─────────────┘
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

from zg_node.da.certificate import Blob
from zg_node.da.holder_metrics import HolderMetrics
from zg_node.da.repair import Repaired
from zg_node.da.store import Store
from zg_node.errors import ZgError

log = logging.getLogger("zg.da")

RATE_BYTES_PER_S: Final = 8 << 20
PIECE_BYTES: Final = 2 << 20
LOOK_S: Final = 10.0
"""Between two looks at what others found damaged as they read it."""
LOOKS_A_WALK: Final = 60
"""Looks from one walk over everything to the next."""
MENDS_MAX: Final = 3
"""Attempts at one blob from one walk to the next."""

Sleep = Callable[[float], Awaitable[None]]


class Mender(Protocol):
    """Who repairs; `Repair` is one."""

    async def mend(self, blob: Blob, wanted: Sequence[int]) -> Repaired:
        """Have these rows in the store again."""
        ...


@dataclass(frozen=True, slots=True)
class Walk:
    """What one walk over the store found."""

    read_bytes: int = 0
    damaged_rows: int = 0
    damaged_blobs: int = 0
    """With those of which only the checksums are damaged."""


class Scrubber:
    """One a node; on the event loop, it reads in `executor`."""

    def __init__(
        self,
        store: Store,
        mender: Mender,
        executor: Executor,
        metrics: HolderMetrics,
        rate_bytes_per_s: int = RATE_BYTES_PER_S,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._store = store
        self._mender = mender
        self._executor = executor
        self._metrics = metrics
        self._rate_bytes_per_s = rate_bytes_per_s
        self._sleep = sleep
        self._mends: Counter[Blob] = Counter()

    async def run(self) -> None:
        """Look and walk until cancelled."""
        while True:
            for _ in range(LOOKS_A_WALK):
                await self._sleep(LOOK_S)
                await self.look()
            await self.walk()

    async def look(self) -> None:
        """Have repaired what is known to be damaged."""
        for blob in self._store.damaged():
            if self._mends[blob] < MENDS_MAX:
                await self._repair(blob)

    async def walk(self) -> Walk:
        """Read everything once, and have repaired what is damaged."""
        self._mends.clear()
        read_bytes = damaged_rows = damaged_blobs = 0
        for blob in self._store.blobs():
            read_bytes += await self._read(blob)
            kept = self._store.kept(blob)
            if kept is None or kept.is_sound:
                continue
            damaged_blobs += 1
            damaged_rows += len(kept.damaged)
            await self._repair(blob)
        return Walk(read_bytes, damaged_rows, damaged_blobs)

    async def _read(self, blob: Blob) -> int:
        """Read all rows and the checksums of a blob; returns the bytes."""
        kept = self._store.kept(blob)
        if kept is None:
            return 0
        rows, slot_bytes = sorted(kept.rows()), kept.slot_bytes
        step = max(1, PIECE_BYTES // slot_bytes)
        await self._in_executor(lambda: self._store.checksums(blob))
        for start in range(0, len(rows), step):
            piece = rows[start : start + step]
            await self._in_executor(lambda piece=piece: self._store.rows(blob, piece))  # type: ignore[misc]
            self._metrics.scrubbed.inc(len(piece) * slot_bytes)
            await self._sleep(len(piece) * slot_bytes / self._rate_bytes_per_s)
        return len(rows) * slot_bytes

    async def _repair(self, blob: Blob) -> None:
        kept = self._store.kept(blob)
        if kept is None:
            return
        damaged = tuple(sorted(kept.damaged))
        self._mends[blob] += 1
        self._metrics.damaged.inc(len(damaged))
        log.warning("da commitment=0x%s damaged_rows=%d on disk", blob.commitment.hex(), len(damaged))
        wanted = damaged or tuple(sorted(kept.rows()))[:1]
        try:
            done = await self._mender.mend(blob, wanted)
        except ZgError as error:
            log.warning("da commitment=0x%s not repaired: %s", blob.commitment.hex(), error)
        else:
            log.info(
                "da commitment=0x%s repaired_rows=%d received_bytes=%d",
                blob.commitment.hex(), done.rows, done.received_bytes,
            )  # fmt: skip

    async def _in_executor(self, work: Callable[[], object]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, work)
