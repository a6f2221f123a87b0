"""`zg-node start`: run the node of a data directory."""

from __future__ import annotations

from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.keys import ask_password, keystore, password_option
from zg_node.cli.options import home_option
from zg_node.config import load, override


@click.command()
@home_option
@click.option(
    "--config", "file", type=click.Path(dir_okay=False, path_type=Path), help="Instead of the directory's own."
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Instead of the file's.")
@password_option
def start(home: Path, file: Path | None, log_level: str | None, password_file: Path | None) -> None:
    """Run the node of a data directory.

    It stays in the foreground until Ctrl-C or SIGTERM. A validator's key is decrypted at the start: you are asked for
    its password, or it is read from --password-file.
    """
    homes.kind_of(home)
    settings = load(file or home / homes.CONFIG)
    if log_level:
        settings = override(settings, {"node.log_level": log_level})

    from zg_node.cli.running import run_node  # the node's modules take a moment: not for `start --help`
    from zg_node.node import Node

    def ready(node: Node) -> None:
        click.echo(f"{settings.node.name} is ready: {node.shards[0].url}", err=True)

    key = None
    if settings.consensus.validator:
        address = bytes.fromhex(settings.consensus.validator[2:])
        key = keystore(home).export(address, ask_password(password_file, confirm=False))
    run_node(settings, home, vote_key=key, on_ready=ready)
