"""A seed becomes a schedule: who validates, who is faulty and how, what goes wrong when, and when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from tests.sim.attackers import ATTACKERS
from tests.sim.faults import MACHINES, UNSOUND, WEATHER, Fault

HEIGHTS = 20
"""A schedule is over when every honest node has finalised this many blocks, and the faults are over."""
EPOCH_BLOCKS = (4, 8)
"""In schedules whose epochs end; the others stay in their first one."""
ENDLESS = 100_000
"""Blocks of an epoch that ends in no schedule."""
TWO_SHARDS_SHARE = 0.3
HEAL_S = (1.0, 3.0)
KINDS_MIN, KINDS_MAX = 2, 5
SIZES = (4, 4, 4, 4, 5, 6, 7)
ATTACK_SHARE = 0.6
"""How many schedules have faulty nodes."""


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

    @property
    def faulty(self) -> frozenset[int]:
        """Nodes from which nothing can be asked."""
        return self.unsound | {node for node, _ in self.attackers}

    @property
    def honest(self) -> tuple[int, ...]:
        return tuple(node for node in range(len(self.stakes)) if node not in self.faulty)

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind of fault in the schedule."""
        return frozenset(fault.kind for fault in self.faults) | {name for _, name in self.attackers}

    def __str__(self) -> str:
        people = [f"{len(self.stakes)} validators, stakes {'/'.join(map(str, self.stakes))}"]
        if self.epoch_blocks != ENDLESS:
            people.append(f"epochs of {self.epoch_blocks} blocks")
        if self.shards > 1:
            people.append(f"{self.shards} shards")
        people += [f"node {node}: {name}" for node, name in self.attackers]
        return "\n".join([f"seed {self.seed}: {'; '.join(people)}", *(f"  {fault}" for fault in self.faults)])


def draw(seed: int, kinds: Sequence[str] | None = None, attackers: Sequence[str] | None = None) -> Plan:
    """The schedule of `seed`. `kinds` and `attackers` narrow what is drawn from; an empty `attackers` draws none."""
    rng = Random(f"schedule {seed}")
    stakes = _stakes(rng)
    epoch_blocks = rng.randint(*EPOCH_BLOCKS) if rng.random() < 0.5 else ENDLESS
    chosen = _faulty(rng, stakes) if attackers is None or attackers else ()
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


def _stakes(rng: Random) -> tuple[int, ...]:
    count = rng.choice(SIZES)
    if rng.random() < 0.75:
        return (100,) * count
    return tuple(rng.randint(60, 140) for _ in range(count))


def _faulty(rng: Random, stakes: Sequence[int]) -> tuple[int, ...]:
    """Nodes with less than a third of the stake; none in some schedules."""
    if rng.random() >= ATTACK_SHARE:
        return ()
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
