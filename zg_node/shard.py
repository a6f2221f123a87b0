"""One shard of a running node: its chain, its consensus, its files and the threads that serve them.

worker        builds, executes, commits: in order
vote worker   makes votes durable, beside an execution that takes long
writer        brings the databases up to the log, and writes the mempool's journal
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zg_node import allocator
from zg_node.assembly import open_chain
from zg_node.clock import Clock
from zg_node.config import Settings
from zg_node.consensus.instance import Timeouts
from zg_node.consensus.pace import Pace
from zg_node.consensus.service import ShardConsensus
from zg_node.consensus.votes import Verifier, verify
from zg_node.consensus.wal import Identity, VoteLog
from zg_node.db.files import SYSTEM, Files
from zg_node.epochs import Instances, ValidatorSets, Voter
from zg_node.errors import InvalidConfig
from zg_node.execution.engine import Engine
from zg_node.execution.genesis import Genesis
from zg_node.execution.journal import Journal
from zg_node.execution.service import Chain
from zg_node.p2p.network import Network

log = logging.getLogger("zg.node")

JOURNAL_INTERVAL_S = 1.0
EXPIRY_INTERVAL_S = 30.0
CHECKPOINT_LOOK_S = 0.25


@dataclass(slots=True)
class Shard:
    """One shard's running parts."""

    chain: Chain
    votes: VoteLog | None
    consensus: ShardConsensus
    journal: Journal | None
    worker: Executor
    vote_worker: Executor
    writer: Executor

    def tasks(self, settings: Settings) -> list[tuple[Coroutine[None, None, None], str]]:
        """What runs until the node stops, with names; an exception out of one is fatal."""
        shard = self.chain.shard
        tasks = [
            (self.consensus.run(), f"consensus of shard {shard}"),
            (self._checkpoints(settings.state.flush_interval_s), f"checkpoints of shard {shard}"),
        ]
        if self.journal is not None:
            tasks.append((self._keep_journal(self.journal), f"journal of shard {shard}"))
        return tasks

    async def _checkpoints(self, interval: float) -> None:
        """Bring the databases up to the log every few seconds, sooner when much waits."""
        loop = asyncio.get_running_loop()
        next_at = loop.time() + interval
        while True:
            await asyncio.sleep(min(CHECKPOINT_LOOK_S, interval))
            if loop.time() < next_at and not self.chain.checkpoint_due():
                continue
            durable = await loop.run_in_executor(self.writer, self.chain.checkpoint)
            await loop.run_in_executor(self.worker, self.chain.truncate, durable)
            await loop.run_in_executor(self.writer, allocator.trim)
            next_at = loop.time() + interval

    async def _keep_journal(self, journal: Journal) -> None:
        """Keep the mempool's journal; a file that cannot be written is a warning, not an end."""
        loop = asyncio.get_running_loop()
        expire_at = loop.time() + EXPIRY_INTERVAL_S
        while True:
            await asyncio.sleep(JOURNAL_INTERVAL_S)
            if loop.time() >= expire_at:
                self.chain.pool.expire(self.chain.now_ms())
                expire_at = loop.time() + EXPIRY_INTERVAL_S
            try:
                await loop.run_in_executor(self.writer, journal.save, self.chain.pool)
            except OSError as error:
                log.warning("shard=%d mempool journal not written: %s", self.chain.shard, error)

    def close(self, *, write: bool) -> None:
        """Finish the shard's work, write what is in memory if `write`, and close its files."""
        for executor in (self.worker, self.vote_worker, self.writer):
            executor.shutdown()
        try:
            if self.journal is not None and write:
                self.journal.rewrite(self.chain.pool)
        finally:
            if self.votes is not None:
                self.votes.close()
            self.chain.close(checkpoint=write)


def thread(name: str) -> Executor:
    """An executor of one thread."""
    return ThreadPoolExecutor(1, thread_name_prefix=name)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a shard runs in; the simulator puts its own in place."""

    clock: Clock
    network: Network | None = None
    files: Files = SYSTEM
    executor: Callable[[str], Executor] = thread
    """By the name of its thread."""
    verifier: Verifier = verify
    engine: Engine | None = None
    """Instead of the configured one."""


def open_shard(
    settings: Settings,
    genesis: Genesis,
    home: Path,
    index: int,
    sets: ValidatorSets,
    voter: Voter | None,
    around: Surroundings,
) -> Shard:
    """Open or create a shard, the root shard first. Raises as `open_chain`."""
    directory = home / f"shard-{index}"
    chain = open_chain(
        settings,
        genesis,
        home,
        index,
        around.clock.unix_ms,
        sets,
        voter=voter,
        files=around.files,
        engine=around.engine,
    )
    chain.resume()
    timeouts = Timeouts(delta_ms=settings.consensus.delta_ms)
    instances = Instances(genesis, index, sets, voter, timeouts, around.verifier)
    votes = None
    if voter is not None:
        log_at, register = directory / "votes", home / "voters" / directory.name
        is_public = voter.key.secret == genesis.development_vote_key
        has_voted = around.files.exists(log_at) or around.files.exists(register)
        if is_public and settings.p2p.enabled and chain.head.number > 0 and not has_voted:
            chain.close(checkpoint=False)
            raise InvalidConfig(
                f"{home} has followed a network until now: start it with --bootstrap as before. The public voting key "
                "is for the one node that makes its own development network"
            )
        votes = VoteLog(log_at, register, Identity(genesis.network, chain.chain_id, voter.address), around.files)
    pace = settings.consensus
    worker, vote_worker, writer = (around.executor(f"shard-{index}{role}") for role in ("", "-votes", "-writer"))
    consensus = ShardConsensus(
        chain,
        instances,
        votes,
        voter.address if voter is not None else bytes(20),
        Pace(pace.block_time_ms, pace.heartbeat_ms, pace.min_interval_ms, finality_ms=pace.delta_ms),
        worker,
        vote_worker,
        around.clock,
        around.network,
        around.verifier,
    )
    journal = Journal(directory / "mempool.journal") if settings.mempool.journal else None
    if journal is not None:
        head = chain.head
        gas_limit = head.header.gas_limit
        journal.restore(chain.pool, chain.state, head.hash, chain.next_base_fee(), gas_limit, chain.now_ms())
    return Shard(chain, votes, consensus, journal, worker, vote_worker, writer)
