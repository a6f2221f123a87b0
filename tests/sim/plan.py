"""A seed becomes a schedule: who validates, who is faulty and how, what goes wrong when, and when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.sim.attackers import ATTACKERS
from tests.sim.faults import MACHINES, UNSOUND, WEATHER, Fault
from tests.sim.liars import LIARS
from tests.sim.stake import Guest, Move, draw_moves

HEIGHTS = 20
"""A schedule is over when every honest node has finalised this many blocks, and the faults are over."""
EPOCH_BLOCKS = (4, 8)
"""In schedules whose epochs end; the others stay in their first one."""
EPOCHS_MIN = 4
"""Epochs that a schedule goes through when its stake moves."""
ENDLESS = 100_000
"""Blocks of an epoch that ends in no schedule."""
TWO_SHARDS_SHARE = 0.3
HEAL_S = (1.0, 3.0)
KINDS_MIN, KINDS_MAX = 2, 5
SIZES = (4, 4, 4, 4, 5, 6, 7)
ATTACK_SHARE = 0.6
"""How many schedules have faulty nodes."""
AIMED_KINDS = ("asymmetric", "delay", "flapping", "isolation", "kill", "loss", "power cut", "split")
GUESTS_MAX = 2
SNAPSHOT_SHARE = 0.5
"""How many guests begin with somebody's state."""
LIAR_SHARE = 0.4
"""How many schedules with guests have a liar, a guest or a faulty validator."""
ABSENCE_SHARE = 0.2
"""How many schedules whose stake moves have a validator that is away for so long that it goes to jail."""
JAIL_EPOCH_BLOCKS = (12, 14)
"""An epoch long enough to miss what jail is for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided before a schedule begins."""

    seed: int
    stakes: tuple[int, ...]
    epoch_blocks: int
    shards: int
    """Of whole-node schedules."""
    attackers: tuple[tuple[int, str], ...]
    """(node, name)."""
    unsound: frozenset[int]
    """Nodes whose disk or engine is faulty."""
    faults: tuple[Fault, ...]
    heal_s: float
    """When the last fault is over; attackers go on."""
    guests: tuple[Guest, ...] = ()
    """Of whole-node schedules, as everything below."""
    moves: tuple[Move, ...] = ()
    """What happens to the stake."""
    liars: tuple[tuple[int, str], ...] = ()
    """(node, name)."""

    @property
    def nodes(self) -> int:
        """How many there are."""
        return len(self.stakes) + len(self.guests)

    @property
    def faulty(self) -> frozenset[int]:
        """Nodes from which nothing can be asked."""
        return self.unsound | {node for node, _ in (*self.attackers, *self.liars)}

    @property
    def honest(self) -> tuple[int, ...]:
        return tuple(node for node in range(self.nodes) if node not in self.faulty)

    @property
    def heights(self) -> int:
        """How many blocks every honest node must have in the end; enough epochs to see what moves of stake do."""
        return max(HEIGHTS, EPOCHS_MIN * self.epoch_blocks) if self.moves else HEIGHTS

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind of fault and of change in the schedule."""
        found = {fault.kind for fault in self.faults} | {name for _, name in (*self.attackers, *self.liars)}
        found |= {move.kind for move in self.moves}
        return frozenset(found | {"snapshot" for guest in self.guests if guest.by_snapshot})

    def __str__(self) -> str:
        people = [f"{len(self.stakes)} validators, stakes {'/'.join(map(str, self.stakes))}"]
        if self.epoch_blocks != ENDLESS:
            people.append(f"epochs of {self.epoch_blocks} blocks")
        if self.shards > 1:
            people.append(f"{self.shards} shards")
        people += [f"node {node}: {name}" for node, name in (*self.attackers, *self.liars)]
        rows = [f"  {row}" for row in (*self.faults, *self.guests, *self.moves)]
        return "\n".join([f"seed {self.seed}: {'; '.join(people)}", *rows])


def draw(seed: int, kinds: Sequence[str] | None = None, attackers: Sequence[str] | None = None) -> Plan:
    """The schedule of `seed`. `kinds` and `attackers` narrow what is drawn from; an empty `attackers` draws none, other
    ones are there for certain."""
    rng = Random(f"schedule {seed}")
    stakes = _stakes(rng)
    epoch_blocks = rng.randint(*EPOCH_BLOCKS) if rng.random() < 0.5 else ENDLESS
    share = ATTACK_SHARE if attackers is None else float(bool(attackers))
    chosen = _faulty(rng, stakes) if rng.random() < share else ()
    shards = 2 if rng.random() < TWO_SHARDS_SHARE else 1
    names = sorted(ATTACKERS) if attackers is None else list(attackers)
    bent: list[tuple[int, str]] = []
    unsound: dict[int, str] = {}
    for node in chosen:
        if attackers is None and rng.random() < 0.3:
            unsound[node] = rng.choice(sorted(UNSOUND))
        else:
            bent.append((node, rng.choice(names)))
    heal_s = rng.uniform(*HEAL_S)
    pool = sorted({**WEATHER, **MACHINES}) if kinds is None else list(kinds)
    count = rng.randint(KINDS_MIN, KINDS_MAX)
    drawn = rng.sample(pool, min(count, len(pool)))
    faults = list(_windows(rng, drawn, heal_s, range(len(stakes)), 0))
    for node, kind in unsound.items():
        faults += _windows(rng, [kind], heal_s, [node], len(faults))
    return Plan(seed, stakes, epoch_blocks, shards, tuple(bent), frozenset(unsound), tuple(faults), heal_s)


def draw_aimed(seed: int) -> Plan:
    """A schedule with an attacker for certain, each in its turn, and coarse faults: for who has time for a few."""
    names = sorted(ATTACKERS)
    return draw(seed, AIMED_KINDS, (names[seed % len(names)],))


def draw_whole(seed: int, kinds: Sequence[str] | None = None, attackers: Sequence[str] | None = None) -> Plan:
    """The whole-node schedule of `seed`: `draw`'s, and when its epochs end, guests, liars and moves of stake."""
    plan = draw(seed, kinds, attackers)
    if plan.epoch_blocks == ENDLESS:
        return plan
    rng = Random(f"whole node {seed}")
    first = len(plan.stakes)
    guests = tuple(
        Guest(number, rng.uniform(0.0, 0.9) * plan.heal_s, rng.random() < SNAPSHOT_SHARE)
        for number in range(first, first + rng.randint(0, GUESTS_MAX))
    )
    may_lie = [guest.number for guest in guests] + [node for node, _ in plan.attackers]
    liar = rng.choice(may_lie) if guests and rng.random() < LIAR_SHARE else None
    candidates = [guest.number for guest in guests if guest.number != liar and rng.random() < 0.6]
    plan = _absent(rng, plan)
    away = {fault.node for fault in plan.faults if fault.kind == "absence"}
    return replace(
        plan,
        guests=guests,
        moves=draw_moves(rng, plan.stakes, plan.faulty, away, candidates, plan.heal_s),
        liars=() if liar is None else ((liar, rng.choice(sorted(LIARS))),),
    )


