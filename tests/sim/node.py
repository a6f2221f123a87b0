"""A node of a whole-node schedule: composed as the composition root does it, with everything virtual below it.

start ─▶ open_shard, Peering ─▶ tasks on the loop
a task ends, or the power goes inside a disk operation ─▶ the process is gone; the directory and the disk stay
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Protocol

from tests.sim.attackers.attacker import Attacker, describe
from tests.sim.clock import NodeClock
from tests.sim.disk import VirtualDisk
from tests.sim.engine import BentEngine
from tests.sim.invariants import Monitor, Violation
from tests.sim.loop import Machine, PowerCut, VirtualLoop
from tests.sim.network import Links
from tests.sim.trace import Trace
from zg_node import _core
from zg_node.config import Settings
from zg_node.consensus import wire
from zg_node.consensus.evidence import Evidence
from zg_node.consensus.messages import Certificate, VoteKind
from zg_node.consensus.simplex import Simplex
from zg_node.consensus.votes import Claim, verify
from zg_node.epochs import ValidatorSets, Voter
from zg_node.errors import Corrupt, InvalidMessage, ZgError
from zg_node.execution.genesis import Genesis
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.peering import Peering
from zg_node.shard import Shard, Surroundings, open_shard
from zg_node.types.block import Block, StoredBlock

JOB_S = (0.0002, 0.003)
CLAIMS_MAX = 20_000


class MemoisedVerifier:
    """The real check of a signature, made once for all nodes of a schedule: it is a pure function."""

    def __init__(self) -> None:
        self._known: dict[Claim, bool] = {}

    def __call__(self, claims: Sequence[Claim]) -> tuple[bool, ...]:
        known = self._known
        if len(known) > CLAIMS_MAX:
            known.clear()
        for claim in claims:
            if claim not in known:
                known[claim] = verify((claim,))[0]
        return tuple(known[claim] for claim in claims)


class World(Protocol):
    """What a node finds around it."""

    loop: VirtualLoop
    trace: Trace
    monitors: list[Monitor]
    """By shard."""
    links: Links
    hub: MemoryHub
    home: Path
    genesis: Genesis
    settings: Settings
    verify: MemoisedVerifier

    @property
    def faulty(self) -> Collection[int]: ...

    def fail(self, violation: str) -> None: ...


class Tap:
    """A node's network as its services see it: what consensus says is told to the monitor, and bent by its attacker."""

    def __init__(self, network: MemoryNetwork, node: WholeNode) -> None:
        self._network = network
        self._node = node
        self.peers = network.peers
        self.publish = network.publish
        self.subscribe = network.subscribe
        self.serve = network.serve
        self.request = network.request
        self.on_peer = network.on_peer
        self.report = network.report
        self.protect = network.protect

    @property
    def peer_id(self) -> str:
        return self._network.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        return self._network.addresses

    def broadcast(self, message: bytes) -> None:
        self._node.said(message)
        for peer in self._network.peers():
            self._node.speak(peer.id, message)

    def send(self, peer: str, message: bytes) -> None:
        self._node.said(message)
        self._node.speak(peer, message)

    def on_direct(self, handler: Callable[[str, bytes], None]) -> None:
        def hear(peer: str, message: bytes) -> None:
            self._node.overhear(message)
            handler(peer, message)

        self._network.on_direct(hear)


@dataclass(slots=True)
class _Process:
    """What dies with the process."""

    shards: list[Shard]
    sets: ValidatorSets
    peering: Peering
    network: MemoryNetwork
    machines: list[Machine]
    tasks: list[asyncio.Task[None]]


