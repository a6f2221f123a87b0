"""A validator that gives up views long before they begin, and never votes to finalise.

It contradicts itself nowhere, and is no evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message, Words
from zg_node.consensus.messages import Vote, VoteKind

VIEWS_AHEAD = 40
"""More than the views whose votes are repeated at a standstill."""


class Impatient(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._given_up = 0
        """The last view that it has given up."""

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        if isinstance(message, Vote) and message.kind is VoteKind.FINALIZE:
            return ()
        return (message,)

    def overhear(self, message: Message) -> Iterable[Words]:
        if isinstance(message, Vote):
            return
        for view in range(max(self._given_up, message.view) + 1, message.view + VIEWS_AHEAD + 1):
            self._given_up = view
            skip = self.means.vote(VoteKind.SKIP, view)
            yield from ((peer, skip) for peer in self.means.peers)
