"""A leader that builds where it must not: on an older block, across a view that nobody skipped; on one that it passes
off as that of another view; on one without a quorum.

It speaks as soon as it has heard the proposal before its own turn, so that the others have it when the turn comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message, Words
from zg_node.consensus.messages import Proposal, Vote, VoteKind

PROPOSALS_MAX = 6


class WrongParent(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._heard: dict[bytes, int] = {}
        """Block hash → the view in which it was proposed."""
        self._misled: dict[int, Proposal] = {}

    def overhear(self, message: Message) -> Iterable[Words]:
        means = self.means
        if not isinstance(message, Proposal):
            return ()
        self._heard[message.block.hash] = message.view
        if len(self._heard) > PROPOSALS_MAX:
            del self._heard[min(self._heard, key=lambda block_hash: self._heard[block_hash])]
        turn = message.view + 1
        if turn in self._misled or not means.leads(turn):
            return ()
        block = means.child(message.block.header.parent_hash, turn)
        if block is None:
            return ()
        claimed = means.rng.choice((message.parent_view, message.view))
        self._misled[turn] = means.proposal(turn, claimed, block)
        return [(peer, self._misled[turn]) for peer in means.peers]

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        means = self.means
        if isinstance(message, Proposal) and message.leader == means.index:
            if message.view not in self._misled:
                misled = self._mislead(message)
                if misled is None:
                    return (message,)
                self._misled[message.view] = misled
            return (self._misled[message.view],)
        if isinstance(message, Vote) and message.kind is not VoteKind.SKIP and message.view in self._misled:
            return (means.vote(message.kind, message.view, self._misled[message.view].block.hash),)
        return (message,)

    def _mislead(self, proposal: Proposal) -> Proposal | None:
        others = [h for h, v in self._heard.items() if v < proposal.view and h != proposal.block.header.parent_hash]
        if not others:
            return None
        rng = self.means.rng
        parent = max(others, key=lambda h: self._heard[h]) if rng.random() < 0.7 else rng.choice(others)
        block = self.means.child(parent, proposal.view)
        return self.means.proposal(proposal.view, self._heard[parent], block) if block is not None else None
