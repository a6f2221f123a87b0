"""`zg-node start`: run the node of a data directory."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.keys import ask_password, keystore, password_option
from zg_node.cli.options import home_option
from zg_node.config import load, override
from zg_node.errors import Unavailable
from zg_node.parent import follow


@click.command()
@home_option
@click.option(
    "--config", "file", type=click.Path(dir_okay=False, path_type=Path), help="Instead of the directory's own."
)
@click.option(
    "--bootstrap",
    multiple=True,
    metavar="ADDRESS",
    help="A node to connect to first, as /ip4/…/tcp/…/p2p/<peer id>; repeatable, added to the file's.",
)
@click.option("--p2p-listen", metavar="ADDRESS", help="Where to listen for nodes, as /ip4/…/tcp/….")
@click.option("--http-port", type=click.IntRange(0, 65535), help="Port of JSON-RPC; 0 takes a free one.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Port of the metrics.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Instead of the file's.")
@click.option(
    "--parent",
    type=click.IntRange(1),
    metavar="PID",
    help="Stop as on SIGTERM when this process, which started the node, has ended (on Linux).",
)
@password_option
def start(
    home: Path,
    file: Path | None,
    bootstrap: tuple[str, ...],
    p2p_listen: str | None,
    http_port: int | None,
    metrics_port: int | None,
    log_level: str | None,
    parent: int | None,
    password_file: Path | None,
) -> None:
    """Run the node of a data directory.

    It stays in the foreground until Ctrl-C or SIGTERM. A validator's key is decrypted at the start: its password is
    read from --password-file, else from the file "password" of the directory, else you are asked. Options win over
    the configuration.
    """
    if parent is not None and not follow(parent, signal.SIGTERM):
        raise Unavailable(f"process {parent}, with which this node should stop, did not start it or has ended")
    homes.kind_of(home)
    settings = load(file or home / homes.CONFIG)
    wanted = {
        "p2p.enabled": True if bootstrap else None,
        "p2p.bootstrap": (*settings.p2p.bootstrap, *bootstrap) if bootstrap else None,
        "p2p.listen": p2p_listen,
        "rpc.port": http_port,
        "metrics.port": metrics_port,
        "node.log_level": log_level,
    }
    settings = override(settings, {name: value for name, value in wanted.items() if value is not None})

    from zg_node.cli.running import run_node  # the node's modules take a moment: not for `start --help`
    from zg_node.node import Node

    def ready(node: Node) -> None:
        click.echo(f"{settings.node.name} is ready: {node.shards[0].url}", err=True)

    key = None
    if settings.consensus.validator:
        address = bytes.fromhex(settings.consensus.validator[2:])
        kept = home / homes.PASSWORD
        password_file = password_file or (kept if kept.exists() else None)
        key = keystore(home).export(address, ask_password(password_file, confirm=False))
    run_node(settings, home, vote_key=key, on_ready=ready)
