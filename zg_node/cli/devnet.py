"""`zg-node devnet`: a development network in one process, kept between runs."""

from __future__ import annotations

from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.options import DEVNET_HOME, HomePath
from zg_node.config import SHARDS_MAX, Settings, load, override

QUIET = "warning"
"""The log level unless something says otherwise: the lines about blocks are enough."""


@click.command()
@click.option(
    "--shards",
    type=click.IntRange(1, SHARDS_MAX),
    help="How many shards to run; more may be added later. [default: those of the data directory, else 1]",
)
@click.option(
    "--datadir",
    type=HomePath(),
    default=DEVNET_HOME,
    show_default=True,
    help="Where the network is kept; a second start goes on where the first stopped.",
)
@click.option("--reset", is_flag=True, help="Remove the data directory first and begin at block 0.")
@click.option(
    "--http-port", type=click.IntRange(0, 65535), help="Port of JSON-RPC; 0 takes a free one. [default: 8545]"
)
@click.option("--http-host", help="Address of JSON-RPC. [default: 127.0.0.1]")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Port of the metrics. [default: 9545]")
@click.option(
    "--block-time-ms",
    type=click.IntRange(0),
    help="A block every so many milliseconds; 0 makes one when there are transactions. [default: 0]",
)
@click.option("--engine", type=click.Choice(["native", "py-evm"]), help="What executes transactions. [default: native]")
@click.option("--archive", is_flag=True, help="Keep the state of every block.")
@click.option("--prune", type=click.IntRange(0), metavar="N", help="Keep the state of N blocks. [default: 10000]")
@click.option("--config", "file", type=click.Path(dir_okay=False, path_type=Path), help="A configuration file.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[default: warning]")
@click.option("--silent", is_flag=True, help="Print nothing but log lines.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line: readiness, then every block.")
def devnet(
    shards: int | None,
    datadir: Path,
    reset: bool,
    http_port: int | None,
    http_host: str | None,
    metrics_port: int | None,
    block_time_ms: int | None,
    engine: str | None,
    archive: bool,
    prune: int | None,
    file: Path | None,
    log_level: str | None,
    silent: bool,
    as_json: bool,
) -> None:
    """Start a development network with ten funded accounts.

    Blocks are final in milliseconds; JSON-RPC and WebSocket are on port 8545. Options win over --config, which wins
    over the defaults.
    """
    if archive and prune is not None:
        raise click.UsageError("--archive keeps everything, --prune does not: give one of them")
    configured = load(file) if file else Settings()
    if shards is None and "shards" in configured.network.model_fields_set:
        shards = configured.network.shards
    kept = 0 if reset else homes.shards_of(datadir)
    if shards is not None and kept:
        homes.check_shards(datadir, shards, "leave out --shards to run all of them, or begin anew with --reset")
    wanted = {
        "network.shards": shards or kept or None,
        "node.log_level": log_level or (None if file else QUIET),
        "rpc.port": http_port,
        "rpc.host": http_host,
        "metrics.port": metrics_port,
        "consensus.block_time_ms": block_time_ms,
        "engine.name": engine,
        "state.archive": archive or None,
        "state.history_blocks": prune,
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    settings = override(configured, changes)
    if reset:
        homes.wipe(datadir, "devnet")
    if not homes.is_home(datadir):
        homes.begin(datadir, "devnet")
    homes.keep_settings(datadir, settings)

    from zg_node.cli import banner  # the node's modules take a moment: not for `devnet --help`
    from zg_node.cli.running import run_node

    voice = banner.silent() if silent else banner.for_scripts() if as_json else banner.for_people(kept)
    run_node(settings, datadir, on_ready=voice.ready, on_block=voice.block, on_stopping=voice.stopping)
