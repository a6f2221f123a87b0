"""The voting key of a node: made before its network's chain file is there, or for a node that has none, and shown."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import click

from zg_node.cli import home as homes
from zg_node.cli.keys import ask_password, keystore, password_option
from zg_node.cli.options import home_option, json_option
from zg_node.cli.output import show
from zg_node.cli.values import Amount
from zg_node.cli.votekey import ValidatorKeys, VoteKeyChoice, vote_key_options
from zg_node.config import Settings, load, override
from zg_node.db.durable import make_directory
from zg_node.errors import InvalidConfig
from zg_node.execution.genesis import PACKAGED, StakingRules
from zg_node.keys import checksum

STAKE_COINS = StakingRules().min_self_stake
BALANCE_WEI = 10 * 10**18


@click.command()
@vote_key_options
@home_option
@json_option
def key(as_json: bool, **options: Any) -> None:
    """Show what a chain file says of this node's voting key: its address, and the BLS key that follows from it."""
    keys = VoteKeyChoice.take(options).open()
    show({"address": checksum(keys.voter), "pubkey48": "0x" + keys.bls_pubkey.hex()}, as_json)


@click.command("new-key")
@click.option(
    "--stake",
    type=click.IntRange(1, (1 << 64) - 1),
    default=STAKE_COINS,
    show_default=True,
    help="Whole coins that the chain file stakes for this validator.",
)
@click.option(
    "--balance",
    type=Amount(),
    default=BALANCE_WEI,
    help="Coins that the chain file gives its node to pay transactions with. [default: 10]",
)
@home_option
@password_option
@json_option
def new_key(stake: int, balance: int, home: Path, password_file: Path | None, as_json: bool) -> None:
    """Make a voting key, to found a network with or for a node that has none.

    Where --home is not a data directory yet, the key is put there, and the lines that the chain file of a new network
    has for this validator are printed. `zg-node init` takes the key over once the file is finished.

    \b
    zg-node validator new-key --home ~/one >> chain.toml
    zg-node init one --home ~/one --genesis chain.toml

    Where it is one, the node votes, or holds data, with the key when it is started again and has been registered.
    """
    settings = _settings_without_key(home) if homes.is_home(home) else None
    if settings is None:
        homes.check_unused(home, "node")
    password = ask_password(password_file, confirm=True)
    keys = ValidatorKeys.of(secrets.token_bytes(32))
    make_directory(home, mode=0o700)
    stored = keystore(home).add(keys.secret, password)
    address, pubkey = checksum(keys.voter), "0x" + keys.bls_pubkey.hex()
    record: dict[str, object] = {"address": address, "pubkey48": pubkey, "file": str(stored.path)}
    if settings is not None:
        homes.keep_settings(home, override(settings, {"consensus.validator": address}))
        following = f"start the node again, then `zg-node validator create --home {home}`"
        show({**record, "next": following}, as_json)
        return
    following = f"zg-node init NAME --home {home} --genesis FILE"
    if as_json:
        show({**record, "next": following}, as_json)
        return
    click.echo(f'\n[[accounts]]\naddress = "{address}"\nbalance_wei = "{balance}"')
    click.echo(f'\n[[validators]]\naddress = "{address}"\nstake = {stake}\npubkey48 = "{pubkey}"')
    click.echo(f"the key is in {stored.path}; once the chain file is finished: {following}", err=True)


def _settings_without_key(home: Path) -> Settings:
    """The settings of a node of a network that has no key. Raises InvalidConfig."""
    homes.kind_of(home)
    settings = load(home / homes.CONFIG)
    if settings.consensus.validator:
        raise InvalidConfig(f"{home} has a key already, {settings.consensus.validator}, and a node has one")
    if settings.network.genesis in PACKAGED:
        raise InvalidConfig(f"{home} is of the development network, which has its validator: see `zg-node init --help`")
    return settings
