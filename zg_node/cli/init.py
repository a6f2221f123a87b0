"""`zg-node init`: make a data directory for a node of a network."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.keys import ask_password, keystore, password_option
from zg_node.cli.options import home_option, json_option
from zg_node.cli.output import show
from zg_node.config import SHARDS_MAX, Settings, override
from zg_node.db.durable import write_file
from zg_node.execution import genesis as genesis_file
from zg_node.identity import node_seed, peer_id
from zg_node.keys import bls_pubkey, checksum

GENESIS = "genesis.toml"
PORTS_TRIED = 256


@click.command()
@click.argument("name")
@home_option
@click.option(
    "--genesis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The network's chain file, which is copied; without it the node runs the development network.",
)
@click.option(
    "--shards", type=click.IntRange(1, SHARDS_MAX), help="How many shards to run. [default: those of the chain file]"
)
@click.option(
    "--validator",
    "--holder",
    "validator",
    is_flag=True,
    help="Make a key too, to vote or to hold data with, encrypted under a password; implied by --password-file.",
)
@click.option("--bootstrap", multiple=True, metavar="ADDRESS", help="A node of the network to connect to; repeatable.")
@password_option
@json_option
def init(
    name: str,
    home: Path,
    genesis: Path | None,
    shards: int | None,
    validator: bool,
    bootstrap: tuple[str, ...],
    password_file: Path | None,
    as_json: bool,
) -> None:
    """Make a data directory for a node called NAME.

    It gets a configuration (with ports that are free on this machine now), with --genesis a copy of the chain file, and
    with --validator or --holder, which are the same, an encrypted key. A network's first validators stand under
    [[validators]] in its chain file, each with the address of its key and the pubkey48 of the BLS key that follows from
    it, as printed here, and first holders of data under [[da.holders]]; later ones join with `zg-node validator create`
    and `zg-node da register`. The development network has a key that everybody knows.
    """
    validator = validator or password_file is not None
    if validator and not genesis:
        raise click.UsageError("--validator needs --genesis: the development network has its validator")
    changes: dict[str, object] = {"node.name": name, "network.shards": shards or 1}
    if genesis:
        file = genesis_file.load(genesis).file
        changes |= {"network.shards": shards or file.shards, "network.genesis": GENESIS, "p2p.enabled": True}
        changes["p2p.bootstrap"] = bootstrap
        changes |= _free_ports()
    settings = override(Settings(), changes)
    password = ask_password(password_file, confirm=True) if validator else ""
    homes.begin(home, "node")
    record: dict[str, object] = {"name": name, "home": str(home), "config": str(home / homes.CONFIG)}
    record["rpc"] = f"http://{settings.rpc.host}:{settings.rpc.port}"
    if genesis:
        write_file(home / GENESIS, genesis.read_bytes())
        record["genesis"] = str(home / GENESIS)
        record["peer_id"] = peer_id(node_seed(home))
    if validator:
        secret = secrets.token_bytes(32)
        record["validator"] = checksum(keystore(home).add(secret, password).address)
        record["pubkey48"] = "0x" + bls_pubkey(secret).hex()
        settings = override(settings, {"consensus.validator": record["validator"]})
    homes.keep_settings(home, settings)
    show({**record, "next": f"zg-node start --home {home}"}, as_json)


def _free_ports() -> dict[str, object]:
    """The usual ports, or the next ones where others on this machine have these."""
    defaults = Settings()
    host, _, p2p = defaults.p2p.listen.rpartition("/")
    return {
        "rpc.port": _free_from(defaults.rpc.port),
        "metrics.port": _free_from(defaults.metrics.port),
        "p2p.listen": f"{host}/{_free_from(int(p2p))}",
    }


def _free_from(first: int) -> int:
    """The first port from `first` on that nobody listens on; `first` itself when all are taken."""
    return next((port for port in range(first, first + PORTS_TRIED) if _is_free(port)), first)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
