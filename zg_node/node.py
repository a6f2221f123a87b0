"""The composition root: the only place that wires the parts of a node together.

genesis, settings ─▶ per shard: Pool · State · Engine · Chain · VoteLog · Simplex · ShardConsensus ──┐ evidence
                                     │ on_head, poke                       │ votes, proposals      │
                     RPC server (8545) · metrics server (9545)       Peering ─▶ libp2p host (26656)  │
                                     └──────── Availability ────────────────────────┘            Reporter
                                                     └──────────────── RootAccount ──────────────────┘

<home>/shard-i/{state, blocks, log, votes, mempool.journal}   <home>/{da, keys, node, p2p}
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zg_node import allocator, metrics
from zg_node.assembly import client_version, load_genesis, rpc_limits, rpc_listener
from zg_node.availability import Availability
from zg_node.clock import SystemClock
from zg_node.config import Settings
from zg_node.consensus.snapshot_sync import SnapshotProgress
from zg_node.consensus.sync import NEAR_BLOCKS
from zg_node.consensus.votes import ValidatorSet
from zg_node.epochs import Standing, ValidatorSets, Voter
from zg_node.errors import InvalidConfig
from zg_node.execution.metrics import ExecutionCollector
from zg_node.joining import is_new, join_by_snapshot
from zg_node.p2p.client import P2pNetwork
from zg_node.peering import Peering, make_network
from zg_node.readiness import LOOK_S, Readiness, Silence
from zg_node.reporter import Reporter
from zg_node.rootaccount import RootAccount
from zg_node.rpc import api
from zg_node.rpc.limits import Listener
from zg_node.rpc.metrics import RpcCollector
from zg_node.rpc.server import RpcServer
from zg_node.shard import Shard, Surroundings, open_shard, thread
from zg_node.types.block import StoredBlock

log = logging.getLogger("zg.node")

OPENING = api.Starting("opening the shards")
LOOKING = api.Starting("joining: looking for a node that offers its state")


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


class Node:
    """A node from `start` to `stop`."""

    def __init__(
        self,
        settings: Settings,
        home: Path,
        *,
        vote_key: bytes | None = None,
        on_block: Callable[[BlockLine], None] | None = None,
        on_join: Callable[[SnapshotProgress], None] = lambda progress: None,
    ) -> None:
        """Without a `vote_key`, the key that a development network's chain file makes public votes, unless there is a
        network to follow: whoever joins one votes with a key of its own."""
        self.settings = settings
        self.home = home
        self.genesis = load_genesis(settings, home)
        self.registry = metrics.new_registry()
        ExecutionCollector(self.registry, lambda: [shard.chain for shard in self._shards])
        self._vote_key = vote_key or (None if settings.p2p.bootstrap else self.genesis.development_vote_key)
        self._on_block = on_block
        self._on_join = on_join
        self._clock = SystemClock()
        self._sets = ValidatorSets(self.genesis)
        self._shards: list[Shard] = []
        self._began: list[int] = []
        """Where each shard stood at the start."""
        self._network: P2pNetwork | None = None
        self._peering: Peering | None = None
        self._account: RootAccount | None = None
        self._availability: Availability | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = asyncio.Event()
        self._readiness = Readiness()
        self._failed = False
        self._servers: list[RpcServer] = []
        """JSON-RPC first, then metrics."""
        self._starting = OPENING

    @property
    def shards(self) -> list[ShardInfo]:
        """Every shard with its JSON-RPC address."""
        return [
            ShardInfo(shard.chain.shard, shard.chain.chain_id, self._url(shard.chain.shard)) for shard in self._shards
        ]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where other nodes reach this one; none when it is alone."""
        return self._network.addresses if self._network is not None else ()

    async def start(self) -> None:
        """Open everything and listen. Raises InvalidConfig, Unavailable, Corrupt; nothing runs then."""
        allocator.bound()
        voter = self._voter()
        loop = asyncio.get_running_loop()
        try:
            if self.settings.p2p.enabled:
                if self._joins(voter):
                    await self._join()
                self._network = make_network(self.settings, self.genesis, self.home, self.registry)
            for index in range(self.settings.network.shards):
                shard = await loop.run_in_executor(None, self._open_shard, index, voter)
                shard.chain.on_head(partial(self._tell, index))
                self._shards.append(shard)
                self._began.append(shard.chain.head.number)
            root = self._shards[0].chain
            account = self._account = RootAccount(root, voter.key.secret if voter else None, thread("root-account"))
            reporter = Reporter(account)
            if voter is not None:
                for shard in self._shards:
                    shard.consensus.on_evidence = reporter.report
            if self.settings.da.enabled:
                self._availability = Availability(
                    self.settings, self.genesis, self.home, root, voter, account, self._network, self.registry
                )
            if self._network is not None:
                self._peering = Peering(self._network, self.genesis, self._sets, self._shards)
                await self._network.start()
            await self._listen()
            self.registry.register(RpcCollector(self._servers[0]))
            if self._availability is not None:
                await self._availability.gateways.start()
            elif self.settings.gateway.any:
                raise InvalidConfig("the gateways need data availability: set da.enabled, or switch them off")
        except BaseException:
            await self._close()
            raise
        for shard in self._shards:
            for work, name in shard.tasks(self.settings):
                self._run(work, name)
        self._run(reporter.run(), "evidence")
        if self._peering is not None:
            self._run(self._peering.sync.run(), "sync")
        if self._availability is not None:
            for work, name in self._availability.tasks():
                self._run(work, name)
        self._judge(voter)
        self._run(self._keep_judging(voter), "readiness")

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
        await self._close()

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _voter(self) -> Voter | None:
        """Who votes here; None for a node that only follows. Raises InvalidConfig when nobody could make blocks."""
        voter = Voter.of(self._vote_key) if self._vote_key is not None else None
        if self.settings.p2p.enabled:
            return voter
        members = self._sets.certain(0)
        if voter is None:
            raise InvalidConfig("no vote key, and no network to follow: see `zg-node start --help`")
        if len(members.validators) > 1:
            raise InvalidConfig("the chain file names several validators: set p2p.enabled, and they find each other")
        if members.index_of(voter.address) is None:
            raise InvalidConfig(f"the vote key of 0x{voter.address.hex()} is not a validator of this network's genesis")
        return voter

    def _joins(self, voter: Voter | None) -> bool:
        """Whether to begin with a snapshot: not where a first validator makes the network's first blocks."""
        founder = voter is not None and self._sets.certain(0).index_of(voter.address) is not None
        p2p = self.settings.p2p
        return p2p.snapshot and bool(p2p.bootstrap) and not founder and is_new(self.home)

    async def _join(self) -> None:
        """Begin with a snapshot, and tell how far it is whoever asks meanwhile."""
        self._starting = LOOKING
        await self._listen()
        await join_by_snapshot(self.settings, self.genesis, self.home, self._tell_join)
        self._starting = OPENING

    def _tell_join(self, progress: SnapshotProgress) -> None:
        if progress.total:
            self._starting = api.Starting(
                f"joining: shard {progress.shard}, the state of block {progress.number}, "
                f"{progress.done} of {progress.total} pieces",
                progress.done,
                progress.total,
            )
        self._on_join(progress)

    def _open_shard(self, index: int, voter: Voter | None) -> Shard:
        around = Surroundings(self._clock, self._network)
        return open_shard(self.settings, self.genesis, self.home, index, self._sets, voter, around)

    async def _listen(self) -> None:
        """Open the JSON-RPC and the metrics listeners; after a join again, to serve the shards from then on."""
        node = api.Node(
            chains=[shard.chain for shard in self._shards],
            client_version=client_version(),
            network=self.genesis.file.name,
            ready=lambda: self._readiness.ready and not self._stopped.is_set(),
            healthy=lambda: not self._stopped.is_set(),
            metrics=lambda: metrics.render(self.registry),
            peers=lambda: len(self._network.peers()) if self._network is not None else 0,
            progress=self._progress,
            addresses=lambda: self.addresses,
            starting=lambda: self._starting,
            da=self._availability.service if self._availability is not None else None,
            da_from_anywhere=self.settings.da.put_from_anywhere,
        )
        scrape = self.settings.metrics
        limits = rpc_limits(self.settings)
        listeners = [rpc_listener(self.settings)]
        if scrape.enabled:
            listeners.append(Listener(scrape.host, scrape.port, rpc=False, metrics=True))
        for place, listener in enumerate(listeners):
            server = RpcServer(node, limits, listener)
            if place < len(self._servers):
                earlier, self._servers[place] = self._servers[place], server
                await server.succeed(earlier)
            else:
                self._servers.append(server)
                await server.start()

    # ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, work: Coroutine[None, None, None], name: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    async def _keep_judging(self, voter: Voter | None) -> None:
        """Look every now and then, and tell the operator what has changed."""
        loop, bootstrap = asyncio.get_running_loop(), self.settings.p2p.bootstrap
        silence = Silence(loop.time())
        standing = Standing(self._sets, voter) if voter is not None else None
        while True:
            await asyncio.sleep(LOOK_S)
            self._judge(voter)
            if self._network is not None and bootstrap and silence.look(len(self._network.peers()), loop.time()):
                log.warning("no peer answers: is %s right and reachable?", " or ".join(bootstrap))
            if standing is not None and self._readiness.ready:
                root = self._shards[0].consensus
                standing.look(root.epoch, votes=root.instance.index is not None)

    def _judge(self, voter: Voter | None) -> None:
        """Whether the node follows the network, now."""
        shards = self._peering.sync.progress() if self._peering is not None else ()
        if self._readiness.look(shards, self._is_quorum(voter), asyncio.get_running_loop().time()):
            heights = " ".join(f"shard={shard.shard} height={shard.done} target={shard.target}" for shard in shards)
            log.info("ready=%s %s", self._readiness.ready, heights)

    def _is_quorum(self, voter: Voter | None) -> bool:
        """Whether this node needs nobody else to make blocks, on any shard."""
        if voter is None:
            return False
        sets = [self._sets.of(shard.chain.head.consensus.epoch) for shard in self._shards]
        return all(members is not None and is_quorum(members, voter.address) for members in sets)

    def _progress(self, shard: int) -> api.Progress | None:
        if self._peering is None:
            return None
        progress = self._peering.sync.progress()[shard]
        if not progress.syncing and progress.target - progress.done <= NEAR_BLOCKS:
            return None
        return api.Progress(self._began[shard], progress.done, progress.target, progress.blocks_per_s)

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
        if self._peering is not None:
            self._peering.close()
        if self._network is not None:
            await self._network.stop()
        availability, self._availability = self._availability, None
        if availability is not None:
            await availability.close()
        account, self._account = self._account, None
        if account is not None:
            account.close()
        shards, self._shards = self._shards, []
        for shard in shards:
            await asyncio.get_running_loop().run_in_executor(None, partial(shard.close, write=not self._failed))


def is_quorum(members: ValidatorSet, address: bytes) -> bool:
    """Whether this validator's stake makes a certificate alone."""
    index = members.index_of(address)
    return index is not None and members.stake(index) >= members.quorum


def first_cause(error: BaseException) -> BaseException:
    """The first exception inside nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
