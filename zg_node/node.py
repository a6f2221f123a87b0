"""The composition root: the only place that wires the parts of a node together.

genesis, settings ─▶ per shard: Pool · State · Engine · Chain · VoteLog · Simplex · ShardConsensus
                                                 │ on_head, poke
                                        RPC server (8545) · metrics server (9545)

<home>/shard-i/{state, blocks, log, votes, mempool.journal}
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from coincurve import PrivateKey

from zg_node import _core, allocator, metrics
from zg_node.clock import SystemClock
from zg_node.config import MIB, Settings
from zg_node.consensus.instance import Timeouts
from zg_node.consensus.messages import Domain
from zg_node.consensus.service import Pace, ShardConsensus
from zg_node.consensus.simplex import Simplex
from zg_node.consensus.votes import Signer, Validator, ValidatorSet, address_of
from zg_node.consensus.wal import VoteLog
from zg_node.errors import InvalidConfig
from zg_node.execution import genesis as genesis_file
from zg_node.execution.engine import Engine
from zg_node.execution.genesis import Genesis
from zg_node.execution.journal import Journal
from zg_node.execution.metrics import ExecutionCollector
from zg_node.execution.service import Chain, ChainOptions
from zg_node.rpc import api
from zg_node.rpc.connection import is_loopback
from zg_node.rpc.limits import Limits, Listener
from zg_node.rpc.metrics import RpcCollector
from zg_node.rpc.server import RpcServer
from zg_node.types.block import StoredBlock

log = logging.getLogger("zg.node")

JOURNAL_INTERVAL_S = 1.0
EXPIRY_INTERVAL_S = 30.0


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """A shard as an operator sees it."""

    index: int
    chain_id: int
    url: str


@dataclass(frozen=True, slots=True)
class BlockLine:
    """What there is to say about a finalised block."""

    shard: int
    number: int
    hash: bytes
    transactions: int
    gas_used: int
    timestamp_ms: int


@dataclass(slots=True)
class ShardParts:
    """One shard's running parts."""

    chain: Chain
    votes: VoteLog
    consensus: ShardConsensus
    journal: Journal | None
    worker: ThreadPoolExecutor
    """Runs what must be in order: building, executing, committing."""
    writer: ThreadPoolExecutor
    """Runs checkpoints and the journal."""


