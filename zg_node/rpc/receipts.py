"""Waiting for a transaction to become final. EIP-7966"""

from __future__ import annotations

import asyncio

from zg_node import _core
from zg_node.rpc.api import Chain
from zg_node.rpc.errors import limit_exceeded
from zg_node.types.block import StoredBlock

Place = tuple[int, int]
"""(block number, index)."""


class ReceiptWaiters:
    """One shard's waiters; each block wakes those whose transaction it holds."""

    def __init__(self, chain: Chain, waiters_max: int) -> None:
        self._chain = chain
        self._waiters_max = waiters_max
        self._waiters: dict[bytes, list[asyncio.Future[Place]]] = {}
        self.waiting = 0
        self.close = chain.on_head(self._on_head)
        """Stop listening to the chain."""

    async def wait(self, tx_hash: bytes, timeout_s: float) -> Place:
        """Where the transaction is final. Raises TimeoutError, or InvalidRequest when too many wait."""
        place = self._chain.transaction(tx_hash)
        if place is not None:
            return place
        if self.waiting >= self._waiters_max:
            raise limit_exceeded()
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(tx_hash, []).append(future)
        self.waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        finally:
            self.waiting -= 1
            self._forget(tx_hash, future)

    def _on_head(self, block: StoredBlock) -> None:
        if not self._waiters or not block.senders:
            return
        hashes = _core.body_hashes(block.body)
        for index in range(len(hashes) // 32):
            for future in self._waiters.get(hashes[32 * index : 32 * index + 32], ()):
                if not future.done():
                    future.set_result((block.number, index))

    def _forget(self, tx_hash: bytes, future: asyncio.Future[Place]) -> None:
        waiting = self._waiters[tx_hash]
        waiting.remove(future)
        if not waiting:
            del self._waiters[tx_hash]
