"""Closed-loop requests: so many connections, each with one call under way, for so long.

prepare(faucet) ─▶ parameters of each request ─▶ 64 connections, round and round ─▶ answers a second
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import click
import orjson

from benchmarks.figures import print_machine, run, spread
from zg_node.bench.account import DEVNET_FAUCET_KEY
from zg_node.bench.http import Connection, Endpoint
from zg_node.bench.rpc import RpcClient
from zg_node.bench.server import run_anvil, run_node
from zg_node.bench.setup import Faucet
from zg_node.errors import InvalidRequest, Unavailable

CONNECTIONS = 64
WARM_UP_S = 1.0

Prepare = Callable[[Faucet], Awaitable[Sequence[Sequence[object]]]]
"""Makes what the requests ask about; returns each request's parameters."""


def request_benchmark(method: str, prepare: Prepare) -> click.Command:
    """The command that measures `method`, on this node and with --peer on anvil."""

    @click.command()
    @click.option("--repeat", default=5, show_default=True)
    @click.option("--seconds", default=3.0, show_default=True)
    @click.option("--peer", is_flag=True, help="Measure anvil too.")
    def main(repeat: int, seconds: float, peer: bool) -> None:
        print_machine(f"{method} over {CONNECTIONS} connections")
        for name in ("zg-node", "anvil") if peer else ("zg-node",):
            rates = run(_measure(method, prepare, repeat, seconds, name == "anvil"))
            click.echo(f"{name + ':':<8} {spread(rates, 'requests/s')}")

    return main


async def _measure(method: str, prepare: Prepare, repeat: int, seconds: float, peer: bool) -> list[float]:
    async with run_anvil(()) if peer else run_node(1) as server:
        endpoint = server.shards[0]
        client = RpcClient(endpoint)
        await client.open()
        faucet = Faucet(client, DEVNET_FAUCET_KEY, await client.number("eth_chainId"), server.fees)
        await faucet.open()
        requests = [_render(endpoint, method, params) for params in await prepare(faucet)]
        client.close()
        return [await requests_per_second(endpoint, requests, seconds) for _ in range(repeat)]


def _render(endpoint: Endpoint, method: str, params: Sequence[object]) -> bytes:
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
