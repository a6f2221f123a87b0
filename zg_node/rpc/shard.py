"""One shard with the services that its methods share."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from zg_node.rpc.api import Chain
from zg_node.rpc.calls import Caller
from zg_node.rpc.feed import Feed
from zg_node.rpc.filters import FilterStore
from zg_node.rpc.limits import Limits
from zg_node.rpc.receipts import ReceiptWaiters
from zg_node.rpc.submit import Submitter
from zg_node.rpc.tips import TipOracle
from zg_node.rpc.workers import Workers, shut_down


class Shard:
    """Built on the event loop that serves it."""

    def __init__(self, chain: Chain, workers: Workers, limits: Limits) -> None:
        loop = asyncio.get_running_loop()
        self.chain = chain
        self.workers = workers
        self.limits = limits
        self.feed = Feed(chain, workers)
        self.filters = FilterStore(limits.filters_max, limits.filter_idle_s, loop.time)
        self.caller = Caller(chain, workers, loop, queue_max=limits.call_queue_max, timeout_s=limits.request_timeout_s)
        self._validators = ThreadPoolExecutor(limits.submit_workers, thread_name_prefix=f"rpc-submit-{chain.shard}")
        self.submitter = Submitter(
            chain,
            self._validators,
            loop,
            lanes=limits.submit_workers,
            queue_max=limits.submit_queue_max,
            on_accepted=self.feed.drain,
        )
        self.receipts = ReceiptWaiters(chain, limits.sync_waiters_max)
        self.tips = TipOracle(chain, workers, limits.minimum_tip)
        self.signing = asyncio.Lock()
        """Held from choosing a nonce to submitting: development accounts only."""

    async def close(self) -> None:
        """Stop listening and validating."""
        self.feed.close()
        self.receipts.close()
        await shut_down(self._validators)
