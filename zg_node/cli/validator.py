"""`zg-node validator`: become a validator, delegate to one, and look at them, through any node of the network."""

from __future__ import annotations

from typing import Any

import click

from zg_node.cli.options import client, json_option, node_option
from zg_node.cli.output import show, show_table
from zg_node.cli.signer import signer_options
from zg_node.cli.staking import StakingClient, next_step, record, shares_of, status
from zg_node.cli.transaction import fee_options, report, take_sender
from zg_node.cli.validator_create import DESCRIPTION, Commission, create, description_options, take_description
from zg_node.cli.validator_key import key, new_key
from zg_node.cli.values import Address, Amount, coins, percent
from zg_node.keys import checksum


@click.group()
def validator() -> None:
    """Become a validator, delegate to one, and look at them.

    VALIDATOR is a validator's own address, or that of its vote key.
    """


for made_elsewhere in (create, new_key, key):
    validator.add_command(made_elsewhere)


@validator.command()
@click.argument("address", metavar="VALIDATOR", type=Address())
@click.option("--commission", type=Commission(), help="Per cent, from the next epoch on; at most 5 more than now.")
@description_options
@signer_options
@fee_options
@node_option
@json_option
def edit(address: bytes, commission: int | None, rpc: str, as_json: bool, **options: Any) -> None:
    """Change what a validator says about itself, or its commission; what is not named stays."""
    wanted = take_description(options)
    stakes, target = _target(rpc, address)
    (now,) = stakes.contract.read("descriptionOf", target)
    description = tuple(old if new is None else new for old, new in zip(now, wanted, strict=True))
    rate = stakes.info(target).next_commission_ppm if commission is None else commission
    stakes.contract.perform(options, as_json, "editValidator", target, description, rate)


@validator.command()
@click.argument("address", metavar="VALIDATOR", type=Address())
@click.argument("amount", type=Amount(positive=True))
@signer_options
@fee_options
@node_option
@json_option
def delegate(address: bytes, amount: int, rpc: str, as_json: bool, **options: Any) -> None:
    """Stake AMOUNT coins with VALIDATOR. They earn from the next epoch on."""
    stakes, target = _target(rpc, address)
    stakes.contract.perform(options, as_json, "delegate", target, value=amount)


@validator.command()
@click.argument("address", metavar="VALIDATOR", type=Address())
@click.argument("amount", type=Amount(positive=True))
@signer_options
@fee_options
@node_option
@json_option
def undelegate(address: bytes, amount: int, rpc: str, as_json: bool, **options: Any) -> None:
    """Take AMOUNT coins back from VALIDATOR; `withdraw` pays them once the unbonding period is over."""
    stakes, target = _target(rpc, address)
    info = stakes.info(target)
    fee = info.withdrawal_fee_gwei * 10**9
    stakes.contract.perform(options, as_json, "undelegate", target, shares_of(info, amount), value=fee)


@validator.command()
@signer_options
@fee_options
@node_option
@json_option
def withdraw(rpc: str, as_json: bool, **options: Any) -> None:
    """Be paid the coins that have unbonded."""
    signer, fees = take_sender(options)
    operator = signer.open()
    report(StakingClient(client(rpc, 0)).contract.send(operator, fees, "withdraw", operator.address), as_json)


@validator.command()
@click.argument("address", metavar="VALIDATOR", type=Address())
@click.option("--commission", is_flag=True, help="The commission, as its operator, instead of your rewards.")
@signer_options
@fee_options
@node_option
@json_option
def claim(address: bytes, commission: bool, rpc: str, as_json: bool, **options: Any) -> None:
    """Be paid your rewards with VALIDATOR."""
    stakes, target = _target(rpc, address)
    signer, fees = take_sender(options)
    operator = signer.open()
    name, values = ("withdrawCommission", (target, operator.address)) if commission else ("claimRewards", (target,))
    report(stakes.contract.send(operator, fees, name, *values), as_json)


@validator.command()
@click.argument("address", metavar="VALIDATOR", type=Address())
@signer_options
@fee_options
@node_option
@json_option
def unjail(address: bytes, rpc: str, as_json: bool, **options: Any) -> None:
    """Compete for a place in the sets again after downtime."""
    stakes, target = _target(rpc, address)
    stakes.contract.perform(options, as_json, "unjail", target)


@validator.command()
@click.argument("address", metavar="VALIDATOR", type=Address())
@click.option("--delegator", type=Address(), help="Also what this account has there.")
@node_option
@json_option
def info(address: bytes, delegator: bytes | None, rpc: str, as_json: bool) -> None:
    """Show everything about VALIDATOR."""
    stakes, target = _target(rpc, address)
    found = stakes.info(target)
    (epoch,) = stakes.contract.read("epoch")
    state = status(found, epoch, stakes.set("validators"), stakes.set("nextSet"))
    (description,) = stakes.contract.read("descriptionOf", target)
    details: dict[str, object] = {
        **record(found, state),
        **({"next": following} if (following := next_step(found, state)) is not None else {}),
        "operator": checksum(found.operator),
        "pubkey": "0x" + found.pubkey.hex(),
        "next_commission": percent(found.next_commission_ppm),
        "commission_owed": coins(found.commission_owed),
        "withdrawal_fee": coins(found.withdrawal_fee_gwei * 10**9),
        "jailed_until_epoch": found.jailed_until or None,
        "epoch": epoch,
        **dict(zip(DESCRIPTION, description, strict=True)),
    }
    if delegator is not None:
        _, amount = stakes.contract.read("delegationOf", target, delegator)
        (rewards,) = stakes.contract.read("rewardsOf", target, delegator)
        details |= {"delegated": coins(amount), "rewards": coins(rewards)}
    show(details, as_json)


@validator.command("list")
@node_option
@json_option
def list_(rpc: str, as_json: bool) -> None:
    """List the validators, the strongest first, with who votes in this epoch."""
    stakes = StakingClient(client(rpc, 0))
    (epoch,) = stakes.contract.read("epoch")
    members, coming = stakes.set("validators"), stakes.set("nextSet")
    found = sorted(stakes.list(), key=lambda info: (-info.tokens, info.validator))
    records = [record(info, status(info, epoch, members, coming)) for info in found]
    if as_json:
        show({"epoch": epoch, "validators": records}, as_json)
        return
    click.echo(f"epoch {epoch}, {sum(members.values()):,} coins vote")
    show_table(records)


def _target(rpc: str, address: bytes) -> tuple[StakingClient, bytes]:
    stakes = StakingClient(client(rpc, 0))
    return stakes, stakes.find(address)
