"""The TPS suite as the project reports it: every workload in batches of 100, transfers also in single requests and to
new receivers, each beside the best configuration of anvil, as one table and one JSON file.

Expected on two cores that the load generator shares: simple at least 20,000, single requests at least 15,000, erc20 at
least 12,000, uniswap at least 5,000; at least 2.5 times the peer, uniswap 1.5 times.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from benchmarks.figures import print_machine, run
from zg_node.bench import plot, text
from zg_node.bench.report import Report
from zg_node.bench.run import LoadSettings
from zg_node.bench.suite import SuiteSettings, run_suite
from zg_node.bench.workload import Receivers, WorkloadName
from zg_node.cli.bench import CONNECTIONS_SINGLE, TerminalVoice

BATCHED = LoadSettings(WorkloadName.SIMPLE)
SINGLE = replace(BATCHED, batch=1, connections=CONNECTIONS_SINGLE)
NEW = replace(BATCHED, receivers=Receivers.NEW)

PARTS: tuple[tuple[str, LoadSettings, tuple[WorkloadName, ...]], ...] = (
    ("", BATCHED, tuple(WorkloadName)),
    ("_single", SINGLE, (WorkloadName.SIMPLE,)),
    ("_new", NEW, (WorkloadName.SIMPLE,)),
)
"""(suffix of the workload's name in the report, load, workloads)."""


async def measure(transactions: int, repeat: int, peer: bool) -> Report:
    voice = TerminalVoice()
    reports = []
    for suffix, load, workloads in PARTS:
        settings = SuiteSettings(
            replace(load, transactions=transactions),
            workloads,
            repeat=repeat,
            peer=peer,
            idle_samples=0 if suffix else 200,
        )
        reports.append((suffix, await run_suite(settings, voice)))
    every = {f"{name}{suffix}": figures for suffix, part in reports for name, figures in part.workloads.items()}
    return reports[0][1].model_copy(
        update={"workloads": every, "duration_s": sum(part.duration_s for _, part in reports)}
    )


@click.command()
@click.option("--transactions", default=20_000, show_default=True)
@click.option("--repeat", default=3, show_default=True)
@click.option("--peer/--no-peer", default=True, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here as JSON.")
@click.option("--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Write a PNG here.")
def main(transactions: int, repeat: int, peer: bool, out: Path | None, picture: Path | None) -> None:
    print_machine("TPS suite")
    report = run(measure(transactions, repeat, peer))
    if out is not None:
        out.write_text(report.to_json())
    if picture is not None:
        plot.write_png([report], picture)
    click.echo(text.render(report))
    click.echo("\n`_single` is one transaction a request over 64 connections; `_new` pays to a new account each time.")


if __name__ == "__main__":
    main()
