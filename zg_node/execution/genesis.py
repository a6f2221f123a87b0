"""Block 0: a chain file (TOML) becomes the allocation of every shard, the first validator set and the network's
identity.

The keys are explained in genesis/README.md. Artefacts named by predeploys are packaged under zg_node/genesis_data.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import orjson
import rlp
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zg_node.errors import InvalidConfig
from zg_node.execution.fees import BASE_FEE_MAX, FeeRules
from zg_node.types.block import Attributes, ConsensusHeader
from zg_node.types.hashing import EMPTY_CODE_HASH, ZERO_HASH, keccak

Hex = Annotated[str, Field(pattern=r"^0x([0-9a-fA-F]{2})*$")]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
Wei = Annotated[str, Field(pattern=r"^[0-9]{1,78}$")]

PACKAGED = frozenset({"devnet"})
"""Chain files that come with the package, by name."""

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
    private_key: Hex | None = None


class ChainFile(_Strict):
    """The parsed chain file."""

    name: str
    chain_id: int = Field(gt=0, le=CHAIN_ID_MAX)
    fork: str
    timestamp_s: int = Field(ge=0)
    block_gas_limit: int = Field(ge=30_000_000, le=10_000_000_000)
    fees: Fees
    predeploys: tuple[Predeploy, ...] = ()
    accounts: tuple[FundedAccount, ...] = ()
    validators: tuple[GenesisValidator, ...] = ()


@dataclass(frozen=True, slots=True)
class Genesis:
    """A network, ready to be instantiated on every shard."""

    file: ChainFile
    network: bytes
    """32 bytes: the keccak of the chain file's canonical JSON. Data directories are bound to it."""
    diff: bytes
    """The allocation as a state diff on nothing."""

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
            prev_randao=keccak(self.network + shard.to_bytes(8, "big")),
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
    if not file.validators:
        raise InvalidConfig(f"{name}: validators: a network needs at least one")
    canonical = orjson.dumps(file.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return Genesis(file, keccak(canonical), _allocation(file, name))


def packaged(name: str) -> str:
    """The text of a chain file that comes with the package, such as "devnet"."""
    return (resources.files("zg_node") / "genesis_data" / "chains" / f"{name}.toml").read_text()


def _allocation(file: ChainFile, name: str) -> bytes:
    """The canonical state diff (see core/crates/types/src/diff.rs)."""
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

    for predeploy in file.predeploys:
        if (predeploy.code is None) == (predeploy.artifact is None):
            raise InvalidConfig(f"{name}: predeploy {predeploy.name!r} needs exactly one of code and artifact")
        code = _bytes(predeploy.code) if predeploy.code else _runtime(predeploy.artifact or "", name)
        put(predeploy.address, predeploy.nonce, predeploy.balance_wei, code)
    for account in file.accounts:
        put(account.address, 0, account.balance_wei, b"")
    in_order = [accounts[key] for key in sorted(accounts)]
    return bytes(rlp.encode([in_order, [codes[code_hash] for code_hash in sorted(codes)]]))


def _runtime(artifact: str, name: str) -> bytes:
    path = resources.files("zg_node") / "genesis_data" / "artifacts" / f"{artifact}.json"
    try:
        return _bytes(orjson.loads(path.read_bytes())["runtime"])
    except FileNotFoundError as error:
        raise InvalidConfig(f"{name}: there is no artefact {artifact!r} in this version") from error


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
