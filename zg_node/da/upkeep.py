"""What a holder does when an epoch begins: let go of what is over, take over what is its own now.

epoch ─▶ prune the expired ─▶ forget what was never certified ─▶ hand over ─▶ wait for the next
           ▲                                                          │
           └────────── again, after a pause that grows ◀── something is lacking still
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Set
from concurrent.futures import Executor
from typing import Final, TypeVar

from zg_node.da.certificate import Blob
from zg_node.da.holder_metrics import HolderMetrics
from zg_node.da.ledger import Certified, Ledger
from zg_node.da.repair import Repair, Repaired
from zg_node.da.store import Store
from zg_node.errors import Unavailable

log = logging.getLogger("zg.da")

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

PAGE_BLOBS: Final = 256
"""Live blobs that are asked of the chain at a time."""
POLL_S: Final = 2.0
RETRY_FIRST_S: Final = 5.0
"""Before what failed is tried again; twice as long each time, up to RETRY_MAX_S."""
RETRY_MAX_S: Final = 300.0
GRACE_EPOCHS: Final = 2
"""Epochs that a blob without certificate is kept: its own, and one in which a certificate may still come."""


class Upkeep:
    """One a node; on the event loop."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        repair: Repair,
        executor: Executor,
        metrics: HolderMetrics,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._repair = repair
        self._executor = executor
        self._metrics = metrics
        self._sleep = sleep

    async def run(self) -> None:
        """Do it at the start and with every new epoch, again until nothing is lacking, until cancelled."""
        while True:
            epoch, pause_s = self._ledger.epoch(), RETRY_FIRST_S
            while self._ledger.epoch() == epoch:
                done = await self._try(epoch)
                await self._wait(epoch, math.inf if done else pause_s)
                pause_s = min(2 * pause_s, RETRY_MAX_S)

    async def begin(self, epoch: int) -> Repaired:
        """What there is to do in a new epoch. Raises Unavailable when the chain does not answer yet."""
        freed = await self._in_executor(lambda: self._store.prune(epoch))
        self._metrics.pruned.inc(freed)
        live = await self._live()
        forgotten = await self._forget_uncertified(epoch, {certified.blob for certified in live})
        if freed or forgotten:
            log.info("da epoch=%d pruned_bytes=%d forgotten_blobs=%d", epoch, freed, forgotten)
        return await self._repair.hand_over(live)

    async def _try(self, epoch: int) -> bool:
        """Whether nothing is left to do in an epoch."""
        try:
            return not (await self.begin(epoch)).failed
        except Unavailable as error:
            log.info("da epoch=%d upkeep waits: %s", epoch, error)
            return False

    async def _wait(self, epoch: int, duration_s: float) -> None:
        """Until an epoch is over, at most so long."""
        while duration_s > 0 and self._ledger.epoch() == epoch:
            await self._sleep(min(POLL_S, duration_s))
            duration_s -= POLL_S

    async def _live(self) -> list[Certified]:
        live: list[Certified] = []
        while page := await self._ledger.live(len(live), PAGE_BLOBS):
            live += page
        return live

    async def _forget_uncertified(self, epoch: int, live: Set[Blob]) -> int:
        """Let go of blobs that have no certificate, and will not get one; returns how many."""
        forgotten = 0
        for blob in self._store.blobs():
            if blob not in live and blob.epoch + GRACE_EPOCHS <= epoch and not await self._ledger.paid(blob):
                self._store.forget(blob)
                forgotten += 1
        if forgotten:
            await self._in_executor(self._store.sync)
        return forgotten

    async def _in_executor(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
