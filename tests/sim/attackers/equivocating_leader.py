"""A leader that shows one block to some and another to the rest, and votes for each before those who saw it.

The second block gets a quorum with its vote; it keeps its FINALIZE vote to itself, so that the view stays undecided for
a while, and then shows the second block to everyone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message, Words
from zg_node.consensus.messages import Proposal, Vote, VoteKind


class EquivocatingLeader(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._other: dict[int, Proposal] = {}
        self._fooled: dict[int, frozenset[int]] = {}
        self._shown = 0

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        means = self.means
        if isinstance(message, Proposal) and message.leader == means.index:
            if message.view not in self._fooled and not self._prepare(message):
                return (message,)
            if to not in self._fooled[message.view]:
                return (message,)
            other = self._other[message.view]
            return (other, message) if means.rng.random() < 0.2 else (other,)
        if isinstance(message, Vote) and message.kind is not VoteKind.SKIP and message.view in self._other:
            if message.kind is VoteKind.FINALIZE:
                return ()
            bent = means.vote(message.kind, message.view, self._other[message.view].block.hash)
            return (bent,) if to in self._fooled[message.view] else (message,)
        return (message,)

    def _prepare(self, proposal: Proposal) -> bool:
        """Make the second block and choose who gets it: about two thirds."""
        means = self.means
        sibling = means.child(proposal.block.header.parent_hash, proposal.view)
        if sibling is None:
            return False
        count = max(1, len(means.peers) * 2 // 3)
        self._other[proposal.view] = means.proposal(proposal.view, proposal.parent_view, sibling)
        self._fooled[proposal.view] = frozenset(means.rng.sample(means.peers, count))
        return True

    def overhear(self, message: Message) -> Iterable[Words]:
        """Somebody has gone on to the next view: the second block has its quorum."""
        latest = max(self._other, default=0)
        if self._shown < latest < message.view:
            self._shown = latest
            return [(peer, self._other[latest]) for peer in self.means.peers]
        return ()

    def babble(self) -> Iterable[Words]:
        """The second block, again, to those who saw the first."""
        latest = max(self._other, default=0)
        if self.means.rng.random() < 0.5 and latest:
            for peer in self.means.peers:
                yield peer, self._other[latest]
