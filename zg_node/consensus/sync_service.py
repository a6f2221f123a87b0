"""The shell of catching up: asks peers, drives every shard's `ChainSync`, executes and commits what it delivers.

    SyncService   polls the peers' status once for all shards, serves them
    ShardSync     one a shard: Ask ─▶ request ─▶ fetch (checked in a thread) ─▶ event
                                Deliver ─▶ the shard's worker: execute, commit ─▶ head ─▶ consensus, subscribers

Live consensus runs all the time; it commits what it sees, sync what it missed. Both work in the shard's one worker
thread, and each passes over blocks that the other has committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeVar, assert_never

from zg_node.consensus.sync import (
    Answered,
    Ask,
    ChainSync,
    Committed,
    Deliver,
    Diverged,
    Effect,
    Event,
    Failed,
    Gone,
    Heard,
    Lied,
    Penalise,
    Tick,
    Unknown,
)
from zg_node.consensus.sync_messages import (
    PROTOCOL,
    BlocksRequest,
    Request,
    Status,
    StatusRequest,
)
from zg_node.consensus.sync_server import SyncServer
from zg_node.consensus.sync_verify import Fetch, Lie, Rules, Run, Unproven, fetch
from zg_node.errors import Corrupt, InvalidBlock, InvalidMessage, Unavailable
from zg_node.p2p.network import Network, Offence, Peer
from zg_node.types.block import Block, StoredBlock

log = logging.getLogger("zg.sync")

T = TypeVar("T")

ANSWER_TIMEOUT_S = 10.0
STATUS_TIMEOUT_S = 3.0
POLL_S = 1.0
POLLED_MAX = 4
"""Peers that are asked for their status at a time; the others have their turn at the next."""
STEADY_ROUNDS = 4
"""While every shard's head moves, as it does with live consensus, one peer is asked in so many rounds."""
TICK_S = 0.5
RETRY_S = 0.2
"""A block that refers to another shard's future is tried again after this long."""
RELIEF_S = 0.05
RELIEF_MAX_S = 5.0
"""While the databases are behind the log, execution waits for them this long at most before each run."""
RATE_WINDOW_S = 10.0


class SyncedChain(Protocol):
    """What catching up needs of execution; `execute` and `commit` run in the shard's worker thread."""

    shard: int

    @property
    def head(self) -> StoredBlock: ...

    def execute(self, block: Block, *, certified: bool = False) -> None:
        """As a validator does; of a `certified` block the clock is not asked. Raises InvalidBlock, and Unavailable
        while the block refers to what this node does not have yet."""
        ...

    def commit(self, block_hash: bytes, certificate: bytes) -> StoredBlock: ...

    def by_number(self, number: int) -> StoredBlock | None: ...

    def announce(self, block: StoredBlock) -> None: ...

    def checkpoint_due(self) -> bool: ...

    def on_head(self, callback: Callable[[StoredBlock], None]) -> Callable[[], None]: ...


