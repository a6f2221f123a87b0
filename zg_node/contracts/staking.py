"""The staking contract of the root shard, as the node and the command line call it.

Block 0 makes the contract with `genesis_calls`; `closing_calls` is what a block of the root shard ends with:

    on most blocks        nothing
    views were skipped    onBlock(epoch, false, [leaders of the skipped views])
    the epoch's last      onBlock(epoch, true, […]), which also fixes the set of the epoch after the next

The contract is at 0G's address; a validator's own contract is at an address that follows from its BLS key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zg_node.contracts.abi import Function, interface
from zg_node.contracts.artifact import creation_code
from zg_node.types.hashing import keccak

STAKING = bytes.fromhex("ea224dBB52F57752044c0C86aD50930091F561B9")
"""Where the contract is predeployed: 0G's address."""
COIN = 10**18
MISSED_MAX = 256
"""Skipped views that one block reports; of more, the newest."""
VALIDATORS_MAX = 256

PROPOSAL = 0
"""A statement's kind in evidence; votes have their VoteKind's number."""


@dataclass(frozen=True, slots=True)
class StakingConfig:
    """The contract's rules, in the order of its `Config`."""

    network: bytes
    epoch_blocks: int
    unbonding_epochs: int
    jail_epochs: int
    min_self_stake: int
    """Wei."""
    reward_per_epoch: int
    """Wei."""
    slash_ppm: int


@dataclass(frozen=True, slots=True)
class GenesisMember:
    """A validator of the sets of epochs 0 and 1."""

    operator: bytes
    voter: bytes
    stake: int
    """Whole coins."""
    commission_ppm: int
    pubkey: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """What a vote or a proposal signs beside chain, epoch and view, with the signature."""

    kind: int
    parent_view: int
    block_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ValidatorInfo:
    """A validator as the contract describes it. Addresses are 20 bytes, amounts wei."""

    validator: bytes
    operator: bytes
    voter: bytes
    """Zero until a vote key is registered."""
    pubkey: bytes
    tokens: int
    shares: int
    self_stake: int
    commission_owed: int
    commission_ppm: int
    next_commission_ppm: int
    withdrawal_fee_gwei: int
    missed: int
    """Views of this epoch that it should have led and did not."""
    jailed_until: int
    """Epoch from which it may unjail; 0 when it is free."""
    tombstoned: bool
    candidate: bool
    """Whether it competes for a place in the sets to come."""


# ── what the protocol calls ─────────────────────────────────────────────────────────────────────────────────────────


def genesis_calls(
    config: StakingConfig, reserve: int, members: Sequence[GenesisMember]
) -> tuple[tuple[bytes, bytes], ...]:
    """The system calls of block 0, in order; `members` come by voter, `reserve` is wei."""
    rules = (
        config.network,
        config.epoch_blocks,
        config.unbonding_epochs,
        config.jail_epochs,
        config.min_self_stake,
        config.reward_per_epoch,
        config.slash_ppm,
    )
    admissions = [_call("admit", m.operator, m.voter, m.stake, m.commission_ppm, m.pubkey) for m in members]
    return tuple((STAKING, data) for data in (_call("initialise", rules, reserve), *admissions))


def closing_calls(epoch: int, last: bool, missed: Sequence[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """The system calls that end a block of `epoch`; `missed` are the voters that should have led the views between the
    parent's and the block's, oldest first."""
    if not last and not missed:
        return ()
    return ((STAKING, _call("onBlock", epoch, last, list(missed[-MISSED_MAX:]))),)


# ── sets ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def validators_call() -> bytes:
    """Call data of `validators()`: the set of the next block's epoch. Its answer is for `decode_set`."""
    return _call("validators")


def next_set_call() -> bytes:
    """Call data of `nextSet()`: the set of the epoch after that. Its answer is for `decode_set`."""
    return _call("nextSet")


def decode_set(data: bytes) -> tuple[tuple[bytes, int], ...]:
    """(voter, stake in coins), by voter. Raises InvalidConfig."""
    voters, stakes = function("nextSet").decode(data)
    return tuple((address_bytes(voter), stake) for voter, stake in zip(voters, stakes, strict=True))


# ── identities and signatures ───────────────────────────────────────────────────────────────────────────────────────


def validator_address(pubkey: bytes) -> bytes:
    """Where the contract of the validator with this BLS key is, or will be."""
    return keccak(b"\xff" + STAKING + keccak(pubkey) + keccak(creation_code("ValidatorContract")))[12:]


def vote_key_digest(network: bytes, chain_id: int, pubkey: bytes) -> bytes:
    """32 bytes that a voter signs to serve the validator with this key; `chain_id` is the root shard's."""
    return keccak(b"ZGVKEY1\0" + network + chain_id.to_bytes(8, "big") + validator_address(pubkey) + pubkey)


def possession_message(network: bytes, chain_id: int, pubkey: bytes, operator: bytes) -> bytes:
    """What the BLS key signs so that `operator` may create its validator."""
    return b"ZGBLSK1\0" + network + chain_id.to_bytes(8, "big") + operator + pubkey


def submit_evidence(chain_id: int, epoch: int, view: int, first: Statement, second: Statement) -> bytes:
    """Call data that slashes whoever signed both statements."""
    pair = [(s.kind, s.parent_view, s.block_hash, s.signature) for s in (first, second)]
    return _call("submitEvidence", chain_id, epoch, view, *pair)


# ── what people call and read ───────────────────────────────────────────────────────────────────────────────────────


def function(name: str) -> Function:
    """A function of the staking contract by its name."""
    return interface("Staking").functions[name]


def decode_config(data: bytes) -> StakingConfig:
    """The answer of `config`. Raises InvalidConfig."""
    (fields,) = function("config").decode(data)
    return StakingConfig(*fields)


def decode_info(data: bytes) -> ValidatorInfo:
    """The answer of `validatorInfo`. Raises InvalidConfig."""
    (fields,) = function("validatorInfo").decode(data)
    validator, operator, voter, *rest = fields
    return ValidatorInfo(address_bytes(validator), address_bytes(operator), address_bytes(voter), *rest)


def explain(data: bytes) -> str | None:
    """A revert of the contract as `StillJailed(7)`; None when it carries none of the contract's errors."""
    return interface("Staking").explain(data)


def address_bytes(text: str) -> bytes:
    """The 20 bytes of an address that was decoded."""
    return bytes.fromhex(text.removeprefix("0x"))


def _call(name: str, *values: object) -> bytes:
    return function(name).encode(*values)
