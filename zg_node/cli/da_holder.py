"""`zg-node da register` and what comes after it: hold data with a deposit, earn, and leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from zg_node.cli import home as homes
from zg_node.cli.da_contract import HoldersClient, claimable, first_epoch, status
from zg_node.cli.da_refund import refund
from zg_node.cli.options import client, home_option, json_option, node_option
from zg_node.cli.output import show
from zg_node.cli.signer import signer_options
from zg_node.cli.transaction import fee_options, report, take_sender
from zg_node.cli.values import Address, Amount, coins
from zg_node.cli.votekey import VoteKeyChoice, key_of, vote_key_options
from zg_node.contracts import da
from zg_node.identity import node_seed, peer_id
from zg_node.keys import checksum

Command = TypeVar("Command", bound=Callable[..., Any])

CLAIMS_MAX = 100
"""Blobs claimed in one transaction."""


def holder_option(command: Command) -> Command:
    """`--holder`; `_holder` takes it out of the command's options."""
    return click.option("--holder", type=Address(), help="The holder, by its key's address. [default: --home's key]")(
        command
    )


@click.command()
@click.option("--deposit", type=Amount(), help="Coins that answer for the data. [default: the network's minimum]")
@click.option("--peer", metavar="ID", help="The peer id that it serves under. [default: --home's]")
@vote_key_options
@signer_options
@fee_options
@node_option
@json_option
def register(deposit: int | None, peer: str | None, rpc: str, as_json: bool, **options: Any) -> None:
    """Make this node a holder of data, with coins of yours as its deposit.

    The key of --home signs for the data, whether or not it validates; the deposit belongs to the account that pays. A
    holder keeps its part of every blob from the second epoch after this one on. A holder that cannot show what it
    signed for loses a part of the deposit, so keep the node running.

    \b
    zg-node init mine --home ~/.zg-node/node --genesis chain.toml --holder
    zg-node da register --home ~/.zg-node/node --dev 0 --deposit 100
    """
    choice = VoteKeyChoice.take(options)
    keys = choice.open()
    if peer is None:
        homes.kind_of(choice.home)
        peer = peer_id(node_seed(choice.home))
    signer, fees = take_sender(options)
    owner = signer.open()
    holders = HoldersClient(client(rpc, 0))
    config, chain_id = holders.config(), holders.node.quantity("eth_chainId")
    proof = keys.vote_key_proof(da.registration_digest(config.network, chain_id, owner.address))
    amount = deposit if deposit is not None else config.min_stake
    record = holders.contract.send(owner, fees, "register", keys.voter, peer, proof, value=amount)
    record |= {"holder": checksum(keys.voter), "owner": checksum(owner.address), "peer": peer, "deposit": coins(amount)}
    block = record.get("block")
    if isinstance(block, int):
        record["holds_from_epoch"] = first_epoch(block, config.epoch_blocks)
    report({**record, "next": f"zg-node start --home {choice.home}"}, as_json)
    if not holders.node.quantity("eth_getBalance", checksum(keys.voter), "latest"):
        click.echo(f"{checksum(keys.voter)} has no coins: send it some, it pays for answers to challenges", err=True)


@click.command("add-stake")
@click.argument("amount", type=Amount())
@holder_option
@signer_options
@fee_options
@node_option
@json_option
def add_stake(amount: int, rpc: str, as_json: bool, **options: Any) -> None:
    """Add AMOUNT coins to a holder's deposit. They count from the second epoch after this one on.

    Whoever pays, the deposit belongs to the holder's owner.
    """
    HoldersClient(client(rpc, 0)).contract.perform(options, as_json, "addStake", _holder(options), value=amount)


@click.command("exit")
@holder_option
@signer_options
@fee_options
@node_option
@json_option
def leave(rpc: str, as_json: bool, **options: Any) -> None:
    """Leave, for good, as the holder's owner.

    The holder still serves in this epoch and the next one, and answers for what it signed until that has expired: keep
    the node running. `zg-node da holder` says from which epoch on `withdraw` pays the deposit.
    """
    HoldersClient(client(rpc, 0)).contract.perform(options, as_json, "requestExit", _holder(options))


@click.command()
@holder_option
@signer_options
@fee_options
@node_option
@json_option
def withdraw(rpc: str, as_json: bool, **options: Any) -> None:
    """Be paid the deposit of a holder that has left, as its owner."""
    HoldersClient(client(rpc, 0)).contract.perform(options, as_json, "withdraw", _holder(options))


@click.command()
@holder_option
@signer_options
@fee_options
@node_option
@json_option
def claim(rpc: str, as_json: bool, **options: Any) -> None:
    """Have a holder's owner paid for the blobs that have expired."""
    signer = _holder(options)
    sender, fees = take_sender(options)
    payer = sender.open()
    holders = HoldersClient(client(rpc, 0))
    network = holders.config().network
    blobs = claimable(holders.certified(), signer, holders.epoch(), holders.signers)
    ids = [blob.id(network) for blob in blobs]
    parts = [ids[start : start + CLAIMS_MAX] for start in range(0, len(ids), CLAIMS_MAX)]
    sent = [holders.contract.send(payer, fees, "claim", signer, part) for part in parts]
    show({"blobs": len(ids), "transactions": [step["transaction"] for step in sent]}, as_json)


@click.command()
@signer_options
@fee_options
@node_option
@json_option
def collect(rpc: str, as_json: bool, **options: Any) -> None:
    """Be paid what challenges left to you: bonds, halves of bonds, parts of slashed deposits."""
    HoldersClient(client(rpc, 0)).contract.perform(options, as_json, "collect")


@click.command()
@click.argument("address", metavar="[HOLDER]", type=Address(), required=False)
@home_option
@node_option
@json_option
def holder(address: bytes | None, rpc: str, as_json: bool, **options: Any) -> None:
    """Show where a holder stands: HOLDER's address, or that of --home's key."""
    holders = HoldersClient(client(rpc, 0))
    info, epoch = holders.info(_holder({"holder": address, **options})), holders.epoch()
    show(
        {
            "holder": checksum(info.signer),
            "status": status(info, epoch, holders.signers(epoch), holders.signers(epoch + 1)),
            "epoch": epoch,
            "deposit": coins(info.stake),
            "owner": checksum(info.owner),
            "peer": info.peer or None,
            "withdraw_from_epoch": info.released_in or None,
            "open_challenges": info.open,
        },
        as_json,
    )


def _holder(options: dict[str, Any]) -> bytes:
    """The holder that a command's options name; `home` stays there for the signer. Raises InvalidConfig."""
    named = options.pop("holder")
    return named if named is not None else key_of(options["home"], "name a holder with --holder")


COMMANDS = (register, add_stake, leave, withdraw, claim, collect, refund, holder)
"""Of the group `da`."""
