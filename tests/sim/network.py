"""The weather between the nodes: which copies of a message arrive, and when.

    (source, destination) ─▶ Links.delays ─▶ [] lost · [d] · [d, d′] duplicated

Every message is drawn for by itself, so messages overtake one another. A partition is a set of directed pairs; an
asymmetric one has (a, b) without (b, a).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

DELAY_S = (0.001, 0.008)
"""Bounds of a delay in good weather."""


@dataclass(slots=True)
class Links:
    """Every link of a schedule. Endpoints are node numbers."""

    rng: Random
    extra_delay_s: float = 0.0
    """The most that bad weather adds to a delay."""
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    """The share of messages that come much later than they should."""
    cuts: dict[int, frozenset[tuple[int, int]]] = field(default_factory=dict)
    """Fault number → directed pairs between which nothing passes."""
    held: dict[int, float] = field(default_factory=dict)
    """Node → the time until which what it sends and what is sent to it waits."""

    def delays(self, source: int, destination: int, now_s: float) -> list[float]:
        """Seconds until each copy arrives; none when the message is lost."""
        rng = self.rng
        if self.cuts and any((source, destination) in pairs for pairs in self.cuts.values()):
            return []
        if self.loss and rng.random() < self.loss:
            return []
        copies = 2 if self.duplication and rng.random() < self.duplication else 1
        held_s = max(0.0, self.held.get(source, 0.0) - now_s, self.held.get(destination, 0.0) - now_s)
        return [held_s + self._delay(rng) for _ in range(copies)]

    def calm(self) -> None:
        """Good weather again."""
        self.extra_delay_s = self.loss = self.duplication = self.reordering = 0.0
        self.cuts.clear()

    def _delay(self, rng: Random) -> float:
        delay = rng.uniform(*DELAY_S)
        if self.extra_delay_s:
            delay += rng.random() * self.extra_delay_s
        if self.reordering and rng.random() < self.reordering:
            delay += rng.random() * 0.25
        return delay


def split(left: Iterable[int], right: Iterable[int]) -> frozenset[tuple[int, int]]:
    """Nothing passes between the two sides, in either direction."""
    pairs = [(a, b) for a in left for b in right]
    return frozenset(pairs) | frozenset((b, a) for a, b in pairs)


def deafen(listener: int, others: Iterable[int]) -> frozenset[tuple[int, int]]:
    """`listener` can speak and hears nothing."""
    return frozenset((other, listener) for other in others if other != listener)
