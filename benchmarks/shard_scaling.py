"""One shard against two of the same node.

Capped: each shard is sent 30 % of what one shard alone can do, so that cores are not what limits; two shards should do
at least 1.9 times as much as one. Uncapped: they share two cores, so two together should do at least 0.95 of one.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import click

from benchmarks.figures import print_machine, run, spread
from zg_node.bench.run import LoadSettings, measure
from zg_node.bench.server import run_node
from zg_node.bench.signing import SigningPool
from zg_node.bench.workload import WorkloadName
from zg_node.cli.bench import TerminalVoice

CAP = 0.3


async def tps(shards: int, load: LoadSettings, pool: SigningPool, repeat: int, voice: TerminalVoice) -> list[float]:
    """All shards together, once a repeat."""
    found = []
    for _ in range(repeat):
        voice.say(f"{shards} shard(s), {'uncapped' if load.rate_per_s is None else f'{load.rate_per_s:,.0f}/s each'}")
        async with run_node(shards) as server:
            found.append((await measure(server, load, pool, voice)).total.tps)
    return found


async def compare(load: LoadSettings, repeat: int) -> None:
    voice = TerminalVoice()
    with SigningPool() as pool:
        one = await tps(1, load, pool, repeat, voice)
        two = await tps(2, replace(load, transactions=load.transactions // 2), pool, repeat, voice)
        click.echo(
            f"uncapped: one {spread(one, 'TPS')}, two {spread(two, 'TPS')}: {median(two) / median(one):.2f} of one"
        )
        capped = replace(load, rate_per_s=CAP * median(one), batch=10)
        one = await tps(1, capped, pool, repeat, voice)
        two = await tps(2, capped, pool, repeat, voice)
        click.echo(
            f"capped:   one {spread(one, 'TPS')}, two {spread(two, 'TPS')}: {median(two) / median(one):.2f} of one"
        )


@click.command()
@click.option("--workload", type=click.Choice([name.value for name in WorkloadName]), default="simple")
@click.option("--transactions", default=40_000, show_default=True)
@click.option("--repeat", default=3, show_default=True)
def main(workload: str, transactions: int, repeat: int) -> None:
    print_machine(f"shard scaling, {workload}")
    run(compare(LoadSettings(WorkloadName(workload), transactions), repeat))


if __name__ == "__main__":
    main()
