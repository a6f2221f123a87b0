"""Consensus-only schedules: the real machine, vote log and block log of every validator, over toy blocks and toy keys.

plan ─▶ World ─▶ replicas, attackers, faults on one timeline ─▶ Outcome
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from random import Random

from tests.sim import toy
from tests.sim.attackers import ATTACKERS
from tests.sim.attackers.attacker import PACE_S, Attacker, Means, Message, Words, describe
from tests.sim.faults import inflict
from tests.sim.invariants import Member, Monitor, Violation
from tests.sim.network import Links
from tests.sim.outcome import Outcome
from tests.sim.plan import HEIGHTS, Plan
from tests.sim.replica import Replica
from tests.sim.timeline import Endless, Timeline
from tests.sim.trace import Trace
from zg_node.consensus.epoch import Epochs
from zg_node.consensus.messages import Domain
from zg_node.consensus.sync import NEAR_BLOCKS, STUCK_MS
from zg_node.consensus.votes import Signer, Validator, ValidatorSet
from zg_node.types.block import Block

HEALED_HEIGHTS = 3
"""Blocks that must become final after the last fault."""
HEALED_WITHIN_S = 15.0
"""Virtual seconds from the last fault's end until they have."""
AMNESIA_S = (0.2, 1.0)
POLL_S = 0.3


