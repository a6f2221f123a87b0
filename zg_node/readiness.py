"""Whether a node follows the network: what `/ready` and `zg-node status` say.

    every shard has heard from a peer, unless this node alone is a quorum ┐
    no shard is more than NEAR_BLOCKS behind what it knows to be final    ┴─▶ ready, and for GRACE_S after it last held
    a shard is more than FAR_BLOCKS behind                                ──▶ not ready, at once

The grace keeps a burst of blocks, or a peer that comes back, from switching a load balancer to and fro.
"""

from __future__ import annotations

from collections.abc import Sequence

from zg_node.consensus.sync import NEAR_BLOCKS
from zg_node.consensus.sync_service import SyncProgress

LOOK_S = 0.5
"""How often to look."""
GRACE_S = 10.0
FAR_BLOCKS = 128
FIRST_S = 15.0
"""So long without a peer is worth a warning."""
AGAIN_S = 300.0


class Readiness:
    """The answer, between two looks."""

    def __init__(self) -> None:
        self.ready = False
        self._held_s: float | None = None
        """When the node was last seen to follow; None before that."""

    def look(self, shards: Sequence[SyncProgress], alone: bool, now_s: float) -> bool:
        """Judge anew; returns whether that changed the answer. A node without a network has no `shards` to look at."""
        behind = max((shard.target - shard.done for shard in shards), default=0)
        heard = alone or all(shard.peers for shard in shards)
        if heard and behind <= NEAR_BLOCKS:
            self._held_s = now_s
        before = self.ready
        self.ready = self._held_s is not None and now_s - self._held_s <= GRACE_S and behind <= FAR_BLOCKS
        return self.ready != before


class Silence:
    """When to say that no peer answers: after FIRST_S without one, and not again before AGAIN_S."""

    def __init__(self, now_s: float) -> None:
        self._next_s = now_s + FIRST_S

    def look(self, peers: int, now_s: float) -> bool:
        """Whether to say it now."""
        due = not peers and now_s >= self._next_s
        if due:
            self._next_s = now_s + AGAIN_S
        elif peers:
            self._next_s = max(self._next_s, now_s + FIRST_S)
        return due
