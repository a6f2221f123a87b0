"""The shell of one shard's consensus: performs effects, keeps the timers, and decides when a block is due.

    Network ─▶ receive ─┐                             ┌▶ VoteLog (fdatasync), before anything else of the step
    Due, TimedOut ──────┼─▶ events ─▶ Instance.step ──┼▶ Network.broadcast, send
    Executed, Proposed ─┘                             ├▶ worker: Chain.execute, propose, commit
                                                      └▶ sync: fetch a block, or catch up

One instance an epoch. Everything runs on the event loop but the writes of a slow vote log and what `_in_worker` hands
to the shard's only worker thread, so that a step sees the chain as its events say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Protocol, TypeVar, assert_never

from zg_node.clock import Clock
from zg_node.consensus import wire
from zg_node.consensus.alarm import Alarm
from zg_node.consensus.conduct import Conduct
from zg_node.consensus.evidence import Evidence
from zg_node.consensus.inbox import Inbox
from zg_node.consensus.instance import (
    Behind,
    Broadcast,
    Commit,
    Diverged,
    Due,
    Effect,
    EpochEnded,
    Event,
    Execute,
    Executed,
    Fetch,
    Fetched,
    Instance,
    Message,
    Persist,
    Propose,
    Proposed,
    Received,
    Report,
    Restored,
    Send,
    SetTimer,
    Spread,
    Started,
    Synced,
    TimedOut,
)
from zg_node.consensus.messages import Certificate
from zg_node.consensus.pace import BlockClock, Pace
from zg_node.consensus.relay import Relay, audience
from zg_node.consensus.votes import Claim, Verifier, verify
from zg_node.consensus.wal import VoteLog
from zg_node.errors import BadSignature, Corrupt, InvalidBlock, InvalidMessage, Unavailable
from zg_node.p2p.network import Network
from zg_node.types.block import Block, StoredBlock

log = logging.getLogger("zg.consensus")

T = TypeVar("T")

SYNC_HERE_MS = 3.0
"""While votes are durable sooner than this, they are written on the event loop: a thread takes long to wake on a busy
machine, and the step waits either way. A slower disk holds up nobody but the votes."""
SYNCS_REMEMBERED = 4
"""Over how many of the last votes that is averaged."""
ROOT_WAIT_S = 0.01
"""How long to wait before looking again whether a root block that a proposal imports is final here."""

_NEVER = (-1, -1, -1)


class Chain(Protocol):
    """What consensus needs of execution; all but `waiting` and `announce` run in the shard's worker thread."""

    head: StoredBlock
    shard: int
    poke: Callable[[], None]

    def propose(self, view: int, parent_hash: bytes, coinbase: bytes, allow_empty: bool) -> Block | None: ...

    def execute(self, block: Block, certified: bool = False) -> None: ...

    def commit(self, block_hash: bytes, certificate: bytes) -> StoredBlock: ...

    def waiting(self) -> bool: ...

    def announce(self, block: StoredBlock) -> None: ...


class Epochs(Protocol):
    """Who votes when."""

    def after(self, block: StoredBlock) -> int:
        """The epoch of a final block's children."""
        ...

    def instance(self, epoch: int, restored: Restored) -> Instance:
        """A new instance for `epoch`."""
        ...


class Sync(Protocol):
    """Who fetches what this node has missed."""

    async def fetch(self, view: int, block_hash: bytes) -> Block | None:
        """A block by its hash from any peer; None when nobody has it now."""
        ...

    def nudge(self) -> None:
        """The others are ahead."""
        ...


