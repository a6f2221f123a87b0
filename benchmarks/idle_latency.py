"""Send to final on an idle chain, one transfer at a time. Expected: p50 at most 20 ms."""

from __future__ import annotations

import click

from benchmarks.figures import print_machine, run
from zg_node.bench.account import DEVNET_FAUCET_KEY
from zg_node.bench.latency import idle_latency
from zg_node.bench.measurement import Latency
from zg_node.bench.server import run_anvil, run_node


async def measure(samples: int, peer: bool) -> Latency:
    async with run_anvil(()) if peer else run_node(1) as server:
        return await idle_latency(server.shards[0], DEVNET_FAUCET_KEY, server.fees, samples)


@click.command()
@click.option("--samples", default=200, show_default=True)
@click.option("--peer", is_flag=True, help="Measure anvil too.")
def main(samples: int, peer: bool) -> None:
    print_machine("send to final on an idle chain")
    for name, is_peer in (("zg-node", False), ("anvil", True))[: 1 + peer]:
        latency = run(measure(samples, is_peer))
        click.echo(f"{name}: p50 {latency.p50:.1f} ms, p99 {latency.p99:.1f} ms of {latency.samples} transfers")


if __name__ == "__main__":
    main()
