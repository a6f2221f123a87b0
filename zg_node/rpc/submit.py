"""eth_sendRawTransaction, batched: the hot path.

Raw transactions of all connections are collected for one turn of the event loop and go to the pool together, because
each crossing into a thread and back costs as much as recovering a signature.

    submit ─▶ lane queue ─▶ (end of the turn) ─┬─ shallow: Pool.add here ──────────┬─▶ answers, in order
                                               └─ deep: Pool.add in a worker thread ┘   and one poke

A connection always uses the same lane and a lane runs one job at a time, so the order of its transactions holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Final, Protocol

from zg_node.errors import ZgError
from zg_node.rpc.api import Chain, Reply
from zg_node.rpc.errors import LIMIT_EXCEEDED, SERVER_ERROR, error_object

log = logging.getLogger(__name__)

SHALLOW_MAX: Final = 7
"""Transactions that are validated on the event loop: fewer than a thread hop is worth."""
SLICE_MAX: Final = 512
"""Transactions a job: about 15 ms of recovery, so that answers flow."""

Outcome = bytes | tuple[int, str]
"""The transaction hash, or (JSON-RPC error code, message)."""


class Submission(Protocol):
    """Raw transactions that are answered together."""

    @property
    def raws(self) -> Sequence[str]: ...

    def answer(self, outcomes: Sequence[Outcome]) -> None:
        """Take one outcome for each of `raws`, in order."""


def outcome_json(request_id: str, outcome: Outcome) -> str:
    """A JSON-RPC response; `request_id` is encoded JSON."""
    if type(outcome) is bytes:
        return f'{{"jsonrpc":"2.0","id":{request_id},"result":"0x{outcome.hex()}"}}'
    code, message = outcome
    assert type(code) is int
    assert type(message) is str
    return f'{{"jsonrpc":"2.0","id":{request_id},"error":{error_object(code, message).decode()}}}'


class SingleSubmission:
    """One request."""

    __slots__ = ("_id", "_reply", "raws")

    def __init__(self, request_id: str, raw: str, reply: Reply) -> None:
        self._id = request_id
        self.raws = (raw,)
        self._reply = reply

    def answer(self, outcomes: Sequence[Outcome]) -> None:
        self._reply.finish(outcome_json(self._id, outcomes[0]).encode())


class BatchSubmission:
    """A batch that holds nothing else."""

    __slots__ = ("_ids", "_reply", "raws")

    def __init__(self, request_ids: Sequence[str], raws: Sequence[str], reply: Reply) -> None:
        self._ids = request_ids
        self.raws = raws
        self._reply = reply

    def answer(self, outcomes: Sequence[Outcome]) -> None:
        self._reply.finish(f"[{','.join(map(outcome_json, self._ids, outcomes))}]".encode())


class FutureSubmission:
    """One transaction for a handler that awaits it."""

    __slots__ = ("future", "raws")

    def __init__(self, raw: str, future: asyncio.Future[Outcome]) -> None:
        self.raws = (raw,)
        self.future = future

    def answer(self, outcomes: Sequence[Outcome]) -> None:
        if not self.future.done():
            self.future.set_result(outcomes[0])


class Lane:
    """A queue whose submissions are validated strictly in order."""

    __slots__ = ("busy", "queue", "scheduled", "size")

    def __init__(self) -> None:
        self.queue: deque[Submission] = deque()
        self.size = 0
        self.scheduled = False
        self.busy = False

    def take(self) -> tuple[list[Submission], list[str]]:
        """The next job: whole submissions, at least one, up to about SLICE_MAX transactions."""
        job: list[Submission] = []
        raws: list[str] = []
        queue = self.queue
        while queue and (not raws or len(raws) + len(queue[0].raws) <= SLICE_MAX):
            submission = queue.popleft()
            job.append(submission)
            raws.extend(submission.raws)
        self.size -= len(raws)
        return job, raws


class Submitter:
    """Feeds one shard's pool. Everything but `_validate` runs on the event loop."""

    def __init__(
        self,
        chain: Chain,
        executor: Executor,
        loop: asyncio.AbstractEventLoop,
        *,
        lanes: int,
        queue_max: int,
        on_accepted: Callable[[], None],
    ) -> None:
        self._chain = chain
        self._executor = executor
        self._loop = loop
        self._lanes = tuple(Lane() for _ in range(lanes))
        self._queue_max = queue_max
        self._on_accepted = on_accepted
        self.waiting = 0
        """Transactions queued or being validated."""

    def submit(self, submission: Submission, lane_index: int) -> None:
        """Queue; `answer` is called later, or at once with -32005 when the queue is full."""
        count = len(submission.raws)
        if self.waiting + count > self._queue_max:
            submission.answer([(LIMIT_EXCEEDED, "limit exceeded")] * count)
            return
        lane = self._lanes[lane_index % len(self._lanes)]
        lane.queue.append(submission)
        lane.size += count
        self.waiting += count
        if not lane.scheduled and not lane.busy:
            lane.scheduled = True
            self._loop.call_soon(self._pump, lane)

    async def submit_one(self, raw: str, lane_index: int) -> Outcome:
        """Queue one transaction and wait for its outcome."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self.submit(FutureSubmission(raw, future), lane_index)
        return await future

    def _pump(self, lane: Lane) -> None:
        lane.scheduled = False
        if lane.busy or not lane.queue:
            return
        shallow = lane.size <= SHALLOW_MAX
        job, raws = lane.take()
        if shallow:
            self._finish(job, self._validate(raws))
            return
        try:
            future = self._executor.submit(self._validate, raws)
        except RuntimeError:  # the executor is closed: the node is stopping, these clients are being disconnected
            return
        lane.busy = True
        future.add_done_callback(partial(self._hand_over, lane, job))

    def _hand_over(self, lane: Lane, job: Sequence[Submission], done: Future[list[Outcome]]) -> None:
        """From the worker's thread back to the event loop."""
        if not done.cancelled():  # the node is stopping: these clients are being disconnected
            self._loop.call_soon_threadsafe(self._collect, lane, job, done.result())

    def _collect(self, lane: Lane, job: Sequence[Submission], outcomes: list[Outcome]) -> None:
        lane.busy = False
        self._finish(job, outcomes)
        self._pump(lane)

    def _validate(self, raws: Sequence[str]) -> list[Outcome]:
        """Never raises: an outcome for each of `raws`. Runs in a worker thread or on the loop."""
        chain = self._chain
        head = chain.head
        try:
            return chain.pool.add(
                chain.state, head.number, chain.next_base_fee(), head.header.gas_limit, raws, chain.now_ms()
            )
        except ZgError as error:
            return [(SERVER_ERROR, str(error))] * len(raws)
        except Exception:  # the clients still need their answers, in order
            log.exception("validation failed shard=%d transactions=%d", chain.shard, len(raws))
            return [(-32603, "internal error")] * len(raws)

    def _finish(self, job: Sequence[Submission], outcomes: list[Outcome]) -> None:
        start = 0
        accepted: list[str] = []
        for submission in job:
            end = start + len(submission.raws)
            answers = outcomes[start:end]
            submission.answer(answers)
            accepted.extend(raw for raw, answer in zip(submission.raws, answers, strict=True) if type(answer) is bytes)
            start = end
        self.waiting -= start
        if accepted:
            self._chain.accepted(accepted)
            self._on_accepted()
