"""Answers whose end is missing, whose beginning is missing, or that are empty."""

from __future__ import annotations

from tests.sim.liars.liar import Liar
from zg_node.consensus.sync_messages import Request


class Truncated(Liar):
    def bend(self, request: Request, truth: bytes) -> bytes:
        at = self.rng.randint(0, len(truth))
        return truth[:at] if self.rng.random() < 0.7 else truth[at:]
