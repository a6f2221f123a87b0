"""A validator that votes for every block it has heard of in a view, and both for SKIP and for FINALIZE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.sim.attackers.attacker import MEMORY_MAX, Attacker, Means, Message, Words
from zg_node.consensus.messages import Proposal, Vote, VoteKind


class DoubleVote(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._hashes: dict[int, list[bytes]] = {}

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        if not isinstance(message, Vote):
            return (message,)
        means, votes = self.means, [message]
        for block_hash in self._hashes.get(message.view, []):
            votes.append(means.vote(VoteKind.NOTARIZE, message.view, block_hash))
            votes.append(means.vote(VoteKind.FINALIZE, message.view, block_hash))
        votes.append(means.vote(VoteKind.NOTARIZE, message.view, means.rng.randbytes(32)))
        votes.append(means.vote(VoteKind.SKIP, message.view))
        means.rng.shuffle(votes)
        return votes

    def overhear(self, message: Message) -> Iterable[Words]:
        if isinstance(message, Proposal):
            hashes = self._hashes.setdefault(message.view, [])
            if message.block.hash not in hashes and len(hashes) < 4:
                hashes.append(message.block.hash)
            if len(self._hashes) > MEMORY_MAX:
                del self._hashes[min(self._hashes)]
        return ()