class ShardConsensus:
    """Runs a shard's instances until cancelled; an exception out of `run` is fatal for the node."""

    def __init__(
        self,
        chain: Chain,
        epochs: Epochs,
        votes: VoteLog | None,
        coinbase: bytes,
        pace: Pace,
        worker: Executor,
        vote_worker: Executor,
        clock: Clock,
        network: Network | None = None,
        verifier: Verifier = verify,
    ) -> None:
        """`votes` is None for a node that only follows, `network` while the validator is alone.

        `worker` is the shard's; votes become durable in `vote_worker`, so that they do not wait for an execution.
        With a network, `sync` is set before `run`."""
        self.sync: Sync | None = None
        self.on_evidence: Callable[[Evidence], None] = lambda evidence: None
        self._chain = chain
        self._epochs = epochs
        self._votes = votes
        self._coinbase = coinbase
        self._worker = worker
        self._vote_worker = vote_worker
        self._clock = clock
        self._network = network
        self._blocks = BlockClock(pace, clock.monotonic_ms())
        self._inbox = Inbox(verifier)
        self._liars: set[str] = set()
        """Peers with a false signature among the events taken last: what else they have said is passed over."""
        self._sync_ms = 0.0
        """What making a vote durable took, of late."""
        self._relay = Relay()
        self._alarm = Alarm(chain.shard, coinbase, clock)
        self._conduct = Conduct(network) if network is not None else None
        self._relay_timer: asyncio.TimerHandle | None = None
        self._view_timer: asyncio.TimerHandle | None = None
        self._due_timer: asyncio.TimerHandle | None = None
        self._view_ms = self._due_ms = 0
        """When they fire."""
        self._tasks = asyncio.TaskGroup()
        self._awaited_view = 0
        self._built_view = 0
        self._scheduled = _NEVER
        """Of what the due time was last made: view, newest notarized view, height."""
        self._fetching: set[bytes] = set()
        self.epoch = epochs.after(chain.head)
        self.instance = epochs.instance(self.epoch, self._restored())
        chain.poke = self.poke

    def _restored(self) -> Restored:
        """Where the chain stands, what proves it, and what this node has signed since."""
        head = self._chain.head
        if self._votes is None:
            restored = Restored(head.consensus.view, head.hash, number=head.number)
        else:
            restored = self._votes.restored(self.epoch, head.consensus.view, head.number, head.hash)
        return replace(restored, certificate=Certificate.decode(head.certificate)) if head.certificate else restored

    # ── what others tell ────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, peer: str, message: Message) -> None:
        """A parsed message from the network; on the event loop."""
        if self._inbox.receive(peer, message):
            self._relay.heard(peer, message)

    async def synced(self, block: StoredBlock) -> None:
        """Sync has committed this block: go on from there."""
        self._inbox.put(Synced(block.consensus.view, block.number, block.hash))

    def encoded_block(self, view: int, block_hash: bytes) -> bytes | None:
        """A block that is not final yet, for a node that has missed it."""
        block = self.instance.block(block_hash)
        return block.encode() if block is not None else None

    def poke(self) -> None:
        """Transactions wait; on the event loop."""
        if self._awaited_view != self.instance.view:
            self._schedule()

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Drive the instance. Raises what makes the node unable to go on."""
        self._blocks.built(self._clock.monotonic_ms())
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._step(Started())
                self._schedule()
                while True:
                    self._liars.clear()
                    for event in await self._inbox.take(self._claims):
                        if self._counts(event):
                            await self._step(event)
                    if self._scheduled != (self.instance.view, self._built_view, self._chain.head.number):
                        self._schedule()
        finally:
            for timer in (self._view_timer, self._due_timer, self._relay_timer):
                if timer is not None:
                    timer.cancel()

    def _counts(self, event: Event) -> bool:
        """Whether an event that has waited is still to be taken."""
        match event:
            case Due():
                return self._awaited_view == self.instance.view
            case Received(sender=sender):
                return sender not in self._liars
        return True

    async def _step(self, event: Event) -> None:
        effects = self._effects(event)
        if self.instance.built_view != self._built_view:
            self._built_view = self.instance.built_view
            self._blocks.built(self._clock.monotonic_ms())
        persists = [effect for effect in effects if isinstance(effect, Persist)]
        if persists:
            await self._persist(persists)
        for effect in effects:
            await self._perform(effect)
        if isinstance(event, Synced) and self._epochs.after(self._chain.head) != self.epoch:
            await self._begin_epoch()

    def _effects(self, event: Event) -> list[Effect]:
        now_ms = self._clock.monotonic_ms()
        if not isinstance(event, Received) or self._conduct is None:
            return self.instance.step(event, now_ms)
        introduces = self._conduct.introduces(event, self.instance.claims)
        try:
            effects = self.instance.step(event, now_ms)
        except InvalidMessage as error:
            log.debug("shard=%d peer=%s %s", self._chain.shard, event.sender, error)
            self._conduct.failed(event, error)
            if isinstance(error, BadSignature):
                self._liars.add(event.sender)
                self._inbox.drop(event.sender)
            return []
        self._conduct.passed(event, effects, introduces=introduces)
        return effects

    def _claims(self, message: Message) -> Sequence[Claim]:
        return self.instance.claims(message)

    async def _persist(self, persists: Sequence[Persist]) -> None:
        assert self._votes is not None, "only a voter has votes"
        head = self._chain.head.consensus
        began_ms = self._clock.monotonic_ms()
        if self._sync_ms < SYNC_HERE_MS:
            self._votes.append(persists, head.epoch, head.view)
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._vote_worker, self._votes.append, persists, head.epoch, head.view)
        self._sync_ms += (self._clock.monotonic_ms() - began_ms - self._sync_ms) / SYNCS_REMEMBERED

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Persist():
                pass  # done before everything else of the step
            case Broadcast(message):
                if self._network is not None:
                    self._broadcast(self._network, message)
            case Spread(certificate):
                if self._network is not None:
                    self._relay_at(self._relay.add(certificate, self._clock.monotonic_ms()))
            case Send(peer, message):
                if self._network is not None:
                    self._network.send(peer, wire.encode(self._chain.shard, message))
            case SetTimer(at_ms):
                self._set_timer(at_ms)
            case Propose(view, parent_hash, awaited):
                self._tasks.create_task(self._propose(view, parent_hash, awaited))
            case Execute(block, certified):
                self._tasks.create_task(self._execute(block, certified))
            case Fetch(view, block_hash):
                if self.sync is not None and block_hash not in self._fetching:
                    self._fetching.add(block_hash)
                    self._tasks.create_task(self._fetch(self.sync.fetch(view, block_hash), block_hash))
            case Commit(blocks, certificate):
                for block in blocks:
                    await self._commit(block, certificate)
            case Behind():
                if self.sync is not None:
                    self.sync.nudge()
            case EpochEnded():
                await self._begin_epoch()
            case Diverged(block):
                raise Corrupt(
                    f"shard {self._chain.shard}: block {block.number} (0x{block.hash.hex()}) is final, and its "
                    "execution fails here: this node's state or program differs from the network's. Check the "
                    "program's version, and run `zg-node db verify`"
                )
            case Report(evidence):
                log.warning(
                    "shard=%d epoch=%d view=%d validator=%d contradicted itself",
                    *(self._chain.shard, evidence.epoch, evidence.view, evidence.offender),
                )
                self.on_evidence(evidence)
            case _:
                assert_never(effect)

    async def _begin_epoch(self) -> None:
        head = self._chain.head
        self.epoch = self._epochs.after(head)
        self.instance = self._epochs.instance(self.epoch, self._restored())
        self._awaited_view, self._scheduled = 0, _NEVER
        if self._conduct is not None:
            self._conduct.begin_epoch()
        log.info("shard=%d epoch=%d begins after height=%d", self._chain.shard, self.epoch, head.number)
        await self._step(Started())

    # ── work ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _propose(self, view: int, parent_hash: bytes, awaited: bool) -> None:
        started = self._clock.monotonic_ms()
        allow_empty = awaited or self._blocks.empty_allowed(started, settled=self._settled())
        block = None
        try:
            block = await self._in_worker(self._chain.propose, view, parent_hash, self._coinbase, allow_empty)
        except Unavailable as error:
            log.debug("shard=%d view=%d nothing proposed: %s", self._chain.shard, view, error)
        if block is None:
            self._blocks.found_nothing(self._clock.monotonic_ms())
            self._awaited_view, self._scheduled = 0, _NEVER
        else:
            self._blocks.prepared(started, self._clock.monotonic_ms())
            self._alarm.proposed(view)
        self._inbox.put(Proposed(view, block))

    async def _execute(self, block: Block, certified: bool) -> None:
        """Execute a block; when it builds on more of the root shard than is final here, as soon as that is."""
        while block.number > self._chain.head.number:
            started = self._clock.monotonic_ms()
            try:
                await self._in_worker(self._chain.execute, block, certified)
            except Unavailable as error:
                log.debug("shard=%d height=%d waits: %s", self._chain.shard, block.number, error)
                await asyncio.sleep(ROOT_WAIT_S)
            except InvalidBlock as error:
                self._alarm.invalid(block, error)
                self._inbox.put(Executed(block.hash, valid=False))
                return
            else:
                self._blocks.prepared(started, self._clock.monotonic_ms())
                self._inbox.put(Executed(block.hash, valid=True))
                return

    async def _fetch(self, fetched: Awaitable[Block | None], block_hash: bytes) -> None:
        try:
            block = await fetched
        finally:
            self._fetching.discard(block_hash)
        if block is not None:
            self._inbox.put(Fetched(block))

    async def _commit(self, block: Block, certificate: Certificate) -> None:
        started = self._clock.monotonic_ms()
        stored = await self._in_worker(_append, self._chain, block, certificate)
        if stored is not None:
            self._blocks.committed(started, self._clock.monotonic_ms())
            self._alarm.final(block)
            self._chain.announce(stored)

    async def _in_worker(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, function, *args)

    # ── who is told what ────────────────────────────────────────────────────────────────────────────────────────────

    def _broadcast(self, network: Network, message: Message) -> None:
        encoded = wire.encode(self._chain.shard, message)
        peers = [peer.id for peer in network.peers()]
        told = audience(message, peers, self._voters(peers))
        if told is None:
            network.broadcast(encoded)
            return
        for peer in told:
            network.send(peer, encoded)

    def _voters(self, peers: Collection[str]) -> Collection[str] | None:
        """The peers that all other validators vote from; see `Conduct.voters`."""
        assert self._conduct is not None, "only in a network is somebody told"
        members, own = self.instance.members.validators, self.instance.index
        return self._conduct.voters([index for index in range(len(members)) if index != own], peers)

    def _relay_at(self, at_ms: int) -> None:
        if self._relay_timer is None:
            self._relay_timer = self._call_at(at_ms, self._relay_due)

    def _relay_due(self) -> None:
        assert self._network is not None, "only a network has somebody to send to"
        self._relay_timer = None
        peers = [peer.id for peer in self._network.peers()]
        votes = self.instance.index is not None
        now_ms = self._clock.monotonic_ms()
        for certificate, receivers in self._relay.due(peers, now_ms, votes=votes, voters=self._voters(peers)):
            message = wire.encode(self._chain.shard, certificate)
            for peer in receivers:
                self._network.send(peer, message)
        next_ms = self._relay.next_ms()
        if next_ms is not None:
            self._relay_at(next_ms)

    # ── timers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _set_timer(self, at_ms: int) -> None:
        if self._view_timer is not None:
            if at_ms == self._view_ms:
                return
            self._view_timer.cancel()
        self._view_ms, self._view_timer = at_ms, self._call_at(at_ms, self._time_out)

    def _time_out(self) -> None:
        self._view_timer = None
        self._inbox.put(TimedOut())

    def _schedule(self) -> None:
        """Set the timer after which a block is due in the current view."""
        self._scheduled = (self.instance.view, self._built_view, self._chain.head.number)
        if self._awaited_view == self.instance.view:
            return
        leads = self.instance.members.leader(self.instance.view) == self.instance.index
        due_ms = self._blocks.due_ms(waiting=self._chain.waiting(), certain=leads or self._settled())
        if self._due_timer is not None:
            if due_ms == self._due_ms:
                return
            self._due_timer.cancel()
        if due_ms <= self._clock.monotonic_ms():
            self._be_due()
        else:
            self._due_ms, self._due_timer = due_ms, self._call_at(due_ms, self._be_due)

    def _settled(self) -> bool:
        """Whether the last notarized block is final here, and its transactions have left the pool."""
        return self.instance.built_view <= self._chain.head.consensus.view

    def _be_due(self) -> None:
        self._due_timer = None
        if self._awaited_view != self.instance.view:
            self._awaited_view = self.instance.view
            self._inbox.put(Due())

    def _call_at(self, at_ms: int, callback: Callable[..., object], *args: object) -> asyncio.TimerHandle:
        delay_s = max(0, at_ms - self._clock.monotonic_ms()) / 1000
        return asyncio.get_running_loop().call_later(delay_s, callback, *args)


def _append(chain: Chain, block: Block, certificate: Certificate) -> StoredBlock | None:
    """Commit a final block; None when sync has done so while this waited for the worker."""
    return chain.commit(block.hash, certificate.encode()) if block.number > chain.head.number else None
