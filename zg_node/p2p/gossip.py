"""Gossip as the host runs it: /meshsub/1.1.0, signed messages, our topics only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

MESH_DEGREE = 6
MESH_LOW = 4
MESH_HIGH = 12
HEARTBEAT_S = 1
RPC_MAX_BYTES = 1024 * 1024
"""Largest gossip frame; the library of other implementations has the same limit."""

Deliver = Callable[[str, str, bytes], None]
"""(topic, id of the peer that signed and published, message)."""


class Gossip(Protocol):
    """What the host needs of an implementation of gossip."""

    async def run(self) -> None:
        """Until cancelled."""
        ...

    def subscribe(self, topic: str) -> None:
        """Follow a topic."""
        ...

    def publish(self, topic: str, message: bytes) -> None:
        """Sign and send."""
        ...
