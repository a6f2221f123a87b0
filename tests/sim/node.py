"""A node of a whole-node schedule: composed as the composition root does it, with everything virtual below it.

start ─▶ open_shard, Peering ─▶ tasks on the loop
a task ends, or the power goes inside a disk operation ─▶ the process is gone; the directory and the disk stay
"""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import Collection, Coroutine, Iterable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Protocol

from tests.sim import newcomer
from tests.sim.attackers.attacker import Attacker, Words, describe
from tests.sim.clock import NodeClock
from tests.sim.disk import VirtualDisk
from tests.sim.invariants import Monitor, Violation
from tests.sim.liars.liar import Liar
from tests.sim.loop import PowerCut, VirtualLoop
from tests.sim.network import Links
from tests.sim.process import Hardware, Process, open_process
from tests.sim.tap import MemoisedVerifier, Tap, decode
from tests.sim.trace import Trace
from zg_node.config import Settings
from zg_node.consensus import wire
from zg_node.consensus.evidence import Evidence
from zg_node.consensus.messages import Certificate, VoteKind
from zg_node.consensus.simplex import Simplex
from zg_node.epochs import ValidatorSets, Voter
from zg_node.errors import Corrupt, InvalidMessage, ZgError
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.p2p.network import Offence
from zg_node.reporter import Reporter
from zg_node.shard import Shard
from zg_node.types.block import Block, StoredBlock

HONEST_OFFENCES = (Offence.UNHELPFUL, Offence.FLOOD)
"""What an honest node may be blamed for in bad weather."""


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


