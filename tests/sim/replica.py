"""A validator of a consensus-only schedule: the real instance, vote log and block log; toy blocks, toy keys.

    event ─▶ inbox ─▶ Simplex.step ─▶ vote log (sync) ─▶ effects, in order ─▶ links
                                            └── the power may go anywhere along the way

It does what the node's shell does, callback by callback, so that a schedule costs milliseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, assert_never

from tests.sim import toy
from tests.sim.attackers.attacker import Attacker, Message
from tests.sim.clock import NodeClock
from tests.sim.disk import VirtualDisk
from tests.sim.invariants import Violation
from tests.sim.loop import PowerCut
from tests.sim.surroundings import Surroundings
from tests.sim.timeline import Call
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
    Persist,
    Propose,
    Proposed,
    Received,
    Report,
    Send,
    SetTimer,
    Spread,
    Started,
    Synced,
    TimedOut,
    Timeouts,
)
from zg_node.consensus.messages import Certificate, Domain
from zg_node.consensus.relay import Relay
from zg_node.consensus.simplex import Simplex
from zg_node.consensus.votes import Signer
from zg_node.consensus.wal import Identity, VoteLog
from zg_node.db.log import BlockLog, BlockRecord
from zg_node.errors import Corrupt, InvalidBlock, InvalidMessage
from zg_node.types.block import Block, StoredBlock

HOME = Path("/home")
TIMEOUTS = Timeouts(delta_ms=60, timeout_max_ms=1000, skip_timeout_ms=200, standstill_ms=200, fetch_ms=20)
"""Of a network with delays below 10 ms."""
SYNC_S = (0.0001, 0.002)
EXECUTE_S = (0.0005, 0.004)
PACE_S = (0.01, 0.12)
"""How long after a view began a block is due."""
INBOX_MAX = 4096


@dataclass(slots=True)
class _Process:
    """What dies with the process."""

    instance: Simplex
    ledger: toy.Ledger
    votes: VoteLog
    log: BlockLog
    inbox: deque[Event]
    relay: Relay = field(default_factory=Relay)
    busy: bool = False
    awaited_view: int = -1
    timer: Call | None = None
    due: Call | None = None


class Replica:
    """One machine with a validator's key. Satisfies what faults ask of a machine."""

    def __init__(
        self, world: Surroundings, number: int, index: int, signer: Signer, rng: Random, attacker: Attacker | None
    ) -> None:
        self.number = number
        self.index = index
        self.attacker = attacker
        self.disk = VirtualDisk(Random(rng.getrandbits(64)))
        self.clock = NodeClock(world.scheduler)
        self.slowness_s = 0.0
        self.diverging = False
        self.broken = False
        """Whether it will not start again without an operator."""
        self.moved_s = 0.0  # when its chain last grew
        self.name = f"n{number}"
        self._world = world
        self._signer = signer
        self._rng = rng
        self._process: _Process | None = None
        self._paused_until = 0.0

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def up(self) -> bool:
        return self._process is not None

    @property
    def height(self) -> int:
        """Of the last final block while the node runs; -1 while it does not."""
        return self._process.ledger.head.number if self._process else -1

    @property
    def epoch(self) -> int:
        """Of the running instance; 0 while there is none."""
        return self._process.instance.domain.epoch if self._process else 0

    def start(self) -> None:
        if self.up or self.broken:
            return
        try:
            self._process = self._open()
        except PowerCut:
            self.disk.power_cut()
            self._say("dies while it starts")
        except OSError as error:
            self._say(f"cannot start: {error.strerror}")
        except Corrupt as error:
            self.broken = True
            self._say(f"refuses to start: {error}")
            if self.number not in self._world.monitor.faulty:
                raise Violation(f"{self.name} found its logs corrupt, and its disk is sound: {error}") from error
        else:
            self._say(f"starts at height {self.height}")
            self._world.monitor.restarted(self.number, self._process.ledger.final)
            self._put(Started())

    def kill(self, *, power: bool) -> None:
        if self._process is not None:
            self._say("loses power" if power else "is killed")
            for call in (self._process.timer, self._process.due):
                if call is not None:
                    call.cancel()
        self._process = None
        if power:
            self.disk.power_cut()

    def pause(self, seconds: float) -> None:
        self._paused_until = self._world.scheduler.time() + seconds
        self._later(seconds, self._work)

    def _open(self) -> _Process:
        ledger = toy.Ledger(toy.genesis(self._world.members.hash()), self._world.epochs)
        log = BlockLog(HOME / "log", self.disk)
        for record in log.replay():
            stored = record.block
            block = Block(stored.header, stored.consensus, stored.body)
            ledger.execute(block, None)
            ledger.commit(block, stored.certificate)
        identity = Identity(toy.NETWORK, toy.CHAIN_ID, toy.address(self.index))
        votes = VoteLog(HOME / "votes", HOME / "voters", identity, self.disk)
        return _Process(self._instance(ledger, votes), ledger, votes, log, deque())

    def _instance(self, ledger: toy.Ledger, votes: VoteLog) -> Simplex:
        """The instance that goes on from the ledger's head."""
        world, head = self._world, ledger.head
        epoch = world.epochs.epoch_after(head.number, head.consensus)
        restored = votes.restored(epoch, head.consensus.view, head.number, head.hash)
        if head.certificate:
            restored = replace(restored, certificate=Certificate.decode(head.certificate))
        domain = Domain(toy.NETWORK, toy.CHAIN_ID, epoch)
        return Simplex(
            *(world.members, domain, self._signer, TIMEOUTS, restored, world.epochs.is_last),
            verifier=world.verify,
            check_body=toy.check_body,
        )

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, message: Message, sender: int, copy: int = 0) -> None:
        """A message of the sender's machine number `copy` arrives."""
        if self.attacker is not None:
            if not self.attacker.hears(sender, copy):
                return
            self._world.blurt(self, self.attacker.overhear(message))
        if self._process is not None:
            self._process.relay.heard(str(sender), message)
        self._put(Received(message, str(sender)))

    def find(self, block_hash: bytes) -> Block | None:
        """A block for who asks."""
        process = self._process
        return None if process is None else process.instance.block(block_hash) or process.ledger.find(block_hash)

    def final_after(self, number: int) -> tuple[StoredBlock, ...]:
        """The final blocks above a height."""
        return tuple(self._process.ledger.final[number + 1 :]) if self._process else ()

    def fetched(self, block: Block) -> None:
        """The answer to a fetch."""
        self._put(Fetched(block))

    def synced(self, blocks: Sequence[StoredBlock]) -> None:
        """The answer to catching up: blocks that another node has as final, with its certificates."""
        process = self._process
        if process is None or process.busy:
            return
        ledger, fresh = process.ledger, [b for b in blocks if b.number > process.ledger.head.number]
        members, verifier = self._world.members, self._world.verify
        last = max((i for i, b in enumerate(fresh) if toy.certified(b, members, verifier)), default=-1)
        if last < 0 or fresh[0].header.parent_hash != ledger.head.hash:
            return
        try:
            for stored in fresh[: last + 1]:
                block = Block(stored.header, stored.consensus, stored.body)
                ledger.execute(block, None)
                self._commit(process, block, stored.certificate)
                self._world.monitor.appended(self.number, block.number, block.hash, block.header.parent_hash)
        except (PowerCut, OSError) as error:
            self.kill(power=isinstance(error, PowerCut))
            return
        self._say(f"catches up to {ledger.head.number}")
        if self._world.epochs.epoch_after(ledger.head.number, ledger.head.consensus) != process.instance.domain.epoch:
            self._begin_epoch(process)
        else:
            self._put(Synced(ledger.head.consensus.view, ledger.head.number, ledger.head.hash))

    def _put(self, event: Event) -> None:
        process = self._process
        if process is not None and len(process.inbox) < INBOX_MAX:
            process.inbox.append(event)
            self._work()

    def _work(self) -> None:
        """Take events from the inbox until it is empty, or a step has to wait for the disk."""
        process = self._process
        while process is not None and process.inbox and not process.busy:
            if self._world.scheduler.time() < self._paused_until:
                return
            self._step(process, process.inbox.popleft())
            process = self._process

    def _step(self, process: _Process, event: Event) -> None:
        try:
            effects = process.instance.step(event, self.clock.monotonic_ms())
        except InvalidMessage as error:
            self._say(f"refuses: {error}")
            return
        self._world.monitor.holds(self.number, process.instance)
        if any(isinstance(effect, Persist | Commit) for effect in effects):
            process.busy = True
            self._later(self._rng.uniform(*SYNC_S), self._resume, process, effects)
        else:
            self._perform(process, effects)

    def _resume(self, process: _Process, effects: list[Effect]) -> None:
        """The disk's turn has come; then the inbox's."""
        process.busy = False
        self._perform(process, effects)
        self._work()

    def _perform(self, process: _Process, effects: list[Effect]) -> None:
        if process is not self._process:
            return
        try:
            persists = [effect for effect in effects if isinstance(effect, Persist)]
            if persists:
                head = process.ledger.head.consensus
                process.votes.append(persists, head.epoch, head.view)
            for effect in effects:
                self._effect(process, effect)
        except PowerCut:
            self.kill(power=True)
            return
        except OSError as error:
            self._say(f"stops: {error.strerror}")
            self.kill(power=False)
            return
        self._schedule(process)

    def _effect(self, process: _Process, effect: Effect) -> None:
        match effect:
            case Persist():
                pass  # done before everything else of the step
            case Broadcast(message):
                self._world.transmit(self, message)
            case Spread(certificate):
                at_ms = process.relay.add(certificate, self.clock.monotonic_ms())
                self._later(at_ms / 1000 - self._world.scheduler.time(), self._spread, process)
            case Send(peer, message):
                self._world.transmit(self, message, int(peer))
            case SetTimer(at_ms):
                if process.timer is not None:
                    process.timer.cancel()
                delay = at_ms / 1000 - self._world.scheduler.time()
                process.timer = self._later(delay, self._put_in, process, TimedOut())
            case Propose(view, parent_hash):
                self._later(self._work_s(), self._propose, process, view, parent_hash)
            case Execute(block, certified):
                self._later(self._work_s(), self._execute, process, block, certified)
            case Fetch(_, block_hash):
                self._world.fetch(self, block_hash)
            case Behind():
                self._world.catch_up(self)
            case Commit(blocks, certificate):
                fresh = [block for block in blocks if block.number > process.ledger.head.number]
                for block in fresh:
                    self._commit(process, block, certificate.encode())
                if fresh:
                    self._world.monitor.committed(self.number, fresh, certificate)
                    self._say(f"commits {fresh[-1].number} 0x{fresh[-1].hash[:4].hex()}")
            case Report(evidence):
                self._say(f"holds evidence against {evidence.offender}")
                self._world.monitor.reported(self.number, evidence.epoch, evidence.offender)
            case EpochEnded():
                self._begin_epoch(process)
            case Diverged(block):
                self.broken = True
                self._say(f"stops: block {block.number} is final, and invalid here")
                if self.number not in self._world.monitor.faulty:
                    raise Violation(f"{self.name} finds a final block invalid")
                self.kill(power=False)
            case _:
                assert_never(effect)

    def _begin_epoch(self, process: _Process) -> None:
        """The next epoch's instance takes over; what waits in the inbox is for it to judge."""
        process.instance = self._instance(process.ledger, process.votes)
        process.awaited_view = -1
        if process.timer is not None:
            process.timer.cancel()
        process.inbox.appendleft(Started())

    def _propose(self, process: _Process, view: int, parent_hash: bytes) -> None:
        try:
            block = process.ledger.propose(view, parent_hash, self.clock.unix_ms(), self._rng.randbytes(8))
        except InvalidBlock:
            process.awaited_view = -1
            self._put_in(process, Proposed(view, None))
        else:
            self._put_in(process, Proposed(view, block))

    def _execute(self, process: _Process, block: Block, certified: bool) -> None:
        try:
            process.ledger.execute(block, None if certified else self.clock.unix_ms())
            valid = not (self.diverging and block.hash[0] < 128)
        except InvalidBlock as error:
            self._say(f"finds block {block.number} invalid: {error}")
            valid = False
        self._put_in(process, Executed(block.hash, valid))

    def _commit(self, process: _Process, block: Block, certificate: bytes) -> None:
        process.log.append(BlockRecord(toy.stored(block, certificate), b"diff"))
        process.ledger.commit(block, certificate)
        self.moved_s = self._world.scheduler.time()

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _schedule(self, process: _Process) -> None:
        """A block is due some time after a view began."""
        view = process.instance.view
        if process.awaited_view != view and process is self._process:
            process.awaited_view = view
            if process.due is not None:
                process.due.cancel()
            process.due = self._later(self._rng.uniform(*PACE_S), self._put_in, process, Due())

    def _spread(self, process: _Process) -> None:
        """Certificates are due to who has not shown to have them."""
        if process is self._process:
            peers = [str(number) for number in range(len(self._world.members.validators)) if number != self.number]
            for certificate, receivers in process.relay.due(peers, self.clock.monotonic_ms(), votes=True, voters=None):
                for peer in receivers:
                    self._world.transmit(self, certificate, int(peer))

    def _work_s(self) -> float:
        return self._rng.uniform(*EXECUTE_S) + self._rng.random() * self.slowness_s

    def _put_in(self, process: _Process, event: Event) -> None:
        if process is self._process:
            self._put(event)

    def _later(self, delay: float, callback: Callable[..., object], *args: Any) -> Call:
        return self._world.scheduler.call_later(delay, callback, *args)

    def _say(self, what: str) -> None:
        self._world.trace.add(self._world.scheduler.time(), self.name, what)
