"""Data availability in a running node: every part put together, and what RPC and the gateways ask of it.

                          ┌─ Server ─ Custodian ─ Store ─ Scrubber, Upkeep, Repair, Witness    for other nodes
    Network ─ Lines ──────┤
                          └─ Outbox ─ Client ─ Uploads, PutJobs, reads                         for this node's clients
    Ledger, Court ────────┘

A node without a key signs nothing and keeps nothing; it reads, and where somebody else pays, stores.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from zg_node.da.certificate import Key
from zg_node.da.client import Client, PutProgress, Retrieved
from zg_node.da.encoding import BLOB_MAX_BYTES
from zg_node.da.holder import Custodian
from zg_node.da.holder_metrics import HolderMetrics
from zg_node.da.ledger import Certified, Ledger
from zg_node.da.lines import Lines
from zg_node.da.metrics import DaMetrics
from zg_node.da.outbox import Outbox
from zg_node.da.repair import Repair
from zg_node.da.scrubber import Scrubber
from zg_node.da.server import Server
from zg_node.da.store import Store
from zg_node.da.upkeep import Upkeep
from zg_node.da.uploads import Uploads
from zg_node.da.witness import Court, Witness
from zg_node.errors import InvalidRequest, Unavailable, ZgError
from zg_node.p2p.network import Network

log = logging.getLogger("zg.da")

JOBS_MAX: Final = 256
"""Puts that are remembered, under way or done."""
PUTS_WAITING_MAX: Final = 64
READS_MAX_BYTES: Final = 256 << 20
"""Blobs that were read and may be asked for piece by piece."""


@dataclass(frozen=True, slots=True)
class DaOptions:
    """What the operator decides."""

    capacity_bytes: int
    """Of rows on disk."""
    threads: int
    """That encode or verify one blob."""
    workers: int
    """That read, write and verify for other nodes."""


@dataclass(frozen=True, slots=True)
class HolderKey:
    """Who signs for rows."""

    key: Key
    signer: bytes
    """20 bytes: its address."""


@dataclass(slots=True)
class PutJob:
    """A put that goes on by itself."""

    progress: PutProgress
    task: asyncio.Task[Certified]

    @property
    def failure(self) -> str | None:
        """Why it failed; None while it has not."""
        if not self.task.done():
            return None
        if self.task.cancelled():
            return "the node is stopping"
        error = self.task.exception()
        return None if error is None else str(error)

    @property
    def certified(self) -> Certified | None:
        """What came of it; None before it is done, or when it failed."""
        return self.task.result() if self.task.done() and self.failure is None else None


class DataAvailability:
    """One a node; on the event loop. Made before the network starts."""

    def __init__(
        self,
        ledger: Ledger,
        court: Court,
        network: Network | None,
        store: Store,
        holder: HolderKey | None,
        options: DaOptions,
        registry: CollectorRegistry,
        now_s: Callable[[], float],
    ) -> None:
        """`store` is closed by `close`; `now_s` is monotonic."""
        self.ledger = ledger
        self.store = store
        self.holder = holder
        self.metrics = DaMetrics(registry)
        self.uploads = Uploads(BLOB_MAX_BYTES, now_s)
        self._now_s = now_s
        self._jobs: OrderedDict[int, PutJob] = OrderedDict()
        self._next_job = 1
        self._reads: OrderedDict[bytes, Retrieved] = OrderedDict()
        self._reading: dict[bytes, asyncio.Task[Retrieved]] = {}
        self._executor = ThreadPoolExecutor(options.workers, thread_name_prefix="da")
        counts = HolderMetrics(registry)
        counts.watch_store(lambda: store.used_bytes)
        outbox = Outbox()
        self.metrics.watch_outbox(lambda: outbox.held_bytes)
        self.lines = Lines(network, holder.signer if holder is not None else None, self.metrics.count_moved)
        self.client = Client(ledger, self.lines, outbox, options.threads)
        custodian = None
        self._keeping: tuple[Scrubber, Upkeep, Witness] | None = None
        if holder is not None:
            common = (self._executor, counts)
            custodian = Custodian(ledger, store, holder.key, holder.signer, self.lines, *common)
            repair = Repair(ledger, store, holder.signer, self.lines, *common)
            self._keeping = (
                Scrubber(store, repair, *common),
                Upkeep(ledger, store, repair, *common),
                Witness(court, store, repair, holder.signer, self._executor),
            )
        self._custodian = custodian
        self.lines.serve(Server(store, outbox, custodian, self._executor, counts, now_s).answer)

    def tasks(self) -> list[tuple[Coroutine[None, None, None], str]]:
        """What runs until the node stops, with names."""
        if self._keeping is None:
            return []
        scrubber, upkeep, witness = self._keeping
        return [(scrubber.run(), "da scrubber"), (upkeep.run(), "da upkeep"), (witness.run(), "da witness")]

    async def close(self) -> None:
        """After its tasks have ended."""
        jobs = [job.task for job in self._jobs.values()]
        for task in (*jobs, *self._reading.values()):
            task.cancel()
        await asyncio.gather(*jobs, *self._reading.values(), return_exceptions=True)
        await self.client.close()
        if self._custodian is not None:
            await self._custodian.close()
        await asyncio.to_thread(self._executor.shutdown)
        self.store.close()

    # ── puts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin_put(self, data: bytes, quorum: int, epochs: int) -> int:
        """Store a blob, in the background; returns the job. Raises Unavailable while too many wait."""
        self.check_queue()
        progress = PutProgress(len(data))
        task = asyncio.ensure_future(self.put(data, quorum, epochs, progress))
        task.add_done_callback(_retrieve)
        number, self._next_job = self._next_job, self._next_job + 1
        self._jobs[number] = PutJob(progress, task)
        while len(self._jobs) > JOBS_MAX:
            oldest = next(key for key, job in self._jobs.items() if job.task.done())
            del self._jobs[oldest]
        return number

    def check_queue(self) -> None:
        """Raise Unavailable while too many puts wait."""
        if sum(not job.task.done() for job in self._jobs.values()) >= PUTS_WAITING_MAX:
            raise Unavailable("too many blobs are being stored: try again in a moment")

    def job(self, number: int) -> PutJob:
        """Raises InvalidRequest when there is no such job, or none any more."""
        job = self._jobs.get(number)
        if job is None:
            raise InvalidRequest(f"no put {number}: only the last {JOBS_MAX} are remembered")
        return job

    async def put(self, data: bytes, quorum: int, epochs: int, progress: PutProgress | None = None) -> Certified:
        """Store a blob; returns once its certificate is final. Raises InvalidRequest, Unavailable."""
        progress = progress if progress is not None else PutProgress(len(data))
        started = self._now_s()
        try:
            certified = await self.client.put(data, quorum, epochs, progress)
        except ZgError as error:
            self.metrics.put_failures.inc()
            log.warning("da put bytes=%d failed: %s", len(data), error)
            raise
        took_s = self._now_s() - started
        self.metrics.puts.inc()
        self.metrics.put_bytes.inc(len(data))
        self.metrics.put_seconds.observe(took_s)
        commitment = certified.blob.commitment.hex()
        log.info("da put commitment=0x%s bytes=%d seconds=%.3f", commitment, len(data), took_s)
        return certified

    # ── gets ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def get(self, commitment: bytes) -> Retrieved:
        """Read a blob; those read lately are remembered. Raises InvalidRequest, Unavailable."""
        known = self._reads.get(commitment)
        if known is not None:
            self._reads.move_to_end(commitment)
            return known
        task = self._reading.get(commitment)
        if task is None:
            task = self._reading[commitment] = asyncio.ensure_future(self._read(commitment))
            task.add_done_callback(lambda done: self._reading.pop(commitment, None))
            task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def _read(self, commitment: bytes) -> Retrieved:
        try:
            found = await self.client.get(commitment)
        except ZgError:
            self.metrics.get_failures.inc()
            raise
        self.metrics.gets.inc()
        self.metrics.get_bytes.inc(len(found.data))
        self.metrics.liars.inc(len(found.liars))
        self._reads[commitment] = found
        while len(self._reads) > 1 and sum(len(read.data) for read in self._reads.values()) > READS_MAX_BYTES:
            self._reads.popitem(last=False)
        return found


def open_store(home: Path, capacity_bytes: int) -> Store:
    """The rows under a data directory. Raises Corrupt, OSError."""
    return Store(home / "da", capacity_bytes)


def _retrieve(task: asyncio.Task[Certified] | asyncio.Task[Retrieved]) -> None:
    """Nobody may be there any more to ask for the exception; it is logged and counted already."""
    if not task.cancelled():
        task.exception()
