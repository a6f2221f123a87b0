"""A leader that shows one block to some and another to the rest, and votes for each before those who saw it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.sim.attackers.attacker import Attacker, Means, Message
from zg_node.consensus.messages import Proposal, Vote, VoteKind


class EquivocatingLeader(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._other: dict[int, Proposal] = {}
        self._fooled: dict[int, frozenset[int]] = {}

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        means = self.means
        if isinstance(message, Proposal) and message.leader == means.index:
            if message.view not in self._fooled:
                sibling = means.child(message.block.header.parent_hash, message.view)
                if sibling is None:
                    return (message,)
                self._other[message.view] = means.proposal(message, sibling)
                self._fooled[message.view] = frozenset(p for p in means.peers if means.rng.random() < 0.5)
            if to not in self._fooled[message.view]:
                return (message,)
            other = self._other[message.view]
            return (other, message) if means.rng.random() < 0.2 else (other,)
        if isinstance(message, Vote) and message.kind is not VoteKind.SKIP and message.view in self._other:
            other_hash = self._other[message.view].block.hash
            bent = means.vote(message.kind, message.view, other_hash)
            return (bent,) if to in self._fooled[message.view] else (message,)
        return (message,)

    def babble(self) -> Iterable[tuple[int, Message]]:
        """The second block, later, to those who saw the first."""
        latest = max(self._other, default=0)
        if self.means.rng.random() < 0.5 and latest:
            for peer in self.means.peers:
                yield peer, self._other[latest]
