"""`zg-node validator create`, and what a validator says about itself, which `edit` changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from zg_node.cli.options import client, json_option, node_option
from zg_node.cli.output import show
from zg_node.cli.signer import OpenedSigner, signer_options
from zg_node.cli.staking import StakingClient
from zg_node.cli.transaction import Fees, fee_options, take_sender
from zg_node.cli.values import Amount, coins
from zg_node.cli.votekey import ValidatorKeys, VoteKeyChoice, vote_key_options
from zg_node.contracts import staking
from zg_node.contracts.staking import ValidatorInfo
from zg_node.errors import InvalidConfig, InvalidRequest
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
    """What a validator says about itself; `take_description` takes it out of the command's options."""
    for name in reversed(DESCRIPTION[1:]):
        command = click.option(f"--{name.replace('_', '-')}", help=f"Its {name.replace('_', ' ')}.")(command)
    return click.option("--moniker", help="Its name, for people.")(command)


def take_description(options: dict[str, Any]) -> tuple[str | None, ...]:
    """The texts in the order of `DESCRIPTION`; None for one that was not given."""
    return tuple(options.pop(name) for name in DESCRIPTION)


@click.command()
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
    the second epoch after this one on. Two transactions make it; when the command was interrupted, run it again: what
    is done is not done twice.

    \b
    zg-node validator create --home ~/.zg-node/node --dev 0 --stake 32 --moniker mine
    """
    if withdrawal_fee % 10**9:
        raise InvalidConfig("the withdrawal fee is in whole gwei")
    terms = (tuple(text or "" for text in take_description(options)), commission, withdrawal_fee // 10**9)
    keys = VoteKeyChoice.take(options).open()
    signer, fees = take_sender(options)
    stakes, operator = StakingClient(client(rpc, 0)), signer.open()
    sent: list[str] = []
    unfinished = None
    (existing,) = stakes.contract.read("getValidator", keys.bls_pubkey)
    if any(staking.address_bytes(existing)):
        check_unfinished(stakes.info(staking.address_bytes(existing)), keys.voter)
    else:
        amount = stake if stake is not None else stakes.config().min_self_stake
        step = _stake(stakes, operator, fees, keys, terms, amount)
        sent.append(str(step["transaction"]))
        if "status" not in step:
            unfinished = (
                f"once {step['transaction']} is final (see `zg-node tx receipt`), run the same command again: it "
                "registers the vote key, without which the validator does not vote"
            )
    if unfinished is None:
        sent.append(str(_register_vote_key(stakes, operator, fees, keys)["transaction"]))
    record: dict[str, object] = {
        "validator": checksum(staking.validator_address(keys.bls_pubkey)),
        "voter": checksum(keys.voter),
        "pubkey": "0x" + keys.bls_pubkey.hex(),
        "transactions": sent,
    }
    show({**record, "next": unfinished} if unfinished else record, as_json)


def check_unfinished(found: ValidatorInfo, voter: bytes) -> None:
    """Raise InvalidRequest unless all that is missing of a validator is its vote key."""
    name = checksum(found.validator)
    if found.tombstoned:
        raise InvalidRequest(
            f"this key's validator, {name}, was slashed for contradicting itself and never comes back: make another "
            "directory, with a new key, by `zg-node init`"
        )
    if found.voter == voter:
        raise InvalidRequest(
            f"this key has a validator already, {name}, with {coins(found.tokens)} coins: `zg-node validator delegate "
            f"{name} AMOUNT` adds to them, `zg-node validator edit {name}` changes its terms"
        )


def _stake(
    stakes: StakingClient, operator: OpenedSigner, fees: Fees, keys: ValidatorKeys, terms: tuple[object, ...], wei: int
) -> dict[str, object]:
    """Create the validator. Raises as `Contract.send`."""
    pubkey = keys.bls_pubkey
    network, chain_id = stakes.config().network, stakes.node.quantity("eth_chainId")
    proof = keys.possession(staking.possession_message(network, chain_id, pubkey, operator.address))
    name = "createAndInitializeValidatorIfNecessary"
    return stakes.contract.send(operator, fees, name, *terms, pubkey, proof, value=wei)


def _register_vote_key(
    stakes: StakingClient, operator: OpenedSigner, fees: Fees, keys: ValidatorKeys
) -> dict[str, object]:
    """Have the validator vote with its key. Raises as `Contract.send`."""
    pubkey = keys.bls_pubkey
    network, chain_id = stakes.config().network, stakes.node.quantity("eth_chainId")
    proof = keys.vote_key_proof(staking.vote_key_digest(network, chain_id, pubkey))
    return stakes.contract.send(operator, fees, "registerVoteKey", pubkey, keys.voter, proof)
