"""Who may have work done now: so many at a time, so many a peer, so many bytes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from zg_node.errors import Unavailable


class Turns:
    """A queue in which no peer has more than its share; on the event loop."""

    def __init__(self, running_max: int, peer_max: int, bytes_max: int) -> None:
        """`peer_max` counts what waits as well; `bytes_max` bounds what those that run hold in memory."""
        self._running_max = running_max
        self._peer_max = peer_max
        self._bytes_max = bytes_max
        self._peers: Counter[str] = Counter()
        self._running = self._bytes = 0
        self._ended = asyncio.Event()

    @asynccontextmanager
    async def take(self, peer: str, size_bytes: int) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the length of the block. Something larger than all that is allowed runs
        alone. Raises Unavailable when the peer has its share already."""
        if self._peers[peer] >= self._peer_max:
            raise Unavailable(f"{self._peer_max} requests of this peer are under way or wait")
        self._peers[peer] += 1
        try:
            while not self._fits(size_bytes):
                await self._ended.wait()
            self._running += 1
            self._bytes += size_bytes
            try:
                yield
            finally:
                self._running -= 1
                self._bytes -= size_bytes
                self._ended.set()
                self._ended = asyncio.Event()
        finally:
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]

    def _fits(self, size_bytes: int) -> bool:
        if self._running == 0:
            return True
        return self._running < self._running_max and self._bytes + size_bytes <= self._bytes_max
