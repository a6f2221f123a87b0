"""Block 0: a chain file (TOML) becomes the allocation of every shard, the first validator set and the network's
identity.

    chain file ─▶ allocation of every shard
                       └─ + contracts of the root shard, initialised by system calls ─▶ allocation of the root shard

The keys are explained in genesis/README.md. Artefacts named by predeploys are packaged under zg_node/genesis_data.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import orjson
import rlp
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zg_node import _core
from zg_node.contracts import artifact as artifacts
from zg_node.contracts import da, staking
from zg_node.errors import InvalidBlock, InvalidConfig
from zg_node.execution.fees import BASE_FEE_MAX, FeeRules
from zg_node.types.block import Attributes, ConsensusHeader
from zg_node.types.hashing import EMPTY_CODE_HASH, ZERO_HASH, keccak

Hex = Annotated[str, Field(pattern=r"^0x([0-9a-fA-F]{2})*$")]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
Wei = Annotated[str, Field(pattern=r"^[0-9]{1,78}$")]
Reward = Annotated[str, Field(pattern=r"^[0-9]{1,30}$")]
Pubkey = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{96}$")]

PACKAGED = frozenset({"devnet"})
"""Chain files that come with the package, by name."""

OWN_CONTRACTS = {
    staking.STAKING: "staking contract",
    da.DATA_AVAILABILITY: "contract of data availability",
    da.DATA_VERIFIER: "verifier of data availability",
}
"""Contracts that no chain file lists."""
CHAIN_ID_MAX = 2**53 - 1 - 1024
"""JavaScript clients hold chain ids in doubles; the shards' ids follow the root's."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fees(_Strict):
    gas_per_s: int = Field(ge=1_000_000, le=1_000_000_000_000)
    base_fee_floor_wei: int = Field(gt=0, le=BASE_FEE_MAX)
    max_change_per_mille: int = Field(gt=0, le=1000)


class Predeploy(_Strict):
    name: str
    address: Address
    nonce: int = Field(default=1, ge=0)
    balance_wei: Wei = "0"
    artifact: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]+$")
    code: Hex | None = None


class FundedAccount(_Strict):
    address: Address
    balance_wei: Wei
    private_key: Hex | None = None


class GenesisValidator(_Strict):
    address: Address
    stake: int = Field(gt=0, lt=2**64)
    operator: Address | None = None
    pubkey48: Pubkey
    commission_ppm: int = Field(default=0, ge=0, le=1_000_000)
    private_key: Hex | None = None


class StakingRules(_Strict):
    epoch_blocks: int = Field(default=1000, ge=2, le=1_000_000)
    unbonding_epochs: int = Field(default=600, ge=3, le=1_000_000)
    jail_epochs: int = Field(default=2, ge=1, le=1_000_000)
    min_self_stake: int = Field(default=32, gt=0, lt=2**64)
    reward_per_epoch_wei: Reward = "0"
    reserve_wei: Reward = "0"
    slash_ppm: int = Field(default=50_000, ge=1, le=1_000_000)


class GenesisHolder(_Strict):
    signer: Address
    stake: int = Field(gt=0, lt=2**40)
    owner: Address | None = None


class DataRules(_Strict):
    life_epochs: int = Field(default=720, ge=1, le=1_000_000)
    request_blocks: int = Field(default=600, ge=1, le=1_000_000)
    answer_blocks: int = Field(default=600, ge=1, le=1_000_000)
    min_stake: int = Field(default=32, gt=0, lt=2**40)
    challenge_bond_wei: Reward = "100000000000000000"
    byte_price_wei: int = Field(default=1_000_000, ge=0, lt=2**63)
    blob_price_wei: int = Field(default=100_000_000_000_000, ge=0, lt=2**63)
    slash_ppm: int = Field(default=10_000, ge=1, le=1_000_000)
    quorums: int | None = Field(default=None, ge=1, le=1024, exclude_if=lambda quorums: quorums is None)
    """None for one a shard."""
    holders: tuple[GenesisHolder, ...] = Field(default=(), exclude_if=lambda holders: not holders)
    """Beside the validators."""


