"""`zg-node init`: make a data directory for a node of a network."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from zg_node.cli import home as homes
from zg_node.cli.keys import ask_password, keystore, password_option
from zg_node.cli.options import home_option, json_option
from zg_node.cli.output import show
from zg_node.cli.port import refusal
from zg_node.config import SHARDS_MAX, Settings, override
from zg_node.db.durable import write_file
from zg_node.errors import InvalidConfig
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
    help="Make a key too, to vote or to hold data with, encrypted under a password; implied by the next two.",
)
@password_option
@click.option(
    "--generate-password", is_flag=True, help="Make a password and keep it in the directory, beside what it opens."
)
@click.option("--bootstrap", multiple=True, metavar="ADDRESS", help="A node of the network to connect to; repeatable.")
@json_option
def init(
    name: str,
    home: Path,
    genesis: Path | None,
    shards: int | None,
    validator: bool,
    password_file: Path | None,
    generate_password: bool,
    bootstrap: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a data directory for a node called NAME.

    It gets a configuration (with ports that are free on this machine now), with --genesis a copy of the chain file, and
    with --validator or --holder, which are the same, an encrypted key. A later validator or holder of data registers
    that key with `zg-node validator create` or `zg-node da register`. A founder of the network made its key before,
    with `zg-node validator new-key`: when the chain file lists a key of --home, the node votes with that one. The
    development network has a key that everybody knows.
    """
    validator = validator or generate_password or password_file is not None
    if validator and not genesis:
        raise click.UsageError("--validator needs --genesis: the development network has its validator")
    if bootstrap and not genesis:
        raise click.UsageError(
            "--bootstrap needs --genesis, the chain file of the network: without it the node is a development network "
            "of its own"
        )
    if generate_password and password_file:
        raise click.UsageError("--password-file has a password, --generate-password makes one: give one of them")
    homes.check_unused(home, "node")
    changes = {"node.name": name, "network.shards": shards or 1, **free_ports()}
    if genesis:
        file = genesis_file.load(genesis).file
        if shards is not None and shards > file.shards:
            raise InvalidConfig(f"--shards {shards} is more than the {file.shards} of the network in {genesis}")
        changes |= {"network.shards": shards or file.shards, "network.genesis": GENESIS, "p2p.enabled": True}
        changes["p2p.bootstrap"] = bootstrap
    settings = override(Settings(), changes)
    founder = _listed_key(home, file) if genesis else None
    password = ""
    if founder is not None and generate_password:
        raise InvalidConfig(f"{home} has the key of {checksum(founder)}, whose password it was made with")
    if founder is not None and password_file:
        keystore(home).export(founder, ask_password(password_file, confirm=False))
    if validator and founder is None:
        password = secrets.token_hex(24) if generate_password else ask_password(password_file, confirm=True)
    homes.begin(home, "node")
    record: dict[str, object] = {"name": name, "home": str(home), "config": str(home / homes.CONFIG)}
    record["rpc"] = f"http://{settings.rpc.host}:{settings.rpc.port}"
    if genesis:
        write_file(home / GENESIS, genesis.read_bytes())
        record["genesis"] = str(home / GENESIS)
        record["peer_id"] = peer_id(node_seed(home))
    if founder is not None:
        record["validator"] = checksum(founder)
    elif validator:
        if generate_password:
            write_file(home / homes.PASSWORD, password.encode(), mode=0o600)
        secret = secrets.token_bytes(32)
        record["validator"] = checksum(keystore(home).add(secret, password).address)
        record["pubkey48"] = "0x" + bls_pubkey(secret).hex()
    settings = override(settings, {"consensus.validator": record.get("validator", "")})
    homes.keep_settings(home, settings)
    show({**record, "next": f"zg-node start --home {home}"}, as_json)


def _listed_key(home: Path, chain: genesis_file.ChainFile) -> bytes | None:
    """The address of the key in `home` that `chain` lists as a validator's or a holder's. Raises InvalidConfig when it
    lists several: a node has one key."""
    listed = [member.address for member in chain.validators] + [holder.signer for holder in chain.da.holders]
    addresses = {bytes.fromhex(address[2:]) for address in listed}
    found = [stored.address for stored in keystore(home).list() if stored.address in addresses]
    if len(found) > 1:
        names = ", ".join(map(checksum, found))
        raise InvalidConfig(
            f"the chain file lists several keys of {home}, and a node has one: move away all but one of {names}"
        )
    return found[0] if found else None


def free_ports() -> dict[str, object]:
    """Settings with the usual ports, or the next ones where others on this machine have these."""
    defaults = Settings()
    host, _, p2p = defaults.p2p.listen.rpartition("/")
    return {
        "rpc.port": _free_from(defaults.rpc.port),
        "metrics.port": _free_from(defaults.metrics.port),
        "p2p.listen": f"{host}/{_free_from(int(p2p))}",
    }


def _free_from(first: int) -> int:
    """The first port from `first` on that nobody listens on; `first` itself when all are taken."""
    return next((port for port in range(first, first + PORTS_TRIED) if refusal("127.0.0.1", port) is None), first)
