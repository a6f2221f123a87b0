"""What is new on one shard, for subscriptions and filters: finalised blocks, their logs, accepted transactions.

    chain.on_head ─▶ Feed ─┬─▶ head listeners, on the event loop, in order
                           └─▶ log cursor ─▶ worker (one block at a time) ─▶ log listeners, in order
    submitter ─▶ drain ─▶ pool.take_new ─▶ transaction listeners, and a ring for polled filters

Logs are read back from the chain at their own pace, so that a burst of blocks makes them late but never lost. What is
told is encoded once, however many listen.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from zg_node import _core
from zg_node.errors import ZgError
from zg_node.rpc.accepted import accepted_json
from zg_node.rpc.api import Chain
from zg_node.rpc.encoding import hex_data
from zg_node.rpc.workers import Workers
from zg_node.types.block import StoredBlock

log = logging.getLogger(__name__)

PENDING_RING_MAX: Final = 65_536
"""Accepted transactions that a polled filter can still ask for."""
LOGS_A_BLOCK_MAX: Final = 1 << 30
FILTERS_A_JOB_MAX: Final = 8
"""Different filters in one search: each may want a copy of all logs of a block."""

T = TypeVar("T")
Unsubscribe = Callable[[], None]
Take = Callable[[Sequence[bytes]], None]
"""Takes encoded results, in order."""


@dataclass(frozen=True, slots=True)
class LogListener:
    """A filter with the functions that take its matching logs, or learn that there is a gap."""

    matching: _core.LogFilter
    terms: bytes
    """Equal where the filters are."""
    take: Take
    lost: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Registered:
    listener: LogListener
    first: int
    """The first block after the registration."""


class Feed:
    """One shard's news. Listeners are called on the event loop and must not raise."""

    def __init__(self, chain: Chain, workers: Workers) -> None:
        self._chain = chain
        self._workers = workers
        self._heads: dict[object, Take] = {}
        self._hashes: dict[object, Take] = {}
        self._transactions: dict[object, Take] = {}
        self._logs: dict[object, _Registered] = {}
        self._announced = chain.head.number
        self._log_cursor = self._announced + 1
        """The next block whose logs are to be told."""
        self._log_task: asyncio.Task[None] | None = None
        self._ring: deque[bytes] = deque(maxlen=PENDING_RING_MAX)
        self._ring_end = 0
        self._stop = chain.on_head(self._on_head)

    @property
    def subscribers(self) -> int:
        """How many want to be told, polled filters on transactions included."""
        return len(self._heads) + len(self._hashes) + len(self._transactions) + len(self._logs)

    def close(self) -> None:
        """Stop listening to the chain."""
        self._stop()
        if self._log_task is not None:
            self._log_task.cancel()

    def on_heads(self, take: Take) -> Unsubscribe:
        """The header of every block finalised from now on."""
        return _register(self._heads, take)

    def on_logs(self, listener: LogListener) -> Unsubscribe:
        """The matching logs of every block finalised from now on, one call a block, encoded one by one."""
        if not self._logs:
            self._log_cursor = self._announced + 1
        return _register(self._logs, _Registered(listener, self._announced + 1))

    def on_hashes(self, take: Take) -> Unsubscribe:
        """Hashes of the transactions that the pool accepts from now on."""
        self._start_watching()
        return _register(self._hashes, take)

    def on_transactions(self, take: Take) -> Unsubscribe:
        """The transactions that the pool accepts from now on."""
        self._start_watching()
        return _register(self._transactions, take)

    def watch_ring(self) -> tuple[int, Unsubscribe]:
        """The ring's end as a cursor. The ring is filled until the returned function is called."""
        release = self.on_hashes(lambda hashes: None)
        return self._ring_end, release

    def _start_watching(self) -> None:
        if not self._hashes and not self._transactions:
            self._chain.pool.take_new()  # accepted before anybody watched

    def ring_since(self, cursor: int) -> tuple[list[bytes], int]:
        """Hashes accepted since `cursor` that are still in the ring, and the next cursor."""
        fresh = min(self._ring_end - cursor, len(self._ring))
        return list(islice(self._ring, len(self._ring) - fresh, None)), self._ring_end

    def drain(self) -> None:
        """Pass on what the pool accepted since the last time."""
        if not self._hashes and not self._transactions:
            return
        hashes = self._chain.pool.take_new()
        if not hashes:
            return
        self._ring.extend(hashes)
        self._ring_end += len(hashes)
        _tell(self._hashes, lambda: [hex_data(tx_hash) for tx_hash in hashes])
        _tell(self._transactions, lambda: accepted_json(self._chain, hashes))

    def _on_head(self, block: StoredBlock) -> None:
        self._announced = block.number
        self.drain()
        _tell(self._heads, lambda: (_core.header_json(block.header.raw),))
        if not self._logs:
            return
        if block.number == self._log_cursor and not self._candidates(block):
            self._log_cursor += 1
        elif self._log_task is None or self._log_task.done():
            self._log_task = asyncio.get_running_loop().create_task(self._publish_logs())

    def _candidates(self, block: StoredBlock) -> dict[object, LogListener]:
        """The listeners that a block may concern, by its bloom."""
        bloom = block.header.bloom
        return {
            key: registered.listener
            for key, registered in self._logs.items()
            if registered.first <= block.number and registered.listener.matching.may_match(bloom)
        }

    async def _publish_logs(self) -> None:
        """Tell the logs of the blocks up to the last one announced."""
        while self._logs and self._log_cursor <= self._announced:
            number = self._log_cursor
            block = self._chain.by_number(number)
            listeners = {} if block is None else self._candidates(block)
            try:
                if block is None:
                    listeners = {key: registered.listener for key, registered in self._logs.items()}
                    self._lose(listeners, f"block {number} is not kept")
                elif listeners:
                    await self._tell_logs(block, listeners)
            except ZgError as error:
                self._lose(listeners, str(error))
            self._log_cursor = max(self._log_cursor, number + 1)

    async def _tell_logs(self, block: StoredBlock, listeners: Mapping[object, LogListener]) -> None:
        """Search for what equal filters match once, for a few filters at a time, and tell every listener in a turn of
        the event loop of its own: there may be thousands of listeners, and of logs for each."""
        loop = asyncio.get_running_loop()
        equal: dict[bytes, list[tuple[object, LogListener]]] = {}
        for key, listener in listeners.items():
            equal.setdefault(listener.terms, []).append((key, listener))
        groups = list(equal.values())
        for start in range(0, len(groups), FILTERS_A_JOB_MAX):
            some = groups[start : start + FILTERS_A_JOB_MAX]
            filters = [group[0][1].matching for group in some]
            found = await loop.run_in_executor(self._workers.executor, extract, block, filters)
            for group, logs in zip(some, found, strict=True):
                for key, listener in group:
                    if logs and key in self._logs:
                        listener.take(logs)
                        await asyncio.sleep(0)

    def _lose(self, listeners: Mapping[object, LogListener], reason: str) -> None:
        log.warning("log subscriptions ended shard=%d count=%d: %s", self._chain.shard, len(listeners), reason)
        for key, listener in listeners.items():
            if self._logs.pop(key, None) is not None:
                listener.lost()


def _register(listeners: MutableMapping[object, T], listener: T) -> Unsubscribe:
    """Add under a key of its own; the returned function removes it, also when it is gone already."""
    key = object()
    listeners[key] = listener

    def forget() -> None:
        listeners.pop(key, None)

    return forget


def _tell(listeners: Mapping[object, Take], encode: Callable[[], Sequence[bytes]]) -> None:
    if listeners:
        news = encode()
        for take in tuple(listeners.values()):
            take(news)


def extract(block: StoredBlock, filters: Sequence[_core.LogFilter]) -> list[list[bytes]]:
    """Each filter's logs of one block, as separate JSON objects. For a worker thread."""
    header, body, receipts = block.header.raw, block.body, block.receipts
    return [split_logs(one.logs_json(header, body, receipts, LOGS_A_BLOCK_MAX)[0]) for one in filters]


def split_logs(joined: bytes) -> list[bytes]:
    """Comma-separated log objects, one by one. A log holds strings, booleans and one flat array: no inner objects."""
    if not joined:
        return []
    return [b"{" + part + b"}" for part in joined[1:-1].split(b"},{")]