class ChainFile(_Strict):
    """The parsed chain file."""

    name: str
    chain_id: int = Field(gt=0, le=CHAIN_ID_MAX)
    fork: str
    timestamp_s: int = Field(ge=0)
    shards: int = Field(default=1, ge=1, le=1024)
    block_gas_limit: int = Field(ge=30_000_000, le=10_000_000_000)
    fees: Fees
    staking: StakingRules = StakingRules()
    da: DataRules = DataRules()
    predeploys: tuple[Predeploy, ...] = ()
    accounts: tuple[FundedAccount, ...] = ()
    validators: tuple[GenesisValidator, ...] = ()


@dataclass(frozen=True)
class Genesis:
    """A network, ready to be instantiated on every shard."""

    file: ChainFile
    network: bytes
    """32 bytes: the keccak of the chain file's canonical JSON. Data directories are bound to it."""
    shard_diff: bytes
    """The allocation of shards other than the root, as a state diff on nothing."""

    @cached_property
    def diff(self) -> bytes:
        """The allocation of the root shard: that of every shard, and those contracts that only it has."""
        return _root_diff(self.file, self.network)

    def allocation(self, shard: int) -> bytes:
        """The allocation of `shard` as a state diff on nothing."""
        return self.shard_diff if shard else self.diff

    @property
    def epoch_blocks(self) -> int:
        return self.file.staking.epoch_blocks

    @property
    def fees(self) -> FeeRules:
        fees = self.file.fees
        return FeeRules(self.file.block_gas_limit, fees.gas_per_s, fees.base_fee_floor_wei, fees.max_change_per_mille)

    @property
    def development_keys(self) -> dict[bytes, bytes]:
        """Address → private key of the accounts whose keys the chain file makes public."""
        known = ((account.address, account.private_key) for account in self.file.accounts)
        return {_bytes(address): _bytes(key) for address, key in known if key is not None}

    @property
    def validators(self) -> tuple[tuple[bytes, int], ...]:
        """(voter address, stake) of the first validator set, by address."""
        return tuple(sorted((_bytes(v.address), v.stake) for v in self.file.validators))

    @property
    def development_vote_key(self) -> bytes | None:
        """The key of the first validator whose key the chain file makes public."""
        return next((_bytes(v.private_key) for v in self.file.validators if v.private_key), None)

    def chain_id(self, shard: int) -> int:
        return self.file.chain_id + shard

    def block_zero(self, shard: int, set_hash: bytes) -> tuple[ConsensusHeader, Attributes]:
        """The headers of shard's block 0 as far as they are decided before execution."""
        consensus = ConsensusHeader(
            self.network, 0, 0, self.file.timestamp_s * 1000, set_hash, set_hash, fee_excess=0, gas_level=0
        )
        attributes = Attributes(
            number=0,
            timestamp=self.file.timestamp_s,
            coinbase=bytes(20),
            gas_limit=self.file.block_gas_limit,
            base_fee=self.file.fees.base_fee_floor_wei,
            prev_randao=_first_randao(self.network, shard),
            extra_data=consensus.hash(),
            parent_beacon_root=ZERO_HASH,
        )
        return consensus, attributes