class Follower(Protocol):
    """Live consensus of the same shard."""

    async def synced(self, block: StoredBlock) -> None:
        """The chain's head is `block` now, committed by sync: go on from there."""
        ...


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a shard is, for `zg-node status` and the progress bar."""

    shard: int
    done: int
    """Height of the head."""
    target: int
    """See `ChainSync.target`."""
    blocks_per_s: float
    syncing: bool
    """Whether blocks that are proven final wait to be executed."""
    peers: int
    """Connected peers that have said how far they are."""


class ShardSync:
    """Catching up of one shard, until cancelled; an exception out of `run` is fatal for the node."""

    def __init__(
        self,
        chain: SyncedChain,
        consensus: Follower,
        rules: Rules,
        network: Network,
        worker: Executor,
        verifier: Executor,
    ) -> None:
        """`worker` is the shard's; `verifier` checks answers beside it."""
        self.chain = chain
        self._consensus = consensus
        self._rules = rules
        self._network = network
        self._worker = worker
        self._verifier = verifier
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._runs: asyncio.Queue[Run] = asyncio.Queue()
        self._samples: deque[tuple[float, int]] = deque([(0.0, chain.head.number)])
        self._machine: ChainSync | None = None

    def receive(self, event: Event) -> None:
        """Hand over what a peer said about itself; on the event loop."""
        self._events.put_nowait(event)

    def progress(self) -> SyncProgress:
        """Now."""
        machine, head = self._machine, self.chain.head.number
        (then, height), (now, last) = self._samples[0], self._samples[-1]
        rate = (last - height) / (now - then) if now > then else 0.0
        if machine is None:
            return SyncProgress(self.chain.shard, head, head, rate, False, 0)
        return SyncProgress(self.chain.shard, head, max(machine.target, head), rate, machine.behind > 0, machine.peers)

    @property
    def steady(self) -> bool:
        """See `ChainSync.steady`; not before `run`."""
        return self._machine is not None and self._machine.steady(_ms(asyncio.get_running_loop()))

    async def run(self) -> None:
        """Drive the machine. Raises what makes the node unable to go on."""
        head, rules = self.chain.head, self._rules
        loop = asyncio.get_running_loop()
        self._machine = machine = ChainSync(
            self.chain.shard, _committed(head), lambda epoch: rules.sets(epoch) is not None, _ms(loop)
        )
        unsubscribe = self.chain.on_head(self._on_head)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._execute_runs())
                tasks.create_task(self._tick())
                while True:
                    event = await self._events.get()
                    for effect in machine.step(event, _ms(loop)):
                        self._perform(effect, tasks)
        finally:
            unsubscribe()

    def _perform(self, effect: Effect, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case Ask(peer, request):
                tasks.create_task(self._fetch(peer, request))
            case Deliver(run):
                self._runs.put_nowait(run)
            case Penalise(peer, offence):
                self._network.report(peer, offence)
            case Diverged(number, ours, theirs):
                raise Corrupt(
                    f"shard {self.chain.shard}: block {number - 1} here is 0x{ours.hex()}, the network's is "
                    f"0x{theirs.hex()}, with a proof of finality: keep this data directory as evidence, and begin "
                    "anew with an empty one"
                )
            case _:
                assert_never(effect)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._samples.append((loop.time(), self.chain.head.number))
            while self._samples[0][0] < loop.time() - RATE_WINDOW_S:
                self._samples.popleft()
            self._events.put_nowait(Tick())
            await asyncio.sleep(TICK_S)

    def _on_head(self, block: StoredBlock) -> None:
        self._events.put_nowait(_committed(block))

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _fetch(self, peer: str, request: BlocksRequest) -> None:
        event: Event
        try:
            found = await self._converse(peer, fetch(request, self._rules))
        except Lie as lie:
            log.info("shard=%d peer=%s first=%d lie: %s", request.shard, peer, request.first, lie)
            event = Lied(peer, request.first, lie.offence)
        except InvalidMessage as error:
            log.info("shard=%d peer=%s first=%d malformed: %s", request.shard, peer, request.first, error)
            event = Lied(peer, request.first, Offence.MALFORMED)
        except Unavailable as error:
            log.debug("shard=%d peer=%s first=%d unavailable: %s", request.shard, peer, request.first, error)
            event = Failed(peer, request.first)
        else:
            event = Answered(peer, found) if isinstance(found, Run) else Unknown(peer, request.first, found.epoch)
        self._events.put_nowait(event)

    async def _converse(self, peer: str, steps: Fetch) -> Run | Unproven:
        loop = asyncio.get_running_loop()
        step: Request | Run | Unproven = next(steps)
        while not isinstance(step, Run | Unproven):
            answer = await self._network.request(peer, PROTOCOL, step.encode(), ANSWER_TIMEOUT_S)
            step = await loop.run_in_executor(self._verifier, _advance, steps, answer)
        return step

    # ── executing ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _execute_runs(self) -> None:
        while True:
            run = await self._runs.get()
            await self._relieve()
            for block in run.blocks:
                await self._execute(block, run.certificate)

    async def _execute(self, block: Block, certificate: bytes) -> None:
        loop = asyncio.get_running_loop()
        stored = None
        while True:
            try:
                stored = await loop.run_in_executor(self._worker, _append, self.chain, block, certificate)
                break
            except Unavailable as error:  # the root shard is not there yet
                log.debug("shard=%d height=%d waits: %s", self.chain.shard, block.number, error)
                await asyncio.sleep(RETRY_S)
        if stored is not None:
            await self._consensus.synced(stored)
            self.chain.announce(stored)

    async def _relieve(self) -> None:
        """Let the databases follow, so that what waits in memory stays bounded."""
        waited = 0.0
        while self.chain.checkpoint_due() and waited < RELIEF_MAX_S:
            await asyncio.sleep(RELIEF_S)
            waited += RELIEF_S


class SyncService:
    """One a node: tells every shard's sync what the peers have, and serves the peers."""

    def __init__(
        self, network: Network, network_hash: bytes, shards: Mapping[int, ShardSync], server: SyncServer
    ) -> None:
        """Before the network starts. `network_hash` is the genesis' `network`, 32 bytes."""
        self._network = network
        self._network_hash = network_hash
        self._shards = shards
        self._polling: set[str] = set()
        self._rounds = self._polled = 0
        """Of polling, and turns that peers have had in them."""
        self._tasks = asyncio.TaskGroup()
        self._running = False
        network.serve(PROTOCOL, server.answer)
        network.on_peer(self._on_peer)

    def progress(self) -> tuple[SyncProgress, ...]:
        """Of every shard."""
        return tuple(shard.progress() for shard in self._shards.values())

    def nudge(self) -> None:
        """Ask the peers now: consensus has noticed that it is behind. On the event loop."""
        for peer in self._network.peers():
            self._poll_soon(peer.id)

    async def run(self) -> None:
        """Poll the peers until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            for shard in self._shards.values():
                self._tasks.create_task(shard.run())
            self._running = True
            try:
                while True:
                    self._poll_some()
                    await asyncio.sleep(POLL_S)
            finally:
                self._running = False

    def _poll_some(self) -> None:
        """Ask the peers whose turn it is; all of them where they are few."""
        peers = self._network.peers()
        most = POLLED_MAX
        if all(shard.steady for shard in self._shards.values()):
            most = int(self._rounds % STEADY_ROUNDS == 0)
        self._rounds += 1
        for turn in range(self._polled, self._polled + min(len(peers), most)):
            self._poll_soon(peers[turn % len(peers)].id)
        self._polled += most

    def _on_peer(self, peer: Peer, connected: bool) -> None:
        if connected:
            self._poll_soon(peer.id)
            return
        for shard in self._shards.values():
            shard.receive(Gone(peer.id))

    def _poll_soon(self, peer: str) -> None:
        if self._running and peer not in self._polling:
            self._polling.add(peer)
            self._tasks.create_task(self._poll(peer))

    async def _poll(self, peer: str) -> None:
        question = StatusRequest(self._network_hash).encode()
        try:
            status = Status.decode(await self._network.request(peer, PROTOCOL, question, STATUS_TIMEOUT_S))
            if status.network != self._network_hash:
                raise InvalidMessage("status: another network")
        except Unavailable as error:
            log.debug("peer=%s no status: %s", peer, error)
        except InvalidMessage as error:
            log.info("peer=%s status: %s", peer, error)
            self._network.report(peer, Offence.MALFORMED)
        else:
            if all(connected.id != peer for connected in self._network.peers()):
                return  # nobody would say again that it has left
            for row in status.shards:
                if row.shard in self._shards:
                    self._shards[row.shard].receive(Heard(peer, row.number, row.first))
        finally:
            self._polling.discard(peer)


def _advance(steps: Fetch, answer: bytes) -> Request | Run | Unproven:
    """The next question, or the result. Raises InvalidMessage."""
    try:
        return steps.send(answer)
    except StopIteration as done:
        result: Run | Unproven = done.value
        return result


def _append(chain: SyncedChain, block: Block, certificate: bytes) -> StoredBlock | None:
    """Execute a final block on the head and commit it; None when it is there already. Raises Corrupt, Unavailable."""
    if block.number <= chain.head.number:
        known = chain.by_number(block.number)
        if known is not None and known.hash != block.hash:
            raise Corrupt(f"shard {chain.shard}: block {block.number} was finalised twice, differently")
        return None
    try:
        chain.execute(block, certified=True)
    except InvalidBlock as error:
        raise Corrupt(
            f"shard {chain.shard}: block {block.number} is final, but does not execute here ({error}): this node's "
            "state or program differs from the validators'; run `zg-node db verify`, and upgrade"
        ) from error
    return chain.commit(block.hash, certificate)


def _committed(block: StoredBlock) -> Committed:
    return Committed(block.number, block.hash, block.consensus.epoch)


def _ms(loop: asyncio.AbstractEventLoop) -> int:
    return int(loop.time() * 1000)
