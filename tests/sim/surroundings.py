"""What a replica of a consensus-only schedule finds around it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from tests.sim.attackers.attacker import Message, Words
from tests.sim.invariants import Monitor
from tests.sim.timeline import Timeline
from tests.sim.trace import Trace
from zg_node.consensus.epoch import Epochs
from zg_node.consensus.votes import ValidatorSet, Verifier

if TYPE_CHECKING:
    from tests.sim.replica import Replica


class Surroundings(Protocol):
    """A running schedule as its replicas see it."""

    @property
    def verify(self) -> Verifier: ...

    scheduler: Timeline
    trace: Trace
    monitor: Monitor
    members: ValidatorSet
    epochs: Epochs

    def transmit(self, source: Replica, message: Message, to: int | None = None) -> None:
        """Send to one node, or to all others."""

    def blurt(self, source: Replica, words: Iterable[Words]) -> None:
        """Send what an attacker says out of turn."""

    def fetch(self, asking: Replica, block_hash: bytes) -> None:
        """Have somebody's copy of a block come back to `asking.fetched`."""

    def catch_up(self, asking: Replica) -> None:
        """Have somebody's final blocks come back to `asking.synced`."""
