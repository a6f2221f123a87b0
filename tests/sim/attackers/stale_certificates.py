"""A validator that keeps what it hears and sends it again much later, some of it with the view or the kind changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from tests.sim.attackers.attacker import MEMORY_MAX, Attacker, Means, Message, Words
from zg_node.consensus.messages import Certificate, VoteKind
from zg_node.types.hashing import ZERO_HASH


class StaleCertificates(Attacker):
    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._heard: deque[Message] = deque(maxlen=MEMORY_MAX)
        self._newest = 0

    def overhear(self, message: Message) -> Iterable[Words]:
        self._heard.append(message)
        self._newest = max(self._newest, message.view)
        return ()

    def babble(self) -> Iterable[Words]:
        rng = self.means.rng
        if not self._heard:
            return
        for _ in range(4):
            message = rng.choice(self._heard)
            if isinstance(message, Certificate) and rng.random() < 0.5:
                message = self._changed(message)
            yield rng.choice(self.means.peers), message

    def _changed(self, certificate: Certificate) -> Certificate:
        rng = self.means.rng
        match rng.randrange(4):
            case 0:
                return replace(certificate, view=self._newest + rng.randint(0, 2))
            case 1:
                return replace(certificate, kind=VoteKind.SKIP, block_hash=ZERO_HASH)
            case 2:
                return replace(certificate, kind=VoteKind.FINALIZE)
            case _:
                return replace(certificate, signatures=certificate.signatures[:-1])
