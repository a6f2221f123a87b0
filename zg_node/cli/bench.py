"""`zg-node bench`: the TPS suite, and its reports."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import uvloop

from zg_node.bench import plot, text
from zg_node.bench.account import DEVNET_FAUCET_KEY
from zg_node.bench.report import Report
from zg_node.bench.run import LoadSettings
from zg_node.bench.signing import Progress
from zg_node.bench.suite import SuiteSettings, run_suite
from zg_node.bench.workload import Receivers, WorkloadName
from zg_node.errors import InvalidConfig

CONNECTIONS_BATCHED, CONNECTIONS_SINGLE = 8, 64


class TerminalVoice:
    """Progress on standard error, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def say(self, step: str) -> None:
        click.echo(f"{time.monotonic() - self._started:7.1f} s  {step}", err=True)

    @contextmanager
    def signing(self, total: int) -> Iterator[Progress]:
        self.say(f"signing {total:,} transactions")
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if sys.stderr.isatty():
                click.echo(f"\r{text.bar(done, total):<{text.BAR_COLUMNS}} {done:,}", err=True, nl=done >= total)

        yield advance


@click.group()
def bench() -> None:
    """Measure how many transactions a second become final."""


async def _until_signalled(suite: Coroutine[None, None, Report]) -> Report:
    """Run `suite`; SIGTERM ends it as Ctrl-C does, so that no server it started is left behind."""
    task = asyncio.ensure_future(suite)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise click.Abort from None


@bench.command()
@click.option(
    "--workload",
    type=click.Choice([*(name.value for name in WorkloadName), "all"]),
    default="simple",
    show_default=True,
    help="What the transactions do.",
)
@click.option("--shards", type=click.IntRange(1, 64), default=1, show_default=True, help="Shards under load at once.")
@click.option("--url", help="Measure the server at this URL instead of starting a node.")
@click.option("--metrics-url", help="With --url: where its counters are, such as http://127.0.0.1:9545.")
@click.option("--pid", type=click.IntRange(1), help="With --url: the server's process, for its CPU time.")
@click.option("--transactions", type=click.IntRange(1, 5_000_000), default=20_000, show_default=True, help="Per shard.")
@click.option("--batch", type=click.IntRange(1, 1000), default=100, show_default=True, help="Transactions a request.")
@click.option("--connections", type=click.IntRange(1, 1000), help="Per shard. [default: 8, or 64 with --batch 1]")
@click.option("--senders", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Per shard.")
@click.option(
    "--receivers",
    type=click.Choice([receivers.value for receivers in Receivers]),
    default=Receivers.EXISTING.value,
    show_default=True,
    help="Whether transfers go to accounts that exist or each to a new one.",
)
@click.option("--outstanding", type=click.IntRange(1), default=50_000, show_default=True, help="Sent and not final.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="At most so many a second and shard.")
@click.option("--repeat", type=click.IntRange(1, 100), default=1, show_default=True, help="Report the median of N.")
@click.option("--peer", type=click.Choice(["anvil"]), help="Measure this in turn with the node.")
@click.option("--faucet-key", help="Who pays for the load. [default: account 0 of the development network]")
@click.option(
    "--idle-samples",
    type=click.IntRange(0, 10_000),
    default=50,
    show_default=True,
    help="Transfers sent one at a time on the idle chain, for its latency.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here as JSON.")
@click.option("--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Write a PNG here.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead of a table.")
def run(
    workload: str,
    shards: int,
    url: str | None,
    metrics_url: str | None,
    pid: int | None,
    transactions: int,
    batch: int,
    connections: int | None,
    senders: int,
    receivers: str,
    outstanding: int,
    rate: float | None,
    repeat: int,
    peer: str | None,
    faucet_key: str | None,
    idle_samples: int,
    out: Path | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Sign a load, send it through JSON-RPC, and count what becomes final.

    Without --url every measurement starts a development node of its own in a temporary directory.
    """
    if url is None and (metrics_url is not None or pid is not None):
        raise click.UsageError("--metrics-url and --pid describe the server at --url")
    load = LoadSettings(
        workload=WorkloadName.SIMPLE,
        transactions=transactions,
        batch=batch,
        connections=connections or min(senders, CONNECTIONS_SINGLE if batch == 1 else CONNECTIONS_BATCHED),
        senders=senders,
        receivers=Receivers(receivers),
        outstanding_max=outstanding,
        rate_per_s=rate,
        faucet_key=_key(faucet_key),
    )
    settings = SuiteSettings(
        load=load,
        workloads=tuple(WorkloadName) if workload == "all" else (WorkloadName(workload),),
        shards=shards,
        repeat=repeat,
        peer=peer is not None,
        url=url,
        metrics_url=metrics_url,
        pid=pid,
        idle_samples=idle_samples,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(_until_signalled(run_suite(settings, TerminalVoice())))
    if out is not None:
        out.write_text(result.to_json())
    if picture is not None:
        plot.write_png([result], picture)
    click.echo(result.to_json() if as_json else text.render(result))


@bench.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Write a PNG here.")
def report(files: tuple[Path, ...], picture: Path | None) -> None:
    """Print saved reports, and draw them."""
    reports = [Report.load(path) for path in files]
    for index, one in enumerate(reports):
        click.echo(("\n" if index else "") + text.render(one))
    if picture is not None:
        plot.write_png(reports, picture)


def _key(text_: str | None) -> bytes:
    if text_ is None:
        return DEVNET_FAUCET_KEY
    try:
        key = bytes.fromhex(text_.removeprefix("0x"))
    except ValueError as error:
        raise InvalidConfig("--faucet-key is not hexadecimal") from error
    if len(key) != 32 or not any(key):
        raise InvalidConfig("--faucet-key is not a 32-byte private key")
    return key
