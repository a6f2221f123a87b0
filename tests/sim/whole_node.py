"""Whole-node schedules: what a node is made of, on a virtual loop, network and disk, with the native engine.

plan ─▶ World ─▶ per node: open_shard, Peering      on one MemoryHub and one VirtualLoop
                             │ block log, vote log: virtual disk   LevelDB: a directory in memory
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from tests.sim import genesis, toy
from tests.sim.attackers import ATTACKERS
from tests.sim.attackers.attacker import PACE_S, Means
from tests.sim.faults import inflict
from tests.sim.invariants import Member, Monitor, Violation
from tests.sim.ledger import check_ledger
from tests.sim.liars import LIARS
from tests.sim.loop import Stuck, VirtualLoop
from tests.sim.network import Links
from tests.sim.node import WholeNode, number_of
from tests.sim.outcome import Outcome
from tests.sim.plan import Plan
from tests.sim.stakeholders import Stakeholders
from tests.sim.tap import MemoisedVerifier, decode, verify_reveal
from tests.sim.trace import Trace
from zg_node import _core
from zg_node.config import ConsensusSettings, NetworkSettings, Settings, StateSettings
from zg_node.consensus import service, wire
from zg_node.consensus.messages import Domain
from zg_node.consensus.votes import address_of
from zg_node.epochs import ValidatorSets
from zg_node.p2p.memory import MemoryHub

HEALED_HEIGHTS = 3
HEALED_WITHIN_S = 60.0
"""Virtual seconds from the last fault's end until so many more blocks are final on every honest node."""
LOOK_S = 0.02
SUBMIT_S = 0.05
AMNESIA_S = (0.3, 1.5)
MEMORY = Path("/dev/shm")
SETTINGS = Settings(
    state=StateSettings(flush_interval_s=1, cache_mb=8),
    consensus=ConsensusSettings(delta_ms=60, heartbeat_ms=250, min_interval_ms=5),
)


