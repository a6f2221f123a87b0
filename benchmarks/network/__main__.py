"""The table of `python -m benchmarks.network`."""

from __future__ import annotations

from collections.abc import Callable

import click

from benchmarks.figures import print_machine
from benchmarks.network import failure, finality, pace, partition, throughput
from benchmarks.network.figure import Figure
from zg_node.bench.text import columns

VERDICTS = {True: "yes", False: "NO", None: ""}


@click.command()
@click.option("--only", multiple=True, help="Parts to measure; all of them otherwise.")
@click.option("--samples", default=200, show_default=True, help="Single transfers.")
@click.option("--seconds", default=20.0, show_default=True, help="How long a chain of empty blocks is watched.")
@click.option("--rounds", default=3, show_default=True, help="How often a validator fails.")
@click.option("--transactions", default=20_000, show_default=True, help="Of the load.")
@click.option("--repeat", default=3, show_default=True, help="Of the load.")
def main(only: tuple[str, ...], samples: int, seconds: float, rounds: int, transactions: int, repeat: int) -> None:
    """Measure four validators on this machine."""
    parts: dict[str, Callable[[], list[Figure]]] = {
        "finality": lambda: finality.measure(samples),
        "burst": lambda: pace.burst(seconds),
        "idle": lambda: pace.idle(seconds),
        "leader": lambda: failure.leader(rounds),
        "load": lambda: throughput.load(transactions, repeat),
        "restart": lambda: failure.restart(rounds),
        "partition": lambda: partition.heal(rounds),
    }
    if unknown := set(only) - set(parts):
        raise click.UsageError(f"no part {', '.join(sorted(unknown))}: there are {', '.join(parts)}")
    print_machine("four validators, loopback, fsync on")
    rows = [("", "target", "measured", "met")]
    for name, part in parts.items():
        if not only or name in only:
            click.echo(f"measuring {name}", err=True)
            rows += [(f.name, f.target, f.measured, VERDICTS[f.met]) for f in part()]
    click.echo(columns(rows))


if __name__ == "__main__":
    main()