def _absent(rng: Random, plan: Plan) -> Plan:
    """In some schedules a validator is away for so long that it goes to jail, and epochs are long enough for that. The
    faulty hold less than a third of the rest."""
    faulty = sum(plan.stakes[node] for node in plan.faulty)
    may_go = [node for node in plan.honest if 3 * faulty < sum(plan.stakes) - plan.stakes[node]]
    if rng.random() >= ABSENCE_SHARE or not may_go:
        return plan
    away = Fault(len(plan.faults), "absence", 0.05, plan.heal_s - 0.05, rng.choice(may_go), rng.getrandbits(32))
    return replace(plan, epoch_blocks=rng.randint(*JAIL_EPOCH_BLOCKS), faults=(*plan.faults, away))


def _stakes(rng: Random) -> tuple[int, ...]:
    count = rng.choice(SIZES)
    if rng.random() < 0.75:
        return (100,) * count
    return tuple(rng.randint(60, 140) for _ in range(count))


def _faulty(rng: Random, stakes: Sequence[int]) -> tuple[int, ...]:
    """Nodes with less than a third of the stake."""
    nodes = list(range(len(stakes)))
    rng.shuffle(nodes)
    chosen: list[int] = []
    for node in nodes:
        if 3 * (sum(stakes[n] for n in chosen) + stakes[node]) < sum(stakes):
            chosen.append(node)
    return tuple(chosen[: rng.randint(1, len(chosen))]) if chosen else ()


def _windows(rng: Random, kinds: Iterable[str], heal_s: float, nodes: Sequence[int], first: int) -> Iterable[Fault]:
    """One to three windows for every kind, over by `heal_s`. Clocks go wrong on one node only: with a quorum of wrong
    clocks the chain's own time would be wrong, and nobody promises anything about that."""
    number, clock = first, rng.choice(nodes)
    for kind in kinds:
        for _ in range(rng.randint(1, 3)):
            begin = rng.uniform(0.02, 0.9) * heal_s
            lasts = rng.uniform(0.02, 1.0) * (heal_s - begin)
            node = clock if kind.startswith("clock") else rng.choice(nodes)
            yield Fault(number, kind, begin, lasts, node, rng.getrandbits(32))
            number += 1
