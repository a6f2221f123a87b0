"""A leader whose blocks claim to be the last of their epoch, and which proposes such a block again in its later turns,
as leaders do with a true last block."""

from __future__ import annotations

from collections.abc import Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message
from zg_node.consensus.messages import Proposal, Vote, VoteKind

AGAIN_SHARE = 0.5


class EarlyEnd(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._ours: dict[int, Proposal] = {}
        self._last: Proposal | None = None

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        means = self.means
        if isinstance(message, Proposal) and message.leader == means.index:
            if message.view not in self._ours:
                self._last = self._ours[message.view] = self._propose(message)
            return (self._ours[message.view],)
        if isinstance(message, Vote) and message.kind is not VoteKind.SKIP and message.view in self._ours:
            return (means.vote(message.kind, message.view, self._ours[message.view].block.hash),)
        return (message,)

    def _propose(self, honest: Proposal) -> Proposal:
        means, last = self.means, self._last
        if last is not None and last.block.consensus.epoch == means.domain.epoch and means.rng.random() < AGAIN_SHARE:
            return means.proposal(honest.view, means.rng.choice((last.view, last.parent_view)), last.block)
        return means.proposal(honest.view, honest.parent_view, means.ended(honest.block))
