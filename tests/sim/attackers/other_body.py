"""A validator that puts another body beside a genuine header, in its own proposals and in others' that it passes on.

The leader's signature covers the header alone, so it holds all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import rlp

from tests.sim.attackers.attacker import Attacker, Means, Message, Words
from zg_node.consensus.messages import Proposal

BODIES_MAX = 8
PASSED_ON_SHARE = 0.5


class OtherBody(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._bodies = deque((b"\xc0", b"", bytes(rlp.encode([b"no transaction"]))), maxlen=BODIES_MAX)
        self._victims: dict[int, int] = {}
        """View → who gets our own proposal of it with another body."""

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        if not isinstance(message, Proposal):
            return (message,)
        victim = self._victims.setdefault(message.view, self.means.rng.choice(self.means.peers))
        return (self._exchanged(message),) if to == victim else (message,)

    def overhear(self, message: Message) -> Iterable[Words]:
        rng = self.means.rng
        if isinstance(message, Proposal):
            if rng.random() < PASSED_ON_SHARE:
                yield rng.choice(self.means.peers), self._exchanged(message)
            if message.block.body not in self._bodies:
                self._bodies.append(message.block.body)

    def _exchanged(self, proposal: Proposal) -> Proposal:
        block = proposal.block
        others = [body for body in self._bodies if body != block.body]
        return replace(proposal, block=replace(block, body=self.means.rng.choice(others)))
