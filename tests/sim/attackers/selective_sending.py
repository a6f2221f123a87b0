"""A validator that is honest to some and mute to the others, and changes its mind about who is who."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message, Words


class SelectiveSending(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._favoured = frozenset(means.peers)

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        return (message,) if to in self._favoured else ()

    def babble(self) -> Iterable[Words]:
        rng = self.means.rng
        if rng.random() < 0.2:
            self._favoured = frozenset(rng.sample(self.means.peers, rng.randint(1, len(self.means.peers))))
        return ()
