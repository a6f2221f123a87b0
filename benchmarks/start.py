"""From the command to block 1 on an empty data directory, and what memory that takes. Expected: at most 3 s."""

from __future__ import annotations

import asyncio
import time

import click

from benchmarks.figures import print_machine, run, spread
from zg_node.bench.process import rss_bytes
from zg_node.bench.rpc import RpcClient
from zg_node.bench.server import run_node

POLL_S = 0.005


async def start_once() -> tuple[float, float]:
    """(seconds until block 1 is served, MB of resident memory then)."""
    started = time.monotonic()
    async with run_node(1) as server:
        client = RpcClient(server.shards[0])
        await client.open()
        while True:
            if await client.number("eth_blockNumber") >= 1:
                break
            await asyncio.sleep(POLL_S)
        elapsed = time.monotonic() - started
        client.close()
        assert server.pid is not None
        return elapsed, rss_bytes(server.pid) / 1e6


@click.command()
@click.option("--repeat", default=5, show_default=True)
def main(repeat: int) -> None:
    print_machine("start to first block")
    results = [run(start_once()) for _ in range(repeat)]
    click.echo(f"start to block 1: {spread([seconds for seconds, _ in results], 's', 2)}")
    click.echo(f"resident memory:  {spread([megabytes for _, megabytes in results], 'MB')}")


if __name__ == "__main__":
    main()
