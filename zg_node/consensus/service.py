"""The shell of one shard's consensus instance: performs effects, keeps timers, decides when a block is due.

    mempool ── poke ─▶ Due ─▶ instance ─▶ Propose ─▶ chain.propose ─▶ Proposed ─▶ Persist (fdatasync) ─▶ Commit ─▶
    chain.commit
                                                                     Broadcast ─▶ peers

Blocking work (building, executing, log and vote writes) runs in one worker thread a shard, in order, so the event
loop is free for JSON-RPC. Everything that a step persists is durable before anything else of that step is performed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar, assert_never

from zg_node.consensus.instance import (
    Broadcast,
    Commit,
    Due,
    Effect,
    Event,
    Execute,
    Executed,
    Instance,
    Persist,
    Propose,
    Proposed,
    Report,
    SetTimer,
    Started,
    TimedOut,
)
from zg_node.consensus.messages import Certificate, Proposal, Vote
from zg_node.consensus.wal import VoteLog
from zg_node.errors import InvalidBlock
from zg_node.types.block import Block, StoredBlock

log = logging.getLogger("zg.consensus")

T = TypeVar("T")

WORK_SHARE = 2
"""Under load the pause between blocks is this many times the work of the last one, so that blocks grow with the
load."""
INTERVAL_MAX_MS = 250
RETRY_MS = 20
"""When waiting transactions do not fit into a block yet (gas rate, base fee), look again after this long."""


class Chain(Protocol):
    """What consensus needs of execution; all but `waiting` run in the shard's worker thread."""

    head: StoredBlock
    shard: int
    poke: Callable[[], None]

    def propose(self, view: int, parent_hash: bytes, coinbase: bytes, allow_empty: bool) -> Block | None: ...

    def execute(self, block: Block) -> None: ...

    def commit(self, block_hash: bytes, certificate: bytes) -> StoredBlock: ...

    def waiting(self) -> bool: ...

    def announce(self, block: StoredBlock) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """When blocks are made."""

    block_time_ms: int
    """A block every so often; 0 makes one when transactions wait."""
    heartbeat_ms: int
    min_interval_ms: int


class ShardConsensus:
    """Runs one instance until cancelled; an exception out of `run` is fatal for the node."""

    def __init__(
        self,
        instance: Instance,
        chain: Chain,
        votes: VoteLog,
        coinbase: bytes,
        pace: Pace,
        worker: ThreadPoolExecutor,
        broadcast: Callable[[Proposal | Vote | Certificate], None] | None = None,
    ) -> None:
        """`broadcast` is None while the validator is alone."""
        self.instance = instance
        self._chain = chain
        self._votes = votes
        self._coinbase = coinbase
        self._pace = pace
        self._worker = worker
        self._broadcast = broadcast
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._view_timer: asyncio.TimerHandle | None = None
        self._due_timer: asyncio.TimerHandle | None = None
        self._tasks = asyncio.TaskGroup()
        self._last_block = 0.0
        self._last_work = 0.0
        self._retry_at = 0.0
        self._awaited_view = 0
        chain.poke = self.poke

    def receive(self, event: Event) -> None:
        """Hand over an event from the network; on the event loop."""
        self._events.put_nowait(event)

    def poke(self) -> None:
        """Transactions wait; on the event loop."""
        if self._awaited_view != self.instance.view:
            self._schedule()

    async def run(self) -> None:
        """Drive the instance. Raises what makes the node unable to go on."""
        self._last_block = time.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._step(Started())
                while True:
                    self._schedule()
                    await self._step(await self._events.get())
        finally:
            for timer in (self._view_timer, self._due_timer):
                if timer is not None:
                    timer.cancel()

    async def _step(self, event: Event) -> None:
        effects = self.instance.step(event, int(time.monotonic() * 1000))
        persists = [effect for effect in effects if isinstance(effect, Persist)]
        if persists:
            await self._in_worker(self._votes.append, persists, self._chain.head.consensus.view)
        for effect in effects:
            await self._perform(effect)

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Persist():
                pass  # done before everything else of the step
            case Broadcast(message):
                if self._broadcast is not None:
                    self._broadcast(message)
            case SetTimer(view, at_ms):
                if self._view_timer is not None:
                    self._view_timer.cancel()
                delay = at_ms / 1000 - time.monotonic()
                loop = asyncio.get_running_loop()
                self._view_timer = loop.call_later(max(0.0, delay), self._events.put_nowait, TimedOut(view))
            case Propose(view, parent_hash):
                self._tasks.create_task(self._propose(view, parent_hash))
            case Execute(block):
                self._tasks.create_task(self._execute(block))
            case Commit(blocks, certificate):
                for block in blocks:
                    await self._commit(block, certificate)
            case Report(first, second):
                log.warning("shard=%d equivocation first=%s second=%s", self._chain.shard, first, second)
            case _:
                assert_never(effect)

    # ── work ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _propose(self, view: int, parent_hash: bytes) -> None:
        now = time.monotonic()
        allow_empty = self._pace.block_time_ms > 0 or (now - self._last_block) * 1000 >= self._pace.heartbeat_ms - 1
        block = await self._in_worker(self._chain.propose, view, parent_hash, self._coinbase, allow_empty)
        if block is None:
            self._retry_at = time.monotonic() + RETRY_MS / 1000
            self._awaited_view = 0
        self._last_work = time.monotonic() - now
        self._events.put_nowait(Proposed(view, block))

    async def _execute(self, block: Block) -> None:
        try:
            await self._in_worker(self._chain.execute, block)
        except InvalidBlock as error:
            log.warning("shard=%d height=%d invalid block: %s", self._chain.shard, block.number, error)
            self._events.put_nowait(Executed(block.hash, valid=False))
        else:
            self._events.put_nowait(Executed(block.hash, valid=True))

    async def _commit(self, block: Block, certificate: Certificate) -> None:
        started = time.monotonic()
        stored = await self._in_worker(self._chain.commit, block.hash, certificate.encode())
        self._last_block = time.monotonic()
        self._last_work += self._last_block - started
        self._chain.announce(stored)

    async def _in_worker(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, function, *args)

    # ── when a block is due ─────────────────────────────────────────────────────────────────────────────────────────

    def _schedule(self) -> None:
        """Set the timer after which a block is due in the current view."""
        if self._awaited_view == self.instance.view:
            return
        if self._due_timer is not None:
            self._due_timer.cancel()
        delay = self._due_at() - time.monotonic()
        if delay <= 0:
            self._be_due()
        else:
            self._due_timer = asyncio.get_running_loop().call_later(delay, self._be_due)

    def _due_at(self) -> float:
        """On the monotonic clock, in seconds."""
        if self._pace.block_time_ms > 0:
            return self._last_block + self._pace.block_time_ms / 1000
        heartbeat = self._last_block + self._pace.heartbeat_ms / 1000
        if not self._chain.waiting():
            return heartbeat
        interval = max(self._pace.min_interval_ms / 1000, min(WORK_SHARE * self._last_work, INTERVAL_MAX_MS / 1000))
        return min(heartbeat, max(self._last_block + interval, self._retry_at))

    def _be_due(self) -> None:
        if self._awaited_view != self.instance.view:
            self._awaited_view = self.instance.view
            self._events.put_nowait(Due())