class Node:
    """A node from `start` to `stop`."""

    def __init__(
        self,
        settings: Settings,
        home: Path,
        *,
        vote_key: bytes | None = None,
        on_block: Callable[[BlockLine], None] | None = None,
    ) -> None:
        """`vote_key` None takes the key that a development network's chain file makes public."""
        self.settings = settings
        self.home = home
        self.genesis = load_genesis(settings, home)
        self.registry = metrics.new_registry()
        ExecutionCollector(self.registry, lambda: [parts.chain for parts in self._parts])
        self._vote_key = vote_key or self.genesis.development_vote_key
        self._on_block = on_block
        self._clock = SystemClock()
        self._parts: list[ShardParts] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = asyncio.Event()
        self._ready = False
        self._failed = False
        self._servers: list[RpcServer] = []
        """JSON-RPC first, then metrics."""

    @property
    def shards(self) -> list[ShardInfo]:
        """Every shard with its JSON-RPC address."""
        return [
            ShardInfo(parts.chain.shard, parts.chain.chain_id, self._url(parts.chain.shard)) for parts in self._parts
        ]

    async def start(self) -> None:
        """Open everything and listen. Raises InvalidConfig, Unavailable, Corrupt; nothing runs then."""
        allocator.bound()
        members, signer = self._validators()
        loop = asyncio.get_running_loop()
        try:
            for shard in range(self.settings.network.shards):
                parts = await loop.run_in_executor(None, self._open_shard, shard, members, signer)
                self._parts.append(parts)
            await self._listen()
        except BaseException:
            await self._close()
            raise
        for parts in self._parts:
            self._run(parts.consensus.run(), f"consensus of shard {parts.chain.shard}")
            self._run(self._checkpoints(parts), f"checkpoints of shard {parts.chain.shard}")
            if parts.journal is not None:
                self._run(self._journal(parts, parts.journal), f"journal of shard {parts.chain.shard}")
        self._ready = True

    async def wait(self) -> None:
        """Return after `stop`; raise what made the node unable to go on."""
        stopped = asyncio.ensure_future(self._stopped.wait())
        done, _ = await asyncio.wait({stopped, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in done - {stopped}:
            error = task.exception()
            if error is not None:
                self._failed = True
                raise first_cause(error)

    async def stop(self) -> None:
        """Stop listening, finish what was begun, write everything, close. Safe to call twice.

        After a failure nothing more is written: the log has what is final, and the next start replays it."""
        self._stopped.set()
        self._ready = False
        await self._close()

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _validators(self) -> tuple[ValidatorSet, Signer]:
        """The first validator set, and this node's place in it."""
        members = first_set(self.genesis)
        if len(members.validators) > 1:
            raise InvalidConfig("this version runs networks of one validator: the genesis file names more")
        if self._vote_key is None:
            raise InvalidConfig("no vote key: start a validator with its key, see `zg-node start --help`")
        key = PrivateKey(self._vote_key)
        index = members.index_of(address_of(key.public_key))
        if index is None:
            raise InvalidConfig(
                f"the vote key of 0x{address_of(key.public_key).hex()} is not a validator of this network's genesis"
            )
        return members, Signer(key, index)

    def _open_shard(self, shard: int, members: ValidatorSet, signer: Signer) -> ShardParts:
        genesis, directory = self.genesis, self.home / f"shard-{shard}"
        chain = open_chain(self.settings, genesis, self.home, shard, self._clock.unix_ms)
        votes = VoteLog(directory / "votes")
        head = chain.head
        restored = votes.restored(head.consensus.view, head.hash)
        instance = Simplex(members, Domain(genesis.network, chain.chain_id, 0), signer, Timeouts(), restored)
        pace = self.settings.consensus
        worker = ThreadPoolExecutor(1, thread_name_prefix=f"shard-{shard}")
        consensus = ShardConsensus(
            instance,
            chain,
            votes,
            members.validators[signer.index].address,
            Pace(pace.block_time_ms, pace.heartbeat_ms, pace.min_interval_ms),
            worker,
        )
        chain.on_head(lambda block: self._tell(shard, block))
        journal = Journal(directory / "mempool.journal") if self.settings.mempool.journal else None
        if journal is not None:
            gas_limit = head.header.gas_limit
            journal.restore(chain.pool, chain.state, head.hash, chain.next_base_fee(), gas_limit, chain.now_ms())
        writer = ThreadPoolExecutor(1, thread_name_prefix=f"shard-{shard}-writer")
        return ShardParts(chain, votes, consensus, journal, worker, writer)

    async def _listen(self) -> None:
        """Open the JSON-RPC and the metrics listeners."""
        node = api.Node(
            chains=[parts.chain for parts in self._parts],
            client_version=client_version(),
            network=self.genesis.file.name,
            ready=lambda: self._ready,
            healthy=lambda: not self._stopped.is_set(),
            metrics=lambda: metrics.render(self.registry),
            peers=lambda: 0,
        )
        scrape = self.settings.metrics
        limits = rpc_limits(self.settings)
        listeners = [rpc_listener(self.settings)]
        if scrape.enabled:
            listeners.append(Listener(scrape.host, scrape.port, rpc=False, metrics=True))
        for listener in listeners:
            server = RpcServer(node, limits, listener)
            self._servers.append(server)
            await server.start()
        self.registry.register(RpcCollector(self._servers[0]))

    # ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, work: Coroutine[None, None, None], name: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    async def _checkpoints(self, parts: ShardParts) -> None:
        """Bring the databases up to the log every few seconds, sooner when much waits."""
        loop = asyncio.get_running_loop()
        interval = self.settings.state.flush_interval_s
        next_at = loop.time() + interval
        while True:
            await asyncio.sleep(min(0.25, interval))
            if loop.time() < next_at and not parts.chain.checkpoint_due():
                continue
            durable = await loop.run_in_executor(parts.writer, parts.chain.checkpoint)
            await loop.run_in_executor(parts.worker, parts.chain.truncate, durable)
            await loop.run_in_executor(parts.writer, allocator.trim)
            next_at = loop.time() + interval

    async def _journal(self, parts: ShardParts, journal: Journal) -> None:
        """Keep the mempool's journal; a file that cannot be written is a warning, not an end."""
        loop = asyncio.get_running_loop()
        expire_at = loop.time() + EXPIRY_INTERVAL_S
        while True:
            await asyncio.sleep(JOURNAL_INTERVAL_S)
            if loop.time() >= expire_at:
                parts.chain.pool.expire(parts.chain.now_ms())
                expire_at = loop.time() + EXPIRY_INTERVAL_S
            try:
                await loop.run_in_executor(parts.writer, journal.save, parts.chain.pool)
            except OSError as error:
                log.warning("shard=%d mempool journal not written: %s", parts.chain.shard, error)

    def _tell(self, shard: int, block: StoredBlock) -> None:
        if self._on_block is not None:
            consensus = block.consensus
            count = len(block.senders) // 20
            self._on_block(
                BlockLine(shard, block.number, block.hash, count, block.header.gas_used, consensus.timestamp_ms)
            )

    def _url(self, shard: int) -> str:
        host, port = self.settings.rpc.host, self._servers[0].port
        return f"http://{host}:{port}" + (f"/shard/{shard}" if shard else "")

    # ── closing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _close(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            await server.close()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        parts_list, self._parts = self._parts, []
        for parts in parts_list:
            await asyncio.get_running_loop().run_in_executor(None, close_shard, parts, not self._failed)


def close_shard(parts: ShardParts, write: bool) -> None:
    """Finish the shard's work, write what is in memory if `write`, and close its files."""
    parts.worker.shutdown()
    parts.writer.shutdown()
    try:
        if parts.journal is not None and write:
            parts.journal.rewrite(parts.chain.pool)
    finally:
        parts.votes.close()
        parts.chain.close(checkpoint=write)


def load_genesis(settings: Settings, home: Path) -> Genesis:
    """The network's genesis: a packaged chain by its name, else a file, relative to `home`. Raises InvalidConfig."""
    name = settings.network.genesis
    if name in genesis_file.PACKAGED:
        return genesis_file.parse(genesis_file.packaged(name), name)
    return genesis_file.load(home / name)


def first_set(genesis: Genesis) -> ValidatorSet:
    """The validator set of epoch 0."""
    return ValidatorSet(tuple(Validator(address, stake) for address, stake in genesis.validators))


def open_chain(settings: Settings, genesis: Genesis, home: Path, shard: int, now_ms: Callable[[], int]) -> Chain:
    """Open a shard's chain in `home`, replaying its log. Raises Corrupt, Unavailable, InvalidConfig."""
    chain_id = genesis.chain_id(shard)
    native = _core.Engine(chain_id)
    options = ChainOptions(
        cache_bytes=settings.state.cache_mb * MIB,
        history_blocks=None if settings.state.archive else settings.state.history_blocks,
        flush_bytes=settings.state.flush_mb * MIB,
    )
    return Chain(
        shard,
        genesis,
        first_set(genesis).hash(),
        home / f"shard-{shard}",
        engine_for(settings, native, chain_id),
        native,
        make_pool(settings, chain_id),
        options,
        now_ms,
        lambda blocks: log.info("shard=%d replayed=%d", shard, blocks),
    )


def make_pool(settings: Settings, chain_id: int) -> _core.Pool:
    """A shard's mempool."""
    mempool = settings.mempool
    return _core.Pool(
        chain_id,
        max_transactions=mempool.max_transactions,
        max_bytes=mempool.max_bytes,
        max_per_sender=mempool.max_per_sender,
        max_queued_per_sender=mempool.max_queued_per_sender,
        max_queued=mempool.max_queued,
        lifetime_ms=mempool.lifetime_s * 1000,
        price_bump_percent=mempool.price_bump_percent,
        min_tip=mempool.min_tip_wei,
        allow_unprotected=mempool.allow_unprotected,
    )


def rpc_listener(settings: Settings) -> Listener:
    """The JSON-RPC port. It serves /metrics, too, while only this machine can reach it."""
    rpc = settings.rpc
    private = rpc.host == "localhost" or is_loopback((rpc.host,))
    return Listener(
        rpc.host, rpc.port, rpc.allowed_hosts, rpc.cors_origins, metrics=private and settings.metrics.enabled
    )


def rpc_limits(settings: Settings) -> Limits:
    """What a listener accepts."""
    rpc = settings.rpc
    return Limits(
        connections_max=rpc.connections_max,
        body_max_bytes=rpc.body_max_bytes,
        request_timeout_s=rpc.request_timeout_s,
        keep_alive_s=rpc.keep_alive_s,
        write_buffer_max_bytes=rpc.write_buffer_max_bytes,
        batch_items_max=rpc.batch_items_max,
        batch_response_max_bytes=rpc.batch_response_max_bytes,
        submit_workers=rpc.submit_workers,
        workers=rpc.workers,
        call_gas_cap=rpc.call_gas_cap,
        call_timeout_ms=rpc.call_timeout_ms,
        logs_blocks_max=rpc.logs_blocks_max,
        logs_results_max=rpc.logs_results_max,
        logs_terms_max=rpc.logs_terms_max,
        proof_slots_max=rpc.proof_slots_max,
        fee_history_blocks_max=rpc.fee_history_blocks_max,
        filters_max=rpc.filters_max,
        filter_idle_s=rpc.filter_idle_s,
        subscriptions_max=rpc.subscriptions_max,
        minimum_tip=settings.mempool.min_tip_wei,
    )


def engine_for(settings: Settings, native: _core.Engine, chain_id: int) -> Engine:
    """The engine that executes blocks. Raises InvalidConfig when it is not installed."""
    if settings.engine.name == "native":
        return native
    try:
        from zg_node.execution.pyevm import PyEvmEngine
    except ModuleNotFoundError as error:
        raise InvalidConfig(f"the py-evm engine needs {error.name}: pip install 'zg-node[pyevm]'") from error
    return PyEvmEngine(native, chain_id)


def client_version() -> str:
    """As web3_clientVersion gives it."""
    system = f"{platform.system().lower()}-{platform.machine()}"
    return f"zg_node/v{metadata.version('zg-node')}/{system}/python{platform.python_version()}"


def first_cause(error: BaseException) -> BaseException:
    """The first exception inside nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
