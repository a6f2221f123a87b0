"""`zg-node validator`: become a validator, delegate to one, and look at them, through any node of the network."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from zg_node.cli.options import client, home_option, json_option, node_option
from zg_node.cli.output import show, show_table
from zg_node.cli.signer import signer_options
from zg_node.cli.staking import StakingClient, record, shares_of, status
from zg_node.cli.transaction import fee_options, report, take_sender
from zg_node.cli.values import Address, Amount, coins, percent
from zg_node.cli.votekey import VoteKeyChoice, vote_key_options
from zg_node.contracts import staking
from zg_node.errors import InvalidConfig
from zg_node.keys import checksum

Command = TypeVar("Command", bound=Callable[..., Any])

DESCRIPTION = ("moniker", "identity", "website", "security_contact", "details")


class Commission(click.ParamType[int]):
    """Parts per million from per cent: "5", "5.25", "10%"."""

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,3})(?:\.(\d{1,4}))?%?", str(value).strip())
        ppm = int(match[1]) * 10_000 + int((match[2] or "").ljust(4, "0")) if match else 1_000_001
        if ppm > 1_000_000:
            self.fail(f"{value!r} is not a percentage: write 5 or 5.25, at most 100", param, ctx)
        return ppm


def description_options(command: Command) -> Command:
    """What a validator says about itself."""
    for name in reversed(DESCRIPTION[1:]):
        command = click.option(f"--{name.replace('_', '-')}", help=f"Its {name.replace('_', ' ')}.")(command)
    return click.option("--moniker", help="Its name, for people.")(command)


@click.group()
def validator() -> None:
    """Become a validator, delegate to one, and look at them.

    VALIDATOR is a validator's own address, or that of its vote key.
    """


@validator.command()
@click.option("--stake", type=Amount(), help="Coins to stake. [default: the network's minimum]")
@click.option("--commission", type=Commission(), default=50_000, help="Per cent of the rewards. [default: 5]")
@click.option("--withdrawal-fee", type=Amount(), default=0, help="What each undelegation pays you; fixed for good.")
@description_options
@vote_key_options
@signer_options
@fee_options
@node_option
@json_option
def create(stake: int | None, commission: int, withdrawal_fee: int, rpc: str, as_json: bool, **options: Any) -> None:
    """Create a validator that votes with this node's key, and stake coins of yours with it.

    The BLS key that names the validator is derived from the voting key, so that one backup keeps both. It votes from
    the second epoch after this one on. Run it again when it was interrupted: what is done is not done twice.

    \b
    zg-node validator create --home ~/.zg-node/node --dev 0 --stake 32 --moniker mine
    """
    description = _description(options)
    keys = VoteKeyChoice.take(options).open()
    signer, fees = take_sender(options)
    stakes = StakingClient(client(rpc, 0))
    operator = signer.open()
    network, chain_id = stakes.config().network, stakes.node.quantity("eth_chainId")
    pubkey = keys.bls_pubkey
    (existing,) = stakes.contract.read("getValidator", pubkey)
    steps: list[dict[str, object]] = []
    if not any(staking.address_bytes(existing)):
        proof = keys.possession(staking.possession_message(network, chain_id, pubkey, operator.address))
        if withdrawal_fee % 10**9:
            raise InvalidConfig("the withdrawal fee is in whole gwei")
        terms = (tuple(text or "" for text in description), commission, withdrawal_fee // 10**9, pubkey, proof)
        amount = stake if stake is not None else stakes.config().min_self_stake
        name = "createAndInitializeValidatorIfNecessary"
        steps.append(stakes.contract.send(operator, fees, name, *terms, value=amount))
    address = staking.validator_address(pubkey)
    if stakes.info(address).voter != keys.voter:
        proof = keys.vote_key_proof(staking.vote_key_digest(network, chain_id, pubkey))
        steps.append(stakes.contract.send(operator, fees, "registerVoteKey", pubkey, keys.voter, proof))
    show(
        {
            "validator": checksum(address),
            "voter": checksum(keys.voter),
            "pubkey": "0x" + pubkey.hex(),
            "transactions": [step["transaction"] for step in steps],
        },
        as_json,
    )


@validator.command()
@vote_key_options
@home_option
@json_option
def key(as_json: bool, **options: Any) -> None:
    """Show what a chain file says of this node's voting key: its address, and the BLS key that follows from it."""
    keys = VoteKeyChoice.take(options).open()
    show({"address": checksum(keys.voter), "pubkey48": "0x" + keys.bls_pubkey.hex()}, as_json)


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
    wanted = _description(options)
    stakes, target = _target(rpc, address)
    (now,) = stakes.contract.read("descriptionOf", target)
    description = tuple(old if new is None else new for old, new in zip(now, wanted, strict=True))
    rate = stakes.info(target).next_commission_ppm if commission is None else commission
    stakes.contract.perform(options, as_json, "editValidator", target, description, rate)


@validator.command()
@click.argument("address", metavar="VALIDATOR", type=Address())
@click.argument("amount", type=Amount())
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
@click.argument("amount", type=Amount())
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


def _description(options: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(options.pop(name) for name in DESCRIPTION)
