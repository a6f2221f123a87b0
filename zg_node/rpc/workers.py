"""A bounded pool of threads for work that the native core does with the GIL released."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from zg_node.rpc.errors import limit_exceeded, timed_out

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """Runs blocking functions off the event loop; refuses when too many wait."""

    def __init__(self, threads: int, queue_max: int, timeout_s: float, name: str) -> None:
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._queue_max = queue_max
        self._timeout_s = timeout_s
        self.waiting = 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call off the loop. Raises what `function` raises, and InvalidRequest when the queue is full or slow."""
        if self.waiting >= self._queue_max:
            raise limit_exceeded()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s

        def work() -> T:
            if loop.time() > deadline:
                raise timed_out()
            return function(*args, **kwargs)

        self.waiting += 1
        try:
            return await loop.run_in_executor(self.executor, work)
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        """Refuse new work, drop what has not begun, and wait for what has: it ends by its own limits."""
        await shut_down(self.executor)


async def shut_down(executor: ThreadPoolExecutor) -> None:
    """End an executor without blocking the event loop."""
    executor.shutdown(wait=False, cancel_futures=True)
    await asyncio.to_thread(executor.shutdown)
