"""Answers of another time: the first that it ever gave to a question of the kind, whatever is asked now. Where its
chain stands it says truly, so that it is asked."""

from __future__ import annotations

from random import Random

from tests.sim.liars.liar import Liar
from zg_node.consensus.sync_messages import Request, StatusRequest


class Stale(Liar):
    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self._first: dict[str, bytes] = {}

    def bend(self, request: Request, truth: bytes) -> bytes:
        return truth if isinstance(request, StatusRequest) else self._first.setdefault(type(request).__name__, truth)
