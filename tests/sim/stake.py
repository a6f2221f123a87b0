"""What a schedule does with stake, and who comes later: drawn so that the faulty never hold a third of it.

moves    delegate · undelegate · leave (all of the own stake) · join (create a validator, register its vote key)
guests   nodes outside the first set: candidates, which join · newcomers, which begin with a snapshot · strangers, which
         only follow; one of them may lie to those that catch up
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

MOVES_MAX = 5
STAKE = (40, 120)
"""Whole coins, of a candidate; at least the network's minimum."""
SHIFT = (5, 60)
"""Whole coins that a delegator moves."""
SELF_STAKE_MIN = 32


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that somebody does with coins, as soon as a node takes the transactions after `at_s`."""

    at_s: float
    kind: str
    node: int
    """Whose validator it is about."""
    coins: int
    """Whole coins."""

    def __str__(self) -> str:
        return f"{self.kind} (node {self.node}) of {self.coins} coins at {self.at_s:.2f} s"


@dataclass(frozen=True, slots=True)
class Guest:
    """A node that is not among the first validators."""

    number: int
    comes_at_s: float
    by_snapshot: bool
    """Whether it takes over somebody's state instead of replaying history."""

    def __str__(self) -> str:
        how = "with a snapshot" if self.by_snapshot else "from block 0"
        return f"guest (node {self.number}) begins {how} at {self.comes_at_s:.2f} s"


def draw_moves(
    rng: Random,
    stakes: Sequence[int],
    faulty: Collection[int],
    away: Collection[int],
    candidates: Sequence[int],
    heal_s: float,
) -> tuple[Move, ...]:
    """Moves of the first part of a schedule, so that its epochs see what comes of them.

    Whichever of them are done in the end, and with those in jail that are `away`, the faulty hold less than a third."""
    honest_least = sum(stake for node, stake in enumerate(stakes) if node not in faulty and node not in away)
    faulty_most = sum(stake for node, stake in enumerate(stakes) if node in faulty)
    moves = [_move(rng, "join", node, rng.randint(*STAKE), heal_s) for node in candidates]
    leaving: set[int] = set()
    for _ in range(rng.randint(1, MOVES_MAX)):
        kind, node = rng.choice(("delegate", "undelegate", "leave")), rng.randrange(len(stakes))
        coins = stakes[node] if kind == "leave" else rng.randint(*SHIFT)
        gain = coins if kind == "delegate" and node in faulty else 0
        loss = coins if kind != "delegate" and node not in faulty and node not in away else 0
        if 2 * (faulty_most + gain) >= honest_least - loss:
            continue
        if kind != "delegate" and (node in leaving or (kind == "undelegate" and stakes[node] - coins < SELF_STAKE_MIN)):
            continue
        if kind != "delegate":
            leaving.add(node)
        faulty_most, honest_least = faulty_most + gain, honest_least - loss
        moves.append(_move(rng, kind, node, coins, heal_s))
    return tuple(sorted(moves, key=lambda move: move.at_s))


def _move(rng: Random, kind: str, node: int, coins: int, heal_s: float) -> Move:
    return Move(rng.uniform(0.0, 0.6) * heal_s, kind, node, coins)