class WholeNode:
    """One machine. Satisfies what faults ask of a machine."""

    def __init__(
        self,
        world: World,
        number: int,
        peer_id: str,
        secret: bytes,
        rng: Random,
        attackers: Sequence[Attacker] = (),
        liar: Liar | None = None,
    ) -> None:
        """`attackers` has one a shard, or none."""
        self.number = number
        self.attackers = attackers
        self.absent = False
        """Whether nobody has set it up yet."""
        self.by_snapshot = False
        """Whether its first start is to take over somebody's state."""
        self.disk = VirtualDisk(Random(rng.getrandbits(64)))
        self.clock = NodeClock(world.loop)
        self.slowness_s = 0.0
        self.diverging = False
        self.broken = False
        """Whether it will not start again without an operator."""
        self.name = f"n{peer_id}"
        self._peer_id = peer_id
        self._world = world
        self._rng = rng
        self._liar = liar
        self._home = world.home / self.name
        self._voter = Voter.of(secret)
        self._on = Hardware(
            world.genesis,
            world.settings,
            self._home,
            self._voter,
            self.clock,
            self.disk,
            world.verify,
            rng,
            self._lose_power,
            lambda: self.slowness_s,
            lambda: self.diverging,
        )
        self._process: Process | None = None
        self._joining: asyncio.Task[None] | None = None

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def up(self) -> bool:
        return self._process is not None

    @property
    def shards(self) -> Sequence[Shard]:
        """The running shards."""
        return self._process.shards if self._process else ()

    @property
    def root(self) -> Chain | None:
        """The root shard's chain while the node runs."""
        return self._process.shards[0].chain if self._process else None

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
        if self.up or self.broken or self.absent or self._joining is not None:
            return
        network = self._world.hub.join(self._peer_id)
        if self.by_snapshot and newcomer.is_new(self._home):
            self._joining = self._world.loop.create_task(self._join(network))
            self._joining.add_done_callback(self._joined)
        else:
            self._begin(network)

    def _begin(self, network: MemoryNetwork) -> None:
        try:
            process = open_process(self._on, len(self._world.monitors), network, Tap(network, self, self._liar))
        except (PowerCut, OSError, ZgError) as error:
            self._world.hub.leave(self._peer_id)
            self._not_started(error)
            self._world.loop.call_soon(gc.collect)  # the error's frames hold databases that a dead process would not
            return
        self._process = process
        reporter = Reporter(process.account)
        for index, shard in enumerate(process.shards):
            chain = shard.chain
            self._say(f"starts shard {index} at height {chain.head.number}")
            blocks = [chain.by_number(number) for number in range(chain.head.number + 1)]
            self._world.monitors[index].restarted(self.number, [block for block in blocks if block is not None])
            chain.on_head(partial(self._appended, index))
            shard.consensus.on_evidence = partial(self._convict, index, reporter)
        self._run(process, reporter.run())
        self._run(process, process.peering.sync.run())
        for shard in process.shards:
            for work, _ in shard.tasks(self._world.settings):
                self._run(process, work)

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

    async def _join(self, network: MemoryNetwork) -> None:
        self._say("asks for a snapshot")
        tap = Tap(network, self, None)
        self._say(await newcomer.join(self._world.settings, self._world.genesis, self._home, tap))
        self._world.hub.leave(self._peer_id)
        self._joining = None
        self._begin(self._world.hub.join(self._peer_id))

    def _joined(self, task: asyncio.Task[None]) -> None:
        """What goes wrong while joining."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._world.fail(f"{self.name} cannot join: {type(error).__name__}: {error}")

    def kill(self, *, power: bool) -> None:
        process, self._process = self._process, None
        if self._joining is not None:
            self._say("is killed while it joins")
            self._joining.cancel()
            self._joining = None
            self._world.hub.leave(self._peer_id)
        if process is not None:
            self._say("loses power" if power else "is killed")
            for machine in process.machines:
                machine.shutdown()
            for task in process.tasks:
                task.cancel()
            process.peering.close()
            process.account.close()
            self._world.hub.leave(self._peer_id)
            for shard in process.shards:
                shard.close(write=False)
        if power:
            self.disk.power_cut()
            self._tear_journals()

    def _tear_journals(self) -> None:
        """Nobody syncs a mempool's journal: its end may be gone, or be garbage."""
        for path in sorted(self._home.glob("shard-*/mempool.journal")):
            content = path.read_bytes()
            kept = content[: self._rng.randint(0, len(content))]
            path.write_bytes(kept + self._rng.randbytes(self._rng.choice((0, 0, 9))))

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

    def _run(self, process: Process, work: Coroutine[None, None, None]) -> None:
        task = self._world.loop.create_task(work)
        process.tasks.append(task)
        task.add_done_callback(lambda task: self._ended(process, task))

    def _ended(self, process: Process, task: asyncio.Task[None]) -> None:
        """A service's end is the process's end; a broken invariant is the schedule's."""
        if task.cancelled() or process is not self._process:
            return
        error: BaseException | None = task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, Violation):
            self._world.fail(str(error))
            return
        if isinstance(error, PowerCut):  # while a vote was written on the loop
            self._lose_power()
            return
        self._say(f"stops: {type(error).__name__}: {error}")
        self.kill(power=False)
        if isinstance(error, Corrupt):
            self.broken = True
        if not isinstance(error, OSError) and self.number not in self._world.faulty:
            self._world.fail(f"{self.name} stops: {type(error).__name__}: {error}")

    def _lose_power(self) -> None:
        self.kill(power=True)

    # ── what it says and hears ──────────────────────────────────────────────────────────────────────────────────────

    def said(self, data: bytes) -> None:
        """Consensus says this, to whomever."""
        shard, message = decode(data)
        self._say(f"sends {describe(message)}" + (f" of shard {shard}" if shard else ""))
        self._world.monitors[shard].said(self.number, message)

    def speak(self, peer: str, data: bytes) -> None:
        """Send to a peer, as this node's attacker bends it."""
        if self._process is None:
            return
        if not self.attackers:
            self._process.network.send(peer, data)
            return
        shard, message = decode(data)
        for bent in self.attackers[shard].bend(message, number_of(peer)):
            self._world.monitors[shard].said(self.number, bent)
            self._process.network.send(peer, wire.encode(shard, bent))

    def babble(self) -> None:
        """What this node's attackers say out of turn."""
        for shard, attacker in enumerate(self.attackers):
            self._blurt(shard, attacker.babble())

    def overhear(self, data: bytes) -> None:
        """Let the attackers know what reached this node."""
        if self.attackers:
            try:
                shard, message = decode(data)
            except InvalidMessage:
                return
            self._blurt(shard, self.attackers[shard].overhear(message))

    def _blurt(self, shard: int, words: Iterable[Words]) -> None:
        if self._process is not None:
            for to, message in words:
                self._world.monitors[shard].said(self.number, message)
                self._process.network.send(str(to), wire.encode(shard, message))

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

    def _convict(self, shard: int, reporter: Reporter, evidence: Evidence) -> None:
        self._say(f"holds evidence against {evidence.offender}")
        self._world.monitors[shard].reported(self.number, evidence.epoch, evidence.offender)
        reporter.report(evidence)

    def blames(self, peer: str, offence: Offence) -> None:
        """It takes points of a peer."""
        self._say(f"blames n{peer}: {offence.name}")
        faulty = self._world.faulty
        if offence not in HONEST_OFFENCES and self.number not in faulty and number_of(peer) not in faulty:
            self._world.fail(f"{self.name} blames honest n{peer}: {offence.name}")

    def _say(self, what: str) -> None:
        self._world.trace.add(self._world.loop.time(), self.name, what)


def number_of(peer: str) -> int:
    """The node number in a peer id; twins are "2" and "2.1"."""
    return int(peer.split(".")[0])
