"""The staking contract of a running network, as the commands of `zg-node validator` ask and call it."""

from __future__ import annotations

from dataclasses import dataclass

from zg_node.cli.client import RpcClient
from zg_node.cli.contract import Contract
from zg_node.cli.values import coins, percent
from zg_node.contracts import staking
from zg_node.contracts.staking import STAKING, StakingConfig, ValidatorInfo
from zg_node.keys import checksum

PAGE = 100
"""Validators asked for at once."""

SENTENCES = {
    "NotOperator": "only the validator's operator may do that: send from its account",
    "UnknownValidator": "there is no such validator: see `zg-node validator list`",
    "ValidatorExists": "a validator with this key exists already",
    "TooLong": "{0} is too long",
    "BadPossessionProof": "the BLS key's proof was made for another operator or network",
    "BadVoteKeyProof": "the vote key's proof was made for another validator or network",
    "VoterTaken": "this vote key has served another validator, and a key serves one for good: make a new one",
    "CommissionTooHigh": "the commission may be at most {1:ppm}",
    "FeeTooHigh": "the withdrawal fee is at most one coin",
    "WrongFee": "the withdrawal fee is {0:coins} coins",
    "TooLittleStake": "{0:coins} coins are too few: at least {1:coins} are needed",
    "NotEnoughShares": "only {0:coins} coins' worth of shares are delegated there",
    "NothingToPay": "there is nothing to pay out yet",
    "TooManyUnbondings": "too many withdrawals wait already: withdraw what has unbonded first",
    "CandidatesFull": "the list of candidates is full, and the weakest of them has more stake",
    "NoVoteKey": "the validator has no vote key yet",
    "IsTombstoned": "the validator was slashed for contradicting itself; it never comes back",
    "NotJailed": "the validator is not in jail",
    "StillJailed": "the validator is in jail until epoch {0}",
}
"""What the contract's errors mean to a person; the values come in the error's order."""


@dataclass(frozen=True, slots=True)
class StakingClient:
    """A node of the network, asked about its root shard."""

    node: RpcClient

    @property
    def contract(self) -> Contract:
        return Contract(self.node, STAKING, "Staking", "staking contract", SENTENCES)

    def config(self) -> StakingConfig:
        return staking.decode_config(self.contract.call("config"))

    def info(self, validator: bytes) -> ValidatorInfo:
        return staking.decode_info(self.contract.call("validatorInfo", validator))

    def find(self, address: bytes) -> bytes:
        """The validator that `address` names: its contract, or one of its voters. Raises InvalidRequest."""
        (served,) = self.contract.read("servedBy", address)
        validator = staking.address_bytes(served)
        return validator if any(validator) else address

    def list(self) -> tuple[ValidatorInfo, ...]:
        """Every validator, in the order of their creation."""
        found: list[ValidatorInfo] = []
        while True:
            (page,) = self.contract.read("validatorsFrom", len(found), PAGE)
            found += [self.info(staking.address_bytes(address)) for address in page]
            if len(page) < PAGE:
                return tuple(found)

    def set(self, name: str) -> dict[bytes, int]:
        """Voter → stake in coins of `validators` or `nextSet`."""
        return dict(staking.decode_set(self.contract.call(name)))


def status(info: ValidatorInfo, epoch: int, members: dict[bytes, int], coming: dict[bytes, int]) -> str:
    """One word for where a validator stands."""
    if info.tombstoned:
        return "slashed"
    if info.jailed_until:
        return "jailed" if epoch < info.jailed_until else "may unjail"
    if info.voter in members:
        return "voting"
    if info.voter in coming:
        return "next epoch"
    return "waiting" if info.candidate else "inactive"


def next_step(info: ValidatorInfo, state: str) -> str | None:
    """What brings back a validator that has lost its place; None for any other."""
    match state:
        case "slashed":
            return "none: a validator that contradicted itself never votes again"
        case "jailed":
            return f"from epoch {info.jailed_until} on, zg-node validator unjail {checksum(info.validator)}"
        case "may unjail":
            return f"zg-node validator unjail {checksum(info.validator)}"
    return None


def record(info: ValidatorInfo, state: str) -> dict[str, object]:
    """A validator as a line of a table, or a part of JSON."""
    return {
        "validator": checksum(info.validator),
        "status": state,
        "stake": coins(info.tokens),
        "self_stake": coins(info.self_stake),
        "commission": percent(info.commission_ppm),
        "voter": checksum(info.voter) if any(info.voter) else None,
        "missed": info.missed,
    }


def shares_of(info: ValidatorInfo, amount: int) -> int:
    """The shares that are worth `amount` wei, rounded up; as many as wei before a slash."""
    return -(-amount * info.shares // info.tokens) if info.tokens else amount