class World:
    """One schedule, from its plan to its outcome."""

    def __init__(self, plan: Plan, home: Path, *, keep_trace: bool = False) -> None:
        self.plan = plan
        self.home = home
        rng = Random(f"world {plan.seed}")
        self.loop = VirtualLoop()
        self.scheduler = self.loop
        self.trace = Trace(keep=keep_trace)
        self.links = Links(Random(rng.getrandbits(64)))
        self.genesis = genesis.network(plan.stakes, plan.epoch_blocks)
        self.settings = SETTINGS.model_copy(update={"network": NetworkSettings(shards=plan.shards)})
        self.verify = MemoisedVerifier()
        self.hub = MemoryHub(self.loop.call_later, self._link)
        self.violation: str | None = None
        self._rng = Random(rng.getrandbits(64))
        self._keys = (*genesis.keys(len(plan.stakes)), *genesis.guest_keys(len(plan.guests)))
        self._numbers = {address_of(key.public_key): number for number, key in enumerate(self._keys)}
        self._members: dict[int, tuple[Member, ...]] = {}
        self.monitors = [Monitor(self._sets, plan.faulty) for _ in range(plan.shards)]
        self.overrun: int | None = None
        """The first epoch in whose set the faulty hold a third or more, once a node is there."""
        bent = dict(plan.attackers)
        self.nodes = [self._node(number, bent.get(number), rng) for number in range(plan.nodes)]
        self.twins = [
            self._node(number, name, rng, copy=1) for number, name in plan.attackers if ATTACKERS[name].copies > 1
        ]
        secrets = [key.secret for key in self._keys]
        self.people = Stakeholders(self.genesis, secrets, self.nodes, Random(rng.getrandbits(64)))

    def run(self) -> Outcome:
        """Play the schedule to its end."""
        self.loop.set_exception_handler(self._on_error)
        try:
            self.loop.run_until_complete(self._play())
        except (Violation, Stuck) as error:
            self.fail(str(error))
        finally:
            for node in (*self.nodes, *self.twins):
                node.kill(power=False)
            self.loop.run_until_complete(asyncio.sleep(0.001))
            self.loop.close()
        now = self.loop.time()
        return Outcome(
            plan=self.plan,
            violation=self.violation,
            digest=self.trace.digest(),
            trace=self.trace.lines,
            height=min(monitor.heights.get(n, 0) for monitor in self.monitors for n in self.plan.honest),
            virtual_s=now,
            after_heal_s=now - self.plan.heal_s,
            views_held=max(monitor.views_held for monitor in self.monitors),
            sets=len(set(self._members.values())),
            overrun=self.overrun,
        )

    def fail(self, violation: str) -> None:
        """The first violation ends the schedule, unless nothing is promised any more."""
        self._look_for_overrun()
        if self.violation is None and self.overrun is None:
            self.violation = violation

    @property
    def faulty(self) -> frozenset[int]:
        """Nodes from which nothing can be asked."""
        return self.plan.faulty

    async def _play(self) -> None:
        for guest in self.plan.guests:
            node = self.nodes[guest.number]
            node.absent, node.by_snapshot = True, guest.by_snapshot
            self.loop.call_later(guest.comes_at_s, self._set_up, node)
        for node in (*self.nodes, *self.twins):
            node.start()
            if node.attackers:
                self.loop.call_later(PACE_S, self._babble, node)
                if node.attackers[0].forgets:
                    self.loop.call_later(self._rng.uniform(*AMNESIA_S), self._forget, node)
        for fault in self.plan.faults:
            inflict(self, fault)
        tasks = [self.loop.create_task(self._load())]
        if self.plan.moves:
            people = self.people
            tasks += map(self.loop.create_task, (people.move(self.plan.moves), people.send(), people.unjail()))
        await self._until(lambda: False, self.plan.heal_s)
        self.links.calm()
        for number in self.plan.honest:
            self.nodes[number].start()
        reached = max(max(monitor.final, default=0) for monitor in self.monitors)
        target = max(self.plan.heights, reached + HEALED_HEIGHTS)
        healed = await self._until(lambda: self._height() >= target, self.plan.heal_s + HEALED_WITHIN_S)
        for task in tasks:
            task.cancel()
        if self.violation is not None or self.overrun is not None:
            return
        if not healed:
            heights = {number: self.nodes[number].height for number in self.plan.honest}
            raise Violation(f"no finality {HEALED_WITHIN_S:.0f} s after the last fault: {heights}, wanted {target}")
        for number in self.plan.honest:
            for shard in self.nodes[number].shards:
                check_ledger(shard.chain, self.genesis)
            self._check_unpunished(number)

    async def _until(self, done: Callable[[], bool], deadline: float) -> bool:
        """Look again and again until `done`, a violation, the deadline, or until nothing is promised any more."""
        while not done() and self.violation is None and self.overrun is None and self.loop.time() < deadline:
            await asyncio.sleep(LOOK_S)  # virtual time: looking again costs nothing
            if self.violation is None:
                self._look_for_overrun()
        return done()

    def _look_for_overrun(self) -> None:
        """Honest validators that went to jail may leave the faulty with too much of what remains."""
        for epoch in {node.epoch(shard) for node in self.nodes for shard in range(self.plan.shards) if node.up}:
            members = self._sets(epoch)
            faulty = sum(member.stake for member in members if member.node in self.faulty)
            if 3 * faulty >= sum(member.stake for member in members) > 0:
                self.overrun = epoch

    def _check_unpunished(self, number: int) -> None:
        """Nobody slashed an honest validator."""
        root = self.nodes[number].root
        assert root is not None, "every honest node has reached the last height"
        for honest in self.plan.honest:
            info = self.people.info(root, honest)
            if info is not None and info.tombstoned:
                raise Violation(f"n{number}'s chain has honest node {honest} slashed")

    def _height(self) -> int:
        return min(self.nodes[number].height for number in self.plan.honest)

    async def _load(self) -> None:
        """Clients: transfers to any node that is up, each sender's in the order of their nonces."""
        waiting = [list(transfers) for transfers in genesis.transfers()]
        while any(waiting):
            await asyncio.sleep(self._rng.uniform(0.2, 1.8) * SUBMIT_S)
            node, sender = self._rng.choice(self.nodes), self._rng.choice([s for s in waiting if s])
            if node.submit(sender[0]):
                del sender[0]

    # ── what nodes find around them ─────────────────────────────────────────────────────────────────────────────────

    def _link(self, source: str, target: str, size: int) -> list[float]:
        return self.links.delays(number_of(source), number_of(target), self.loop.time())

    def _sets(self, epoch: int) -> Sequence[Member]:
        """The members of an epoch, as any node knows them."""
        if epoch not in self._members:
            known = [ValidatorSets(self.genesis), *(n.sets for n in self.nodes if n.sets is not None)]
            found = next((members for sets in known if (members := sets.of(epoch)) is not None), None)
            if found is None:
                return ()
            self._members[epoch] = tuple(Member(self._numbers[v.address], v.stake) for v in found.validators)
        return self._members[epoch]

    # ── nodes ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _node(self, number: int, attacker: str | None, rng: Random, copy: int = 0) -> WholeNode:
        peer_id = f"{number}.{copy}" if copy else str(number)
        bent = []
        if attacker is not None:
            every = range(self.plan.shards)
            bent = [ATTACKERS[attacker](self._means(number, copy, s, Random(rng.getrandbits(64)))) for s in every]
        lie = dict(self.plan.liars).get(number)
        liar = LIARS[lie](Random(rng.getrandbits(64))) if lie is not None else None
        return WholeNode(self, number, peer_id, self._keys[number].secret, Random(rng.getrandbits(64)), bent, liar)

    def _means(self, number: int, copy: int, shard: int, rng: Random) -> Means:
        key = self._keys[number]
        return Means(
            number=number,
            copy=copy,
            place=lambda: self._place(number, shard),
            stakes=lambda: {member.node: member.stake for member in self._sets(self.nodes[number].epoch(shard))},
            peers=tuple(n for n in range(self.plan.nodes) if n != number),
            rng=rng,
            sign=lambda digest: key.sign_recoverable(digest, hasher=None),
            leads=lambda view: self._leads(number, shard, view),
            child=lambda parent_hash, view: self.nodes[number].child(shard, parent_hash, view),
            spoilt=toy.spoil,
            ended=lambda block: toy.end(block, shard, self.plan.epoch_blocks),
        )

    def _place(self, number: int, shard: int) -> tuple[Domain, int]:
        """What the node's votes are bound to now, and its place in the set; its old one when it has none."""
        epoch = self.nodes[number].epoch(shard)
        domain = Domain(self.genesis.network, self.genesis.chain_id(shard), epoch)
        places = [place for place, member in enumerate(self._sets(epoch)) if member.node == number]
        return domain, places[0] if places else number

    def _leads(self, number: int, shard: int, view: int) -> bool:
        """Whether a node leads a view of the epoch that it is in."""
        sets, address = self.nodes[number].sets, address_of(self._keys[number].public_key)
        members = sets.of(self.nodes[number].epoch(shard)) if sets is not None else None
        return members is not None and members.validators[members.leader(view)].address == address

    def _babble(self, node: WholeNode) -> None:
        node.babble()
        self.loop.call_later(PACE_S, self._babble, node)

    def _set_up(self, node: WholeNode) -> None:
        node.absent = False
        node.start()

    def _forget(self, node: WholeNode) -> None:
        self.trace.add(self.loop.time(), node.name, "forgets everything")
        node.kill(power=False)
        node.wipe()
        node.start()
        self.loop.call_later(self._rng.uniform(*AMNESIA_S), self._forget, node)

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.fail(str(error) if isinstance(error, Violation) else f"{context['message']}: {error!r}")


def run(plan: Plan, *, keep_trace: bool = False) -> Outcome:
    """Play one schedule. Even seeds have slow disks: their votes are written by a thread. What a stage of a block costs
    is not measured: a clock of the system takes longer than many a callback."""
    here_ms = service.SYNC_HERE_MS if plan.seed % 2 else 0.0
    memory = MEMORY if MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="zg-sim-", dir=memory) as home,
        mock.patch.object(service, "SYNC_HERE_MS", here_ms),
        mock.patch.object(wire, "decode", decode),
        mock.patch.object(_core, "vrf_verify", verify_reveal),
        mock.patch("zg_node.execution.service.thread_time", float),
    ):
        return World(plan, Path(home), keep_trace=keep_trace).run()
