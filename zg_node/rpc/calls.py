"""eth_call, batched: the calls of one turn of the event loop that see the same state go to the engine as one job."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from zg_node.errors import InvalidRequest, Reverted
from zg_node.rpc.api import Chain
from zg_node.rpc.encoding import hex_data
from zg_node.rpc.errors import limit_exceeded, timed_out
from zg_node.rpc.workers import Workers

if TYPE_CHECKING:
    from zg_node import _core

JOB_MAX: Final = 128
"""Calls a job, where they are quick."""
JOB_TARGET_S: Final = 0.02
"""How long a job should last: the slower the calls, the fewer of them wait for one another."""
JOBS_MAX: Final = 2
"""Jobs that run at once, a shard: heavier work keeps the other threads."""


class Scene(NamedTuple):
    """What a call sees: jobs hold calls of one scene."""

    at: int
    """The finalised block whose state it is."""
    header: bytes
    """RLP of the header that the EVM shows."""


class Call(NamedTuple):
    scene: Scene
    request: _core.CallRequest
    deadline: float
    future: asyncio.Future[bytes]


class Caller:
    """Runs one shard's calls. Everything but `_execute` runs on the event loop."""

    def __init__(
        self, chain: Chain, workers: Workers, loop: asyncio.AbstractEventLoop, *, queue_max: int, timeout_s: float
    ) -> None:
        self._chain = chain
        self._workers = workers
        self._loop = loop
        self._queue_max = queue_max
        self._timeout_s = timeout_s
        self._queue: deque[Call] = deque()
        self._scheduled = False
        self._jobs = 0
        self._job_max = JOB_MAX

    def call(self, scene: Scene, request: _core.CallRequest) -> asyncio.Future[bytes]:
        """The output as a JSON string, later; raises InvalidRequest when too many wait."""
        if len(self._queue) >= self._queue_max:
            raise limit_exceeded()
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._queue.append(Call(scene, request, self._loop.time() + self._timeout_s, future))
        if not self._scheduled and self._jobs < JOBS_MAX:
            self._scheduled = True
            self._loop.call_soon(self._pump)
        return future

    def _pump(self) -> None:
        self._scheduled = False
        while self._queue and self._jobs < JOBS_MAX:
            job = self._take()
            if job:
                self._jobs += 1
                running = self._workers.executor.submit(self._execute, job)
                running.add_done_callback(partial(self._hand_over, job))

    def _take(self) -> list[Call]:
        """Calls of one scene from the front of the queue, less those that waited too long or were abandoned."""
        now = self._loop.time()
        scene = self._queue[0].scene
        job: list[Call] = []
        while self._queue and len(job) < self._job_max and self._queue[0].scene == scene:
            call = self._queue.popleft()
            if call.future.done():
                continue
            if call.deadline < now:
                call.future.set_exception(timed_out())
                continue
            job.append(call)
        return job

    def _execute(self, job: Sequence[Call]) -> list[bytes | _core.CallError] | Exception:
        scene = job[0].scene
        began = time.monotonic()
        try:
            return self._chain.engine.call(self._chain.state, scene.at, scene.header, [call.request for call in job])
        except Exception as error:  # noqa: BLE001 - handed to every call of the job, whose dispatcher maps or logs it
            return error
        finally:
            call_s = (time.monotonic() - began) / len(job)
            self._job_max = max(1, min(JOB_MAX, int(JOB_TARGET_S / max(call_s, 1e-6))))

    def _hand_over(self, job: Sequence[Call], done: Future[list[bytes | _core.CallError] | Exception]) -> None:
        """From the worker's thread back to the event loop."""
        if not done.cancelled():  # the node is stopping: these clients are being disconnected
            self._loop.call_soon_threadsafe(self._collect, job, done.result())

    def _collect(self, job: Sequence[Call], outcomes: list[bytes | _core.CallError] | Exception) -> None:
        self._jobs -= 1
        if isinstance(outcomes, Exception):
            self._fail(job, outcomes)
        else:
            for call, outcome in zip(job, outcomes, strict=True):
                if call.future.done():
                    continue
                if type(outcome) is bytes:
                    call.future.set_result(hex_data(outcome))
                else:
                    assert not isinstance(outcome, bytes)
                    call.future.set_exception(call_failure(outcome))
        self._pump()

    @staticmethod
    def _fail(job: Sequence[Call], error: Exception) -> None:
        for call in job:
            if not call.future.done():
                call.future.set_exception(error)


def call_failure(error: _core.CallError) -> InvalidRequest:
    """The engine's refusal as the exception that a handler would raise."""
    if error.code == 3:
        return Reverted(error.message, error.data or b"")
    return InvalidRequest(error.message, error.code)
