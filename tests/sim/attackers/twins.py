"""Two machines with one key, each sincere, each heard by some; after Twins (Bano et al., 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message


class Twins(Attacker):
    copies = 2

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._audience = {peer: means.rng.random() < 0.7 for peer in means.peers}

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        return (message,) if self._audience.get(to, True) else ()
