"""Closed-loop requests: so many connections, each with one call under way, for so long."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence

import orjson

from zg_node.bench.http import Connection, Endpoint
from zg_node.errors import InvalidRequest, Unavailable

CONNECTIONS = 64
WARM_UP_S = 1.0


def render_call(endpoint: Endpoint, method: str, *params: object) -> bytes:
    return endpoint.render_post(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))


class Caller:
    """One connection that posts its requests over and over."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.answered = 0
        self.failure: str | None = None
        self._requests = requests
        self._connection = Connection(self._on_response, self._on_lost)

    async def start(self, endpoint: Endpoint) -> None:
        await self._connection.open(endpoint)
        self._connection.send(next(self._requests))

    def stop(self) -> None:
        self._connection.close()

    def _on_response(self, body: bytes) -> None:
        if b'"error"' in body:
            self.failure = body[:200].decode(errors="replace")
            return
        self.answered += 1
        self._connection.send(next(self._requests))

    def _on_lost(self, reason: str) -> None:
        self.failure = reason


async def requests_per_second(
    endpoint: Endpoint, requests: Sequence[bytes], seconds: float, connections: int = CONNECTIONS
) -> float:
    """Answers a second, after a warm-up. Raises InvalidRequest at the first error answer."""
    callers = [Caller(itertools.cycle((*requests[index:], *requests[:index]))) for index in range(connections)]
    try:
        for caller in callers:
            await caller.start(endpoint)
        await asyncio.sleep(WARM_UP_S)
        before, started = sum(caller.answered for caller in callers), time.monotonic()
        await asyncio.sleep(seconds)
        answered, elapsed = sum(caller.answered for caller in callers) - before, time.monotonic() - started
    except Unavailable as error:
        raise InvalidRequest(str(error)) from error
    finally:
        for caller in callers:
            caller.stop()
    for caller in callers:
        if caller.failure is not None:
            raise InvalidRequest(caller.failure)
    return answered / elapsed
