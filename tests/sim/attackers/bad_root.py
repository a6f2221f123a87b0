"""A leader whose blocks have a state root that does not follow from them; it votes for them all the same."""

from __future__ import annotations

from collections.abc import Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message
from zg_node.consensus.messages import Proposal, Vote, VoteKind


class BadRoot(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._spoilt: dict[int, Proposal] = {}

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        means = self.means
        if isinstance(message, Proposal) and message.leader == means.index:
            if message.view not in self._spoilt:
                block = means.spoilt(message.block)
                if block is None:
                    return (message,)
                self._spoilt[message.view] = means.proposal(message.view, message.parent_view, block)
            return (self._spoilt[message.view],)
        if isinstance(message, Vote) and message.kind is not VoteKind.SKIP and message.view in self._spoilt:
            return (means.vote(message.kind, message.view, self._spoilt[message.view].block.hash),)
        return (message,)
