"""`zg-node db`: check, compact, carry away and bring in a stopped node's data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from zg_node import maintenance
from zg_node.cli import home as homes
from zg_node.cli.options import home_option, json_option
from zg_node.cli.output import show

Progress = Callable[[int, int], None]
"""Called with (done, total), in blocks."""


@click.group()
def db() -> None:
    """Look after the data of a stopped node."""


shard_option = click.option(
    "--shard", type=click.IntRange(0), default=0, show_default=True, help="Which shard of the node."
)


@db.command()
@home_option
@json_option
def verify(home: Path, as_json: bool) -> None:
    """Bring the databases up to the log, recompute every root, and say what there is."""
    with homes.held(home), _progress("verifying") as progress:
        report = maintenance.verify(home, progress)
    show(report, as_json)


@db.command()
@home_option
def compact(home: Path) -> None:
    """Give the databases' dead space back to the disk."""
    with homes.held(home):
        freed = maintenance.compact(home)
    click.echo(f"{freed:,} bytes freed")


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@home_option
@shard_option
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first block.")
@click.option("--last", type=click.IntRange(0), help="The last block. [default: the newest]")
def export(file: Path, home: Path, shard: int, first: int, last: int | None) -> None:
    """Write finalised blocks to FILE."""
    with homes.held(home), _progress("exporting") as progress:
        count = maintenance.export(home, shard, file, first, last, progress)
    click.echo(f"{count:,} blocks of shard {shard} in {file}")


@db.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@home_option
@shard_option
def import_(file: Path, home: Path, shard: int) -> None:
    """Read blocks from FILE, execute and check each, and append them to the chain."""
    with homes.held(home), _progress("importing") as progress:
        count = maintenance.import_(home, shard, file, progress)
    click.echo(f"{count:,} blocks imported into shard {shard}")


@contextmanager
def _progress(label: str) -> Iterator[Progress]:
    """A progress bar on standard error, where a person is watching."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def advance(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield advance
