"""`zg-node start`: run the node of a data directory."""

from __future__ import annotations

from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.options import home_option
from zg_node.config import load, override


@click.command()
@home_option
@click.option(
    "--config", "file", type=click.Path(dir_okay=False, path_type=Path), help="Instead of the directory's own."
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Instead of the file's.")
def start(home: Path, file: Path | None, log_level: str | None) -> None:
    """Run the node of a data directory.

    It stays in the foreground until Ctrl-C or SIGTERM.
    """
    homes.kind_of(home)
    settings = load(file or home / homes.CONFIG)
    if log_level:
        settings = override(settings, {"node.log_level": log_level})

    from zg_node.cli.running import run_node  # the node's modules take a moment: not for `start --help`
    from zg_node.node import Node

    def ready(node: Node) -> None:
        click.echo(f"{settings.node.name} is ready: {node.shards[0].url}", err=True)

    run_node(settings, home, on_ready=ready)