class WholeNode:
    """One machine. Satisfies what faults ask of a machine."""

    def __init__(
        self, world: World, number: int, peer_id: str, secret: bytes, rng: Random, attackers: Sequence[Attacker]
    ) -> None:
        """`attackers` has one a shard, or none."""
        self.number = number
        self.attackers = attackers
        self.disk = VirtualDisk(Random(rng.getrandbits(64)))
        self.clock = NodeClock(world.loop)
        self.slowness_s = 0.0
        self.diverging = False
        self.broken = False
        """Whether it will not start again without an operator."""
        self.name = f"n{peer_id}"
        self._peer_id = peer_id
        self._world = world
        self._voter = Voter.of(secret)
        self._rng = rng
        self._home = world.home / self.name
        self._process: _Process | None = None

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def up(self) -> bool:
        return self._process is not None

    @property
    def shards(self) -> Sequence[Shard]:
        """The running shards."""
        return self._process.shards if self._process else ()

    @property
    def sets(self) -> ValidatorSets | None:
        """The validator sets that the running process knows."""
        return self._process.sets if self._process else None

    def epoch(self, shard: int) -> int:
        """Of the shard's running instance; 0 while there is none."""
        return self.shards[shard].consensus.epoch if self.up else 0

    @property
    def height(self) -> int:
        """Of the last final block of the shard that is lowest while the node runs; -1 while it does not."""
        return min((shard.chain.head.number for shard in self.shards), default=-1)

    def start(self) -> None:
        if self.up or self.broken:
            return
        network = self._world.hub.join(self._peer_id)
        machines: list[Machine] = []
        try:
            process = self._open(network, machines)
        except (PowerCut, OSError, ZgError) as error:
            self._world.hub.leave(self._peer_id)
            for machine in machines:
                machine.shutdown()
            self._not_started(error)
            return
        self._process = process
        for index, shard in enumerate(process.shards):
            chain = shard.chain
            self._say(f"starts shard {index} at height {chain.head.number}")
            blocks = [chain.by_number(number) for number in range(chain.head.number + 1)]
            self._world.monitors[index].restarted(self.number, [block for block in blocks if block is not None])
            chain.on_head(partial(self._appended, index))
            shard.consensus.on_evidence = partial(self._convict, index)
        self._run(process, process.peering.sync.run())
        for shard in process.shards:
            for work, _ in shard.tasks(self._world.settings):
                self._run(process, work)

    def _open(self, network: MemoryNetwork, machines: list[Machine]) -> _Process:
        world = self._world
        tap = Tap(network, self)

        def executor(name: str) -> Machine:
            machines.append(
                Machine(self._disk_s if name.endswith(("-votes", "-writer")) else self._job_s, self._lose_power)
            )
            return machines[-1]

        sets = ValidatorSets(world.genesis)
        shards: list[Shard] = []
        try:
            for index in range(len(world.monitors)):
                engine = BentEngine(_core.Engine(world.genesis.chain_id(index)), lambda: self.diverging)
                around = Surroundings(self.clock, tap, self.disk, executor, world.verify, engine)
                shards.append(open_shard(world.settings, world.genesis, self._home, index, sets, self._voter, around))
            peering = Peering(tap, world.genesis, sets, shards)
        except BaseException:
            for shard in shards:
                shard.close(write=False)
            raise
        return _Process(shards, sets, peering, network, machines, [])

    def _not_started(self, error: BaseException) -> None:
        if isinstance(error, PowerCut):
            self.disk.power_cut()
            self._say("dies while it starts")
            return
        self._say(f"does not start: {error}")
        if isinstance(error, ZgError):
            self.broken = True
            if self.number not in self._world.faulty:
                raise Violation(f"{self.name} does not start, and its disk is sound: {error}") from error

    def kill(self, *, power: bool) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._say("loses power" if power else "is killed")
            for machine in process.machines:
                machine.shutdown()
            for task in process.tasks:
                task.cancel()
            process.peering.close()
            self._world.hub.leave(self._peer_id)
            for shard in process.shards:
                shard.close(write=False)
        if power:
            self.disk.power_cut()

    def wipe(self) -> None:
        """An empty disk; the key stays."""
        self.disk.wipe()
        shutil.rmtree(self._home, ignore_errors=True)

    def pause(self, seconds: float) -> None:
        """Its threads stand still, and what was sent to it or by it waits."""
        until = self._world.loop.time() + seconds
        self._world.links.held[self.number] = until
        for machine in self._process.machines if self._process else ():
            machine.free_at = max(machine.free_at, until)

    def _run(self, process: _Process, work: Coroutine[None, None, None]) -> None:
        task = self._world.loop.create_task(work)
        process.tasks.append(task)
        task.add_done_callback(lambda task: self._ended(process, task))

    def _ended(self, process: _Process, task: asyncio.Task[None]) -> None:
        """A service's end is the process's end; a broken invariant is the schedule's."""
        if task.cancelled() or process is not self._process:
            return
        error: BaseException | None = task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, Violation):
            self._world.fail(str(error))
            return
        self._say(f"stops: {type(error).__name__}: {error}")
        self.kill(power=False)
        if isinstance(error, Corrupt):
            self.broken = True
        if not isinstance(error, OSError) and self.number not in self._world.faulty:
            self._world.fail(f"{self.name} stops: {type(error).__name__}: {error}")

    def _lose_power(self) -> None:
        self.kill(power=True)

    def _job_s(self) -> float:
        return self._rng.uniform(*JOB_S) + self._rng.random() * self.slowness_s

    def _disk_s(self) -> float:
        return self._rng.uniform(*JOB_S)

    # ── what it says and hears ──────────────────────────────────────────────────────────────────────────────────────

    def said(self, data: bytes) -> None:
        """Consensus says this, to whomever."""
        shard, message = wire.decode(data)
        self._say(f"sends {describe(message)}" + (f" of shard {shard}" if shard else ""))
        self._world.monitors[shard].said(self.number, message)

    def speak(self, peer: str, data: bytes) -> None:
        """Send to a peer, as this node's attacker bends it."""
        if self._process is None:
            return
        if not self.attackers:
            self._process.network.send(peer, data)
            return
        shard, message = wire.decode(data)
        for bent in self.attackers[shard].bend(message, number_of(peer)):
            self._world.monitors[shard].said(self.number, bent)
            self._process.network.send(peer, wire.encode(shard, bent))

    def babble(self) -> None:
        """What this node's attackers say out of turn."""
        if self._process is None:
            return
        for shard, attacker in enumerate(self.attackers):
            for to, message in attacker.babble():
                self._world.monitors[shard].said(self.number, message)
                self._process.network.send(str(to), wire.encode(shard, message))

    def overhear(self, data: bytes) -> None:
        """Let the attackers know what reached this node."""
        if self.attackers:
            try:
                shard, message = wire.decode(data)
            except InvalidMessage:
                return
            self.attackers[shard].overhear(message)

    def submit(self, raw: str) -> bool:
        """A client sends a transaction; whether the pool took it."""
        if self._process is None:
            return False
        chain = self._process.shards[0].chain
        head = chain.head
        (answer,) = chain.pool.add(
            chain.state, head.number, chain.next_base_fee(), head.header.gas_limit, [raw], chain.now_ms()
        )
        if isinstance(answer, bytes):
            chain.accepted([raw])
        return isinstance(answer, bytes) or "known" in answer[1] or "nonce too low" in answer[1]

    def child(self, shard: int, parent_hash: bytes, view: int) -> Block | None:
        """A block that this node's leader would build a little later; None when it cannot build on the parent."""
        if self._process is None:
            return None
        self.clock.offset_ms += 3
        try:
            return self._process.shards[shard].chain.propose(view, parent_hash, self._voter.address, True)
        except ZgError:
            return None
        finally:
            self.clock.offset_ms -= 3

    # ── what it does ────────────────────────────────────────────────────────────────────────────────────────────────

    def _appended(self, shard: int, block: StoredBlock) -> None:
        self._say(f"commits {block.number} 0x{block.hash[:4].hex()}" + (f" of shard {shard}" if shard else ""))
        certificate = Certificate.decode(block.certificate)
        monitor = self._world.monitors[shard]
        ballot = (certificate.epoch, certificate.view, certificate.block_hash)
        if self.number not in monitor.faulty and not monitor.has_quorum(VoteKind.FINALIZE, *ballot):
            raise Violation(f"{self.name} commits height {block.number} without a quorum of FINALIZE votes")
        monitor.appended(self.number, block.number, block.hash, block.header.parent_hash)
        instance = self.shards[shard].consensus.instance
        assert isinstance(instance, Simplex)
        monitor.holds(self.number, instance)

    def _convict(self, shard: int, evidence: Evidence) -> None:
        self._say(f"holds evidence against {evidence.offender}")
        self._world.monitors[shard].reported(self.number, evidence.epoch, evidence.offender)

    def _say(self, what: str) -> None:
        self._world.trace.add(self._world.loop.time(), self.name, what)


def number_of(peer: str) -> int:
    """The node number in a peer id; twins are "2" and "2.1"."""
    return int(peer.split(".")[0])
