"""A validator that pours out votes and certificates that are wrong in every way that still parses."""

from __future__ import annotations

from collections.abc import Iterable

from tests.sim.attackers.attacker import Attacker, Means, Message, Words
from zg_node.consensus.messages import Certificate, Vote, VoteKind
from zg_node.types.hashing import ZERO_HASH

BURST = 30


class GarbageFlood(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._view = 1

    def overhear(self, message: Message) -> Iterable[Words]:
        if isinstance(message, Certificate):
            self._view = max(self._view, min(message.view, self._view + 8))
        return ()

    def babble(self) -> Iterable[Words]:
        for _ in range(BURST):
            yield self.means.rng.choice(self.means.peers), self._garbage()

    def _garbage(self) -> Message:
        means, rng = self.means, self.means.rng
        kind = rng.choice(list(VoteKind))
        view = rng.choice((self._view, self._view + rng.randint(1, 100), rng.randrange(1 << 60)))
        epoch = means.domain.epoch + rng.choice((0, 0, 0, 1, rng.randrange(1 << 30)))
        target = ZERO_HASH if kind is VoteKind.SKIP else rng.randbytes(32)
        match rng.randrange(4):
            case 0:
                return Vote(kind, epoch, view, target, means.index, rng.randbytes(65))
            case 1:
                return Vote(kind, epoch, view, target, rng.randrange(1 << 30), means.sign(rng.randbytes(32)))
            case 2:
                return means.vote(kind, view, target)
            case _:
                signatures = tuple((voter, rng.randbytes(65)) for voter in range(len(means.peers) + 1))
                return Certificate(kind, epoch, view, target, signatures)
