"""Transactions between nodes, in batches.

    RPC accepts ─▶ share ─▶ flush: at once while there are few, else 48 KiB or FLUSH_S ─▶ Network.publish
                     └▶ Reminder ─ in no block yet ─▶ flush again
    gossip ─▶ receive ─▶ queue ─▶ Pool.add in a worker, a batch at a time ─▶ poke consensus

Only what a client of this node sent is published here; what came by gossip is passed on by the gossip layer itself. A
leader that waits for a batch to fill makes everybody wait, so the first few of each FLUSH_S leave alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol

from zg_node import _core
from zg_node.errors import InvalidMessage, ZgError
from zg_node.execution.reminder import TICK_S, Reminder
from zg_node.p2p.network import GOSSIP_MAX_BYTES, Network, Offence
from zg_node.types.block import StoredBlock
from zg_node.types.encoding import encode
from zg_node.types.shape import decode

log = logging.getLogger("zg.gossip")

BATCH_BYTES = 48 * 1024
FLUSH_S = 0.05
QUICK_MAX = 4
"""Batches in a FLUSH_S that do not wait for more."""
BATCH_TRANSACTIONS_MAX = 4096
QUEUE_TRANSACTIONS_MAX = 50_000
"""Received and not validated yet; what comes on top is dropped."""
QUEUE_MAX_BYTES = 32 * 1024 * 1024
"""The same, of their messages."""
JOB_TRANSACTIONS = 1024

INLINE_TRANSACTIONS_MAX = 2
"""So few are validated at once, which takes less time than a thread takes to wake."""

NEVER_VALID = ("invalid sender", "rlp:", "typed transaction too short", "oversized data")
"""How the pool's answers begin for bytes that no honest node passes on."""

Outcome = bytes | tuple[int, str]


class Target(Protocol):
    """The chain whose pool takes the transactions."""

    shard: int
    chain_id: int
    pool: _core.Pool
    state: _core.State
    poke: Callable[[], None]
    now_ms: Callable[[], int]

    @property
    def head(self) -> StoredBlock: ...

    def next_base_fee(self) -> int: ...


def encode_batch(raws: Sequence[bytes]) -> bytes:
    """RLP list of EIP-2718 byte strings."""
    return encode(raws)


def decode_batch(message: bytes) -> list[bytes]:
    """The transactions of a gossip message. Raises InvalidMessage."""
    items = decode(message, GOSSIP_MAX_BYTES, "transaction batch")
    if not isinstance(items, list) or not 0 < len(items) <= BATCH_TRANSACTIONS_MAX:
        raise InvalidMessage("transaction batch: not a list of transactions")
    raws = [item for item in items if isinstance(item, bytes) and item]
    if len(raws) != len(items):
        raise InvalidMessage("transaction batch: an item is no transaction")
    return raws


