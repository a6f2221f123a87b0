"""A leader that gives its block to just so many that they and it are a quorum; the others see only votes.

Sometimes it says nothing more for a while: then the others have to go on with a block that some of them lack.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message
from zg_node.consensus.messages import Proposal, VoteKind

MUTE_SHARE = 0.8
MUTE_VIEWS = 200


class PayloadWithheld(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._chosen: dict[int, frozenset[int]] = {}
        self._mute: range = range(0)
        """Views in which it says nothing."""

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        if not isinstance(message, Proposal):
            finalises = message.kind is VoteKind.FINALIZE and message.view + 1 in self._mute
            return () if finalises or message.view in self._mute else (message,)
        means = self.means
        if message.view not in self._chosen:
            self._chosen[message.view] = self._quorum()
            if means.rng.random() < MUTE_SHARE and message.view not in self._mute:
                self._mute = range(message.view + 1, message.view + MUTE_VIEWS)
        return (message,) if to in self._chosen[message.view] else ()

    def _quorum(self) -> frozenset[int]:
        """Others that with itself hold more than two thirds, and not one more."""
        means, stakes = self.means, self.means.stakes()
        chosen = {node for node in means.peers if node in stakes}
        for node in means.rng.sample(sorted(chosen), len(chosen)):
            if 3 * sum(stakes.get(kept, 0) for kept in (means.number, *chosen - {node})) > 2 * sum(stakes.values()):
                chosen.remove(node)
        return frozenset(chosen)
