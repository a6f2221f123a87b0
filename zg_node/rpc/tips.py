"""What priority fee to suggest: nothing extra while blocks have room, the going rate when they are full."""

from __future__ import annotations

from typing import Final

from zg_node import _core
from zg_node.rpc.api import Chain
from zg_node.rpc.workers import Workers

PERCENTILE: Final = 60.0
BUSY_SHARE: Final = 2
"""A block is busy that used more than 1/BUSY_SHARE of its gas limit."""


class TipOracle:
    """One shard's suggestion, computed at most once a block."""

    def __init__(self, chain: Chain, workers: Workers, minimum: int) -> None:
        self._chain = chain
        self._workers = workers
        self._minimum = minimum
        self._number = -1
        self._tip = minimum

    def ready(self) -> int | None:
        """Wei a gas, where it is known without work."""
        head = self._chain.head
        if head.header.gas_used * BUSY_SHARE <= head.header.gas_limit:
            return self._minimum
        return self._tip if self._number == head.number else None

    async def suggest(self) -> int:
        """Wei a gas. In a busy chain, what 60 % of the last block's gas paid at most."""
        known = self.ready()
        if known is not None:
            return known
        head = self._chain.head
        rewards = await self._workers.run(
            _core.fee_history, [head.header.raw], [(head.body, head.receipts)], [PERCENTILE]
        )
        self._tip = max(self._minimum, rewards[0][0])
        self._number = head.number
        return self._tip
