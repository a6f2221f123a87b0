"""A leader that gives its block to just so many that, with the faulty, they are a quorum; the others see only votes."""

from __future__ import annotations

from collections.abc import Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message
from zg_node.consensus.messages import Proposal


class PayloadWithheld(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._chosen: dict[int, frozenset[int]] = {}

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        if not isinstance(message, Proposal):
            return (message,)
        means = self.means
        if message.view not in self._chosen:
            faulty = len(means.peers) // 3
            self._chosen[message.view] = frozenset(means.rng.sample(means.peers, faulty + 1))
        return (message,) if to in self._chosen[message.view] else ()
