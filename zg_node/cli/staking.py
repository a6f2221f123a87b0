"""The staking contract of a running network, as the commands of `zg-node validator` ask and call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zg_node.cli.client import RpcClient
from zg_node.cli.signer import Signer
from zg_node.cli.transaction import Fees, send_transaction
from zg_node.cli.values import coins
from zg_node.contracts import staking
from zg_node.contracts.staking import STAKING, StakingConfig, ValidatorInfo
from zg_node.errors import InvalidConfig, InvalidRequest, Reverted, Unavailable
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


class _Value(int):
    """A number that a sentence may show as coins (from wei) or as per cent (from parts per million)."""

    def __format__(self, spec: str) -> str:
        match spec:
            case "coins":
                return coins(self)
            case "ppm":
                return percent(self)
            case _:
                return super().__format__(spec)


def percent(ppm: int) -> str:
    """Parts per million as per cent without losing a digit: "5%", "0.0001%"."""
    whole, fraction = divmod(ppm, 10_000)
    digits = f"{fraction:04d}".rstrip("0")
    return f"{whole}{'.' if digits else ''}{digits}%"


def sentence(error: Reverted) -> str:
    """What the contract's refusal means."""
    decoded = staking.decode_error(error.data)
    if decoded is None:
        return str(error)
    name, values = decoded
    shown = [_Value(value) if isinstance(value, int) else value for value in values]
    return SENTENCES[name].format(*shown) if name in SENTENCES else f"the staking contract refuses: {name}"


@dataclass(frozen=True, slots=True)
class StakingClient:
    """A node of the network, asked about its root shard."""

    node: RpcClient

    def read(self, name: str, *values: object) -> tuple[Any, ...]:
        """A view's values. Raises InvalidConfig, InvalidRequest, Unavailable."""
        return staking.function(name).decode(self.call(name, *values))

    def call(self, name: str, *values: object) -> bytes:
        """A view's answer as it came. Raises InvalidRequest, Unavailable."""
        data = staking.function(name).encode(*values)
        try:
            answer = self.node.call("eth_call", {"to": checksum(STAKING), "input": "0x" + data.hex()}, "latest")
        except Reverted as error:
            raise InvalidRequest(sentence(error)) from error
        if answer == "0x":
            raise InvalidConfig(f"{self.node.url} has no staking contract: is it the root shard of a network with one?")
        try:
            return bytes.fromhex(str(answer).removeprefix("0x"))
        except ValueError as error:
            raise Unavailable(f"{self.node.url} answered eth_call with {answer!r}") from error

    def send(self, signer: Signer, fees: Fees, name: str, *values: object, value: int = 0) -> dict[str, object]:
        """Call a function in a transaction and wait for it. Raises InvalidConfig, InvalidRequest, Unavailable."""
        data = staking.function(name).encode(*values)
        try:
            return send_transaction(self.node, signer, fees, STAKING, value, data)
        except Reverted as error:
            raise InvalidRequest(sentence(error)) from error

    def config(self) -> StakingConfig:
        return staking.decode_config(self.call("config"))

    def info(self, validator: bytes) -> ValidatorInfo:
        return staking.decode_info(self.call("validatorInfo", validator))

    def find(self, address: bytes) -> bytes:
        """The validator that `address` names: its contract, or one of its voters. Raises InvalidRequest."""
        (served,) = self.read("servedBy", address)
        validator = staking.address_bytes(served)
        return validator if any(validator) else address

    def list(self) -> tuple[ValidatorInfo, ...]:
        """Every validator, in the order of their creation."""
        found: list[ValidatorInfo] = []
        while True:
            (page,) = self.read("validatorsFrom", len(found), PAGE)
            found += [self.info(staking.address_bytes(address)) for address in page]
            if len(page) < PAGE:
                return tuple(found)

    def set(self, name: str) -> dict[bytes, int]:
        """Voter → stake in coins of `validators` or `nextSet`."""
        return dict(staking.decode_set(self.call(name)))


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
