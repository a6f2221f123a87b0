"""`zg-node init`: make a data directory for a node of a network."""

from __future__ import annotations

from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.keys import ask_password, keystore, password_option
from zg_node.cli.options import home_option, json_option
from zg_node.cli.output import show
from zg_node.config import SHARDS_MAX, Settings, override
from zg_node.db.durable import write_file
from zg_node.execution import genesis as genesis_file
from zg_node.keys import checksum

GENESIS = "genesis.toml"


@click.command()
@click.argument("name")
@home_option
@click.option(
    "--genesis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The network's chain file, which is copied; without it the node runs the development network.",
)
@click.option(
    "--shards", type=click.IntRange(1, SHARDS_MAX), default=1, show_default=True, help="How many shards to run."
)
@password_option
@json_option
def init(name: str, home: Path, genesis: Path | None, shards: int, password_file: Path | None, as_json: bool) -> None:
    """Make a data directory for a node called NAME.

    It gets a configuration, and with --genesis a copy of the chain file and an encrypted voting key. The voting key's
    address belongs under [[validators]] in the chain file before the network begins; the development network has a
    voting key that everybody knows.
    """
    changes: dict[str, object] = {"node.name": name, "network.shards": shards}
    if genesis:
        genesis_file.load(genesis)
        password = ask_password(password_file, confirm=True)
        changes["network.genesis"] = GENESIS
    settings = override(Settings(), changes)
    homes.begin(home, "node")
    record: dict[str, object] = {"name": name, "home": str(home), "config": str(home / homes.CONFIG)}
    if genesis:
        write_file(home / GENESIS, genesis.read_bytes())
        record["genesis"] = str(home / GENESIS)
        record["validator"] = checksum(keystore(home).create(password).address)
        settings = override(settings, {"consensus.validator": record["validator"]})
    homes.keep_settings(home, settings)
    show({**record, "next": f"zg-node start --home {home}"}, as_json)