def load(path: Path) -> Genesis:
    """Read a chain file. Raises InvalidConfig."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidConfig(f"cannot read the genesis file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidConfig(f"{path} is not TOML: it is not even text") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Genesis:
    """Parse a chain file's text; `name` is for messages. Raises InvalidConfig."""
    try:
        file = ChainFile.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidConfig(f"{name} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidConfig(f"{name}: {where}: {first['msg']}") from error
    if file.fork != "osaka":
        raise InvalidConfig(f"{name}: fork: this version runs osaka, not {file.fork!r}")
    _check(file, name)
    canonical = orjson.dumps(file.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return Genesis(file, keccak(canonical), _allocation(file, name))


def packaged(name: str) -> str:
    """The text of a chain file that comes with the package, such as "devnet"."""
    return (resources.files("zg_node") / "genesis_data" / "chains" / f"{name}.toml").read_text()


def _check(file: ChainFile, name: str) -> None:
    """Raise InvalidConfig for what the staking contract, or a validator set, could not hold."""
    addresses = [*(entry.address for entry in file.predeploys), *(entry.address for entry in file.accounts)]
    for taken in OWN_CONTRACTS.keys() & map(_bytes, addresses):
        raise InvalidConfig(f"{name}: 0x{taken.hex()} is the {OWN_CONTRACTS[taken]}'s, and allocated by itself")
    if not file.validators:
        raise InvalidConfig(f"{name}: validators: a network needs at least one")
    if len(file.validators) > staking.VALIDATORS_MAX:
        raise InvalidConfig(f"{name}: validators: at most {staking.VALIDATORS_MAX}, not {len(file.validators)}")
    least = file.staking.min_self_stake
    for validator in file.validators:
        if validator.stake < least:
            raise InvalidConfig(
                f"{name}: validators: {validator.address} stakes {validator.stake} coins, and staking.min_self_stake "
                f"asks for {least}: with less it would leave the set after two epochs"
            )
    members = _members(file)
    for what, keys in (("address", [m.voter for m in members]), ("pubkey48", [m.pubkey for m in members])):
        if len(set(keys)) != len(keys):
            raise InvalidConfig(f"{name}: validators: two have the same {what}")
    for member in members:
        if not _core.bls_is_public_key(member.pubkey):
            raise InvalidConfig(f"{name}: validators: 0x{member.pubkey.hex()} is no BLS public key")
    _check_holders(file, name)


def _check_holders(file: ChainFile, name: str) -> None:
    """Raise InvalidConfig for what the contract of data availability could not hold."""
    holders = _holders(file)
    if len(holders) > da.HOLDERS_MAX:
        raise InvalidConfig(
            f"{name}: da.holders: at most {da.HOLDERS_MAX}, the validators included, not {len(holders)}"
        )
    for before, after in pairwise(holders):
        if before.signer == after.signer:
            raise InvalidConfig(f"{name}: da.holders: 0x{after.signer.hex()} is listed twice, or a validator")
    for holder in file.da.holders:
        if holder.stake < file.da.min_stake:
            raise InvalidConfig(
                f"{name}: da.holders: {holder.signer} stakes {holder.stake} coins, and da.min_stake asks for "
                f"{file.da.min_stake}"
            )


def _members(file: ChainFile) -> list[staking.GenesisMember]:
    """The first validators, by voter."""
    members = []
    for validator in file.validators:
        voter = _bytes(validator.address)
        operator = _bytes(validator.operator) if validator.operator else voter
        pubkey = _bytes(validator.pubkey48)
        members.append(staking.GenesisMember(operator, voter, validator.stake, validator.commission_ppm, pubkey))
    return sorted(members, key=lambda member: member.voter)


def _holders(file: ChainFile) -> list[da.GenesisHolder]:
    """The first holders of rows, by signer: the validators, with as much as they stake, and those of `da.holders`."""
    voting = [da.GenesisHolder(member.operator, member.voter, member.stake) for member in _members(file)]
    listed = [
        da.GenesisHolder(_bytes(holder.owner or holder.signer), _bytes(holder.signer), holder.stake)
        for holder in file.da.holders
    ]
    return sorted(voting + listed, key=lambda holder: holder.signer)


def _first_randao(network: bytes, shard: int) -> bytes:
    """prevRandao of a shard's block 0; the root's is the beacon of data availability in epoch 0."""
    return keccak(network + shard.to_bytes(8, "big"))


def _root_diff(file: ChainFile, network: bytes) -> bytes:
    """The allocation with the contracts of the root shard, as their own code initialises them."""
    members, holders = _members(file), _holders(file)
    staked = sum(member.stake for member in members) * staking.COIN
    deposited = sum(holder.stake for holder in holders) * staking.COIN
    reserve = int(file.staking.reserve_wei)
    contracts = (
        _own(staking.STAKING, "Staking", staked + reserve),
        _own(da.DATA_AVAILABILITY, "DataAvailability", deposited),
    )
    calls = (
        *staking.genesis_calls(_staking_config(file, network), reserve, members),
        *da.genesis_calls(_data_config(file, network), _first_randao(network, 0), holders),
    )
    nothing = bytes(32)
    attributes = Attributes(
        0, file.timestamp_s, bytes(20), file.block_gas_limit, file.fees.base_fee_floor_wei, nothing, b"", nothing
    )
    try:
        return _core.Engine(file.chain_id).initialise(attributes, _allocation(file, file.name, contracts), calls)
    except InvalidBlock as error:
        raise InvalidConfig(f"{file.name}: a contract of the root shard refuses its genesis: {error}") from error


def _staking_config(file: ChainFile, network: bytes) -> staking.StakingConfig:
    rules = file.staking
    return staking.StakingConfig(
        network=network,
        epoch_blocks=rules.epoch_blocks,
        unbonding_epochs=rules.unbonding_epochs,
        jail_epochs=rules.jail_epochs,
        min_self_stake=rules.min_self_stake * staking.COIN,
        reward_per_epoch=int(rules.reward_per_epoch_wei),
        slash_ppm=rules.slash_ppm,
    )


def _data_config(file: ChainFile, network: bytes) -> da.DataConfig:
    rules = file.da
    return da.DataConfig(
        network=network,
        epoch_blocks=file.staking.epoch_blocks,
        quorums=rules.quorums or file.shards,
        life_epochs=rules.life_epochs,
        request_blocks=rules.request_blocks,
        answer_blocks=rules.answer_blocks,
        min_stake=rules.min_stake * staking.COIN,
        challenge_bond=int(rules.challenge_bond_wei),
        byte_price=rules.byte_price_wei,
        blob_price=rules.blob_price_wei,
        slash_ppm=rules.slash_ppm,
    )


def _own(address: bytes, artifact: str, balance: int = 0) -> Predeploy:
    """A contract that is allocated without being in the file."""
    return Predeploy(name=artifact, address="0x" + address.hex(), balance_wei=str(balance), artifact=artifact)


def _allocation(file: ChainFile, name: str, more: tuple[Predeploy, ...] = ()) -> bytes:
    """The state diff (see core/crates/types/src/diff.rs) of the file's accounts and predeploys, and of `more`."""
    accounts: dict[bytes, list[object]] = {}
    codes: dict[bytes, bytes] = {}

    def put(address: str, nonce: int, balance: str, code: bytes) -> None:
        key = _bytes(address)
        if key in accounts:
            raise InvalidConfig(f"{name}: {address} is allocated twice")
        code_hash = keccak(code) if code else EMPTY_CODE_HASH
        if code:
            codes[code_hash] = code
        if int(balance) >= 1 << 256:
            raise InvalidConfig(f"{name}: the balance of {address} exceeds 256 bits")
        accounts[key] = [key, [], [nonce, int(balance), code_hash], b"", []]

    for predeploy in (*file.predeploys, _own(da.DATA_VERIFIER, "DataVerifier"), *more):
        if (predeploy.code is None) == (predeploy.artifact is None):
            raise InvalidConfig(f"{name}: predeploy {predeploy.name!r} needs exactly one of code and artifact")
        code = _bytes(predeploy.code) if predeploy.code else _runtime(predeploy.artifact or "", name)
        put(predeploy.address, predeploy.nonce, predeploy.balance_wei, code)
    for account in file.accounts:
        put(account.address, 0, account.balance_wei, b"")
    in_order = [accounts[key] for key in sorted(accounts)]
    return bytes(rlp.encode([in_order, [codes[code_hash] for code_hash in sorted(codes)]]))


def _runtime(artifact: str, name: str) -> bytes:
    try:
        return artifacts.runtime(artifact)
    except FileNotFoundError as error:
        raise InvalidConfig(f"{name}: there is no artefact {artifact!r} in this version") from error


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
