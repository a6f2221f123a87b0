"""Reads what is stored, over and over at a bounded rate, so that damage is found while others can still repair it.

blob ─▶ a piece of its rows ─▶ read, checked ─▶ pause ─▶ … ─▶ damaged? ─▶ repair
                                                                    ▲
what a reader found damaged ─▶ look, every few seconds ─────────────┘
"""

from __future__ import annotations

import asyncio
import logging
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
LOOKS_FIRST: Final = 6
"""Looks before the first walk over everything."""
LOOKS_A_WALK: Final = 60
"""Looks from one walk to the next."""
PAUSE_MAX: Final = 30
"""Looks before what could not be repaired is tried again, at most: it is one at first, and twice as many each time."""

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


@dataclass(slots=True)
class _Broken:
    """A blob of which something is damaged, and could not be repaired so far."""

    rows: int = 0
    """That were counted as damaged."""
    pause: int = 0
    """Looks to the next attempt, from the last one on."""
    due: int = 0
    """The look of the next attempt."""


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
        self._looks = 0
        self._broken: dict[Blob, _Broken] = {}

    async def run(self) -> None:
        """Look and walk until cancelled."""
        looks = LOOKS_FIRST
        while True:
            for _ in range(looks):
                await self._sleep(LOOK_S)
                await self.look()
            await self.walk()
            looks = LOOKS_A_WALK

    async def look(self) -> None:
        """Have repaired what is known to be damaged."""
        self._looks += 1
        damaged = self._store.damaged()
        for blob in self._broken.keys() - set(damaged):
            del self._broken[blob]
        for blob in damaged:
            if blob not in self._broken or self._broken[blob].due <= self._looks:
                await self._repair(blob)

    async def walk(self) -> Walk:
        """Read everything once, and have repaired what is damaged."""
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
        broken = self._broken.setdefault(blob, _Broken())
        if not broken.pause or len(damaged) > broken.rows:
            log.warning(
                "da commitment=0x%s on disk: damaged_rows=%d damaged_checksums=%d",
                blob.commitment.hex(), len(damaged), kept.bad_checksums,
            )  # fmt: skip
        self._metrics.damaged.inc(max(0, len(damaged) - broken.rows))
        broken.rows = max(broken.rows, len(damaged))
        broken.pause = min(max(1, 2 * broken.pause), PAUSE_MAX)
        broken.due = self._looks + broken.pause
        try:
            done = await self._mender.mend(blob, damaged or tuple(sorted(kept.rows()))[:1])
        except ZgError as error:
            log.warning("da commitment=0x%s not repaired: %s", blob.commitment.hex(), error)
            return
        if done.failed:
            log.warning("da commitment=0x%s damaged_rows=%d not repaired", blob.commitment.hex(), len(damaged))
            return
        self._broken.pop(blob, None)
        log.info(
            "da commitment=0x%s repaired_rows=%d received_bytes=%d",
            blob.commitment.hex(), done.rows, done.received_bytes,
        )  # fmt: skip

    async def _in_executor(self, work: Callable[[], object]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, work)