class TransactionGossip:
    """One shard's transactions on the network; on the event loop, but for the validation of many."""

    def __init__(self, network: Network, topic: str, chain: Target, worker: Executor) -> None:
        """Subscribes to `topic`."""
        self._network = network
        self._topic = topic
        self._chain = chain
        self._worker = worker
        self._shared: list[bytes] = []
        self._shared_bytes = 0
        self._flush_timer: asyncio.TimerHandle | None = None
        self._quick = 0
        """Batches that may still leave at once before the timer fires."""
        self._reminder = Reminder()
        self._reminder_timer: asyncio.TimerHandle | None = None
        self._reminding: asyncio.Task[None] | None = None
        self._received: deque[tuple[str, list[bytes]]] = deque()
        self._queued = 0
        self._queued_bytes = 0
        self._job: asyncio.Task[None] | None = None
        self.dropped = 0
        """Transactions dropped because too many waited."""
        network.subscribe(topic, self.receive)

    def close(self) -> None:
        """Send nothing and take nothing more."""
        for handle in (self._flush_timer, self._reminder_timer, self._job, self._reminding):
            if handle is not None:
                handle.cancel()

    # ── out ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def share(self, raws: Sequence[bytes]) -> None:
        """Publish transactions that this node's own pool has just accepted."""
        self.remember(raws)
        self._publish(raws)

    def remember(self, raws: Sequence[bytes]) -> None:
        """Publish those of these transactions later that no block has taken by then."""
        self._reminder.add(raws)
        if self._reminder_timer is None and raws:
            self._reminder_timer = asyncio.get_running_loop().call_later(TICK_S, self._remind_timed)

    def _remind_timed(self) -> None:
        self._reminding = asyncio.get_running_loop().create_task(self._remind())

    async def _remind(self) -> None:
        loop, holds = asyncio.get_running_loop(), self._chain.pool.contains
        self._publish(await loop.run_in_executor(self._worker, self._reminder.tick, holds))
        self._reminder_timer = loop.call_later(TICK_S, self._remind_timed) if self._reminder else None

    def _publish(self, raws: Sequence[bytes]) -> None:
        for raw in raws:
            if self._shared_bytes + len(raw) > BATCH_BYTES or len(self._shared) == BATCH_TRANSACTIONS_MAX:
                self._flush()
            self._shared.append(raw)
            self._shared_bytes += len(raw) + 4
        if self._flush_timer is None:
            self._quick = QUICK_MAX
            self._flush_timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush_timed)
        if self._quick > 0:
            self._quick -= 1
            self._flush()

    def _flush_timed(self) -> None:
        self._flush_timer = None
        if self._shared:
            self._flush()
            self._flush_timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush_timed)

    def _flush(self) -> None:
        shared, self._shared, self._shared_bytes = self._shared, [], 0
        if shared:
            self._network.publish(self._topic, encode_batch(shared))

    # ── in ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, peer: str, message: bytes) -> None:
        """A batch from the network."""
        try:
            raws = decode_batch(message)
        except InvalidMessage as error:
            log.debug("peer=%s %s", peer, error)
            self._network.report(peer, Offence.MALFORMED)
            return
        size = sum(map(len, raws))
        if self._queued + len(raws) > QUEUE_TRANSACTIONS_MAX or self._queued_bytes + size > QUEUE_MAX_BYTES:
            self.dropped += len(raws)
            return
        self._received.append((peer, raws))
        self._queued += len(raws)
        self._queued_bytes += size
        if self._job is None or self._job.done():
            self._job = asyncio.get_running_loop().create_task(self._validate_all())

    async def _validate_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._received:
            batches, raws = list[tuple[str, list[bytes]]](), list[bytes]()
            while self._received and len(raws) < JOB_TRANSACTIONS:
                batches.append(self._received.popleft())
                raws += batches[-1][1]
            self._queued -= len(raws)
            self._queued_bytes -= sum(map(len, raws))
            if len(raws) <= INLINE_TRANSACTIONS_MAX:
                outcomes = self._validate(raws)
            else:
                outcomes = await loop.run_in_executor(self._worker, self._validate, raws)
            if any(type(outcome) is bytes for outcome in outcomes):
                self._chain.poke()
            self._score(batches, outcomes)

    def _validate(self, raws: Sequence[bytes]) -> list[Outcome]:
        chain = self._chain
        head = chain.head
        try:
            return chain.pool.add(
                chain.state, head.number, chain.next_base_fee(), head.header.gas_limit, raws, chain.now_ms()
            )
        except ZgError as error:
            log.warning("shard=%d gossip not validated: %s", chain.shard, error)
            return []

    def _score(self, batches: Sequence[tuple[str, list[bytes]]], outcomes: Sequence[Outcome]) -> None:
        """Passing on what nobody could have accepted costs a peer; passing it on late does not."""
        position = 0
        for peer, raws in batches:
            answers = outcomes[position : position + len(raws)]
            position += len(raws)
            if any(not isinstance(answer, bytes) and answer[1].startswith(NEVER_VALID) for answer in answers):
                self._network.report(peer, Offence.INVALID)