class World:
    """One schedule, from its plan to its outcome."""

    def __init__(
        self, plan: Plan, *, keep_trace: bool = False, attackers: Mapping[str, type[Attacker]] = ATTACKERS
    ) -> None:
        self.plan = plan
        rng = Random(f"world {plan.seed}")
        self.scheduler = Timeline()
        self.trace = Trace(keep=keep_trace)
        self.links = Links(Random(rng.getrandbits(64)))
        self.members = ValidatorSet(tuple(Validator(toy.address(i), s) for i, s in enumerate(plan.stakes)))
        self.epochs = Epochs(0, plan.epoch_blocks)
        self.verify = toy.Notary(len(plan.stakes)).verify
        members = tuple(Member(number, stake) for number, stake in enumerate(plan.stakes))
        self.monitor = Monitor(lambda epoch: members, plan.faulty)
        self._rng = Random(rng.getrandbits(64))
        self._replicas: list[list[Replica]] = []
        """By node number; twins share one."""
        bent = dict(plan.attackers)
        for number in range(len(plan.stakes)):
            kind = attackers[bent[number]] if number in bent else None
            copies = kind.copies if kind else 1
            self._replicas.append([self._replica(number, copy, kind, rng) for copy in range(copies)])
        self.nodes = [replicas[0] for replicas in self._replicas]

    def run(self) -> Outcome:
        """Play the schedule to its end."""
        violation = None
        try:
            self._play()
        except (Violation, Endless) as error:
            violation = str(error)
        except Exception as error:  # noqa: BLE001 - whatever kills a node is a finding
            violation = f"{type(error).__name__}: {error}"
            for line in traceback.format_exc().splitlines():
                self.trace.add(self.scheduler.time(), "error", line)
        now = self.scheduler.time()
        return Outcome(
            plan=self.plan,
            violation=violation,
            digest=self.trace.digest(),
            trace=self.trace.lines,
            height=self._height(),
            virtual_s=now,
            after_heal_s=now - self.plan.heal_s,
            views_held=self.monitor.views_held,
        )

    def _play(self) -> None:
        for replicas in self._replicas:
            for replica in replicas:
                replica.start()
                self.scheduler.call_later(self._rng.random() * POLL_S, self._poll, replica)
                if replica.attacker is not None:
                    self.scheduler.call_later(PACE_S, self._babble, replica)
                    if replica.attacker.forgets:
                        self.scheduler.call_later(self._rng.uniform(*AMNESIA_S), self._forget, replica)
        for fault in self.plan.faults:
            inflict(self, fault)
        self.scheduler.run(lambda: False, self.plan.heal_s)
        self.links.calm()
        for number in self.plan.honest:
            self.nodes[number].start()
        reached = max(self.monitor.final, default=0)
        target = max(HEIGHTS, reached + HEALED_HEIGHTS)
        if not self.scheduler.run(lambda: self._height() >= target, self.plan.heal_s + HEALED_WITHIN_S):
            heights = {number: self.nodes[number].height for number in self.plan.honest}
            raise Violation(f"no finality {HEALED_WITHIN_S:.0f} s after the last fault: {heights}, wanted {target}")

    def _height(self) -> int:
        return min(self.nodes[number].height for number in self.plan.honest)

    # ── what replicas find around them ──────────────────────────────────────────────────────────────────────────────

    def transmit(self, source: Replica, message: Message, to: int | None = None) -> None:
        """Send to one node, or to all others, as the source's attacker bends it."""
        self.monitor.said(source.number, message)
        whom = "" if to is None else f" to n{to}"
        self.trace.add(self.scheduler.time(), source.name, f"sends {describe(message)}{whom}")
        for number in range(len(self._replicas)) if to is None else (to,):
            if number == source.number:
                continue
            if source.attacker is None:
                self._carry(source.number, number, message)
                continue
            for bent in source.attacker.bend(message, number):
                self.monitor.said(source.number, bent)
                self._carry(source.number, number, bent, source.attacker.means.copy)

    def blurt(self, source: Replica, words: Iterable[Words]) -> None:
        """Send what the source's attacker says out of turn."""
        for to, message in words:
            self.monitor.said(source.number, message)
            self._carry(source.number, to, message)

    def fetch(self, asking: Replica, block_hash: bytes) -> None:
        """Ask one of the others for a block."""
        other = self._ask(asking)
        if other is not None:
            self.scheduler.call_later(other[1], self._answer_fetch, asking, other[0], block_hash)

    def catch_up(self, asking: Replica) -> None:
        """Ask one of the others for its final blocks."""
        other = self._ask(asking)
        if other is not None:
            self.scheduler.call_later(other[1], self._answer_sync, asking, other[0])

    def _ask(self, asking: Replica) -> tuple[Replica, float] | None:
        other = self._rng.choice([node for node in self.nodes if node is not asking])
        delays = self._delays(asking, other)
        return (other, delays[0]) if delays else None

    def _poll(self, replica: Replica) -> None:
        """Sync asks the others every now and then how far they are."""
        other = self._rng.choice([node for node in self.nodes if node is not replica])
        gap, stands_s = other.height - replica.height, self.scheduler.time() - replica.moved_s
        if replica.up and (gap > NEAR_BLOCKS or (gap > 0 and stands_s * 1000 >= STUCK_MS)):
            self.catch_up(replica)
        self.scheduler.call_later(POLL_S, self._poll, replica)

    def _delays(self, source: Replica, target: Replica) -> list[float]:
        return self.links.delays(source.number, target.number, self.scheduler.time())

    def _answer_fetch(self, asking: Replica, asked: Replica, block_hash: bytes) -> None:
        block = asked.find(block_hash)
        for delay in self._delays(asked, asking)[:1]:
            if block is not None:
                self.scheduler.call_later(delay, asking.fetched, block)

    def _answer_sync(self, asking: Replica, asked: Replica) -> None:
        blocks = asked.final_after(max(0, asking.height))
        for delay in self._delays(asked, asking)[:1]:
            self.scheduler.call_later(delay, asking.synced, blocks)

    def _carry(self, source: int, target: int, message: Message, copy: int = 0) -> None:
        for delay in self.links.delays(source, target, self.scheduler.time()):
            for replica in self._replicas[target]:
                self.scheduler.call_later(delay, replica.receive, message, source, copy)

    # ── attackers ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _replica(self, number: int, copy: int, kind: type[Attacker] | None, rng: Random) -> Replica:
        attacker = kind(self._means(number, copy, Random(rng.getrandbits(64)))) if kind else None
        signer = Signer(toy.ToyKey(toy.secret(number)), number)
        return Replica(self, number, number, signer, Random(rng.getrandbits(64)), attacker)

    def _means(self, number: int, copy: int, rng: Random) -> Means:
        def child(parent_hash: bytes, view: int) -> Block | None:
            parent = self.nodes[number].find(parent_hash)
            return parent and toy.child(self.epochs, parent, view, 0, rng.randbytes(8))

        return Means(
            number=number,
            copy=copy,
            place=lambda: (Domain(toy.NETWORK, toy.CHAIN_ID, self.nodes[number].epoch), number),
            stakes=lambda: dict(enumerate(self.plan.stakes)),
            peers=tuple(n for n in range(len(self.plan.stakes)) if n != number),
            rng=rng,
            sign=lambda digest: toy.sign(toy.secret(number), digest),
            leads=lambda view: self.members.leader(view) == number,
            child=child,
            spoilt=toy.spoil,
            ended=lambda block: toy.end(block, self.epochs.shard, self.epochs.length),
        )

    def _babble(self, replica: Replica) -> None:
        assert replica.attacker is not None
        self.blurt(replica, replica.attacker.babble())
        self.scheduler.call_later(PACE_S, self._babble, replica)

    def _forget(self, replica: Replica) -> None:
        self.trace.add(self.scheduler.time(), replica.name, "forgets everything")
        replica.kill(power=False)
        replica.disk.wipe()
        replica.start()
        self.scheduler.call_later(self._rng.uniform(*AMNESIA_S), self._forget, replica)


def run(plan: Plan, *, keep_trace: bool = False) -> Outcome:
    """Play one schedule."""
    return World(plan, keep_trace=keep_trace).run()
