"""Blocks, as consensus and the database see them.

An EVM header's `extraData` is the keccak of the *consensus header*, which carries what the EVM header has no field for;
it travels and is stored beside the block. Votes and certificates are never inside a hash.

    ConsensusHeader ──keccak──▶ EVM header.extraData ──keccak──▶ block hash ◀── votes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zg_node.errors import InvalidMessage
from zg_node.types.encoding import encode
from zg_node.types.hashing import ZERO_HASH, keccak
from zg_node.types.shape import strings

BODY_MAX_BYTES = 8 * 1024 * 1024
"""Largest body (RLP of the transactions) that a proposer builds or a validator accepts."""

CONSENSUS_HEADER_MAX_BYTES = 512
REVEAL_BYTES = 33 + 81
"""A public key and a proof."""
HEADER_MAX_BYTES = 1024
BLOCK_MAX_BYTES = BODY_MAX_BYTES + HEADER_MAX_BYTES + CONSENSUS_HEADER_MAX_BYTES + 32

BodyCheck = Callable[[bytes, bytes], None]
"""(header, body): raises InvalidBlock unless the body has the header's transactions root."""


@dataclass(frozen=True, slots=True)
class ConsensusHeader:
    """What a block says beside its EVM header. RLP list of the fields in this order."""

    network: bytes
    """32 bytes: keccak of the network's genesis parameters."""
    epoch: int
    view: int
    """The Simplex view in which the block was proposed; 0 for genesis."""
    timestamp_ms: int
    """The proposer's clock; the EVM timestamp is this in whole seconds."""
    set_hash: bytes
    """32 bytes: the validator set that votes on this block."""
    next_set_hash: bytes
    """32 bytes: the set after the epoch boundary; equal to `set_hash` while nothing changes."""
    fee_excess: int
    """Gas above the fee target before this block's own gas; the base fee follows from it."""
    gas_level: int
    """Level of the gas-rate bucket before this block's own gas; what is left of the gas limit above it may be used."""
    root_number: int = 0
    """Height of the newest final root header that the proposer has imported; 0 on the root shard itself."""
    root_hash: bytes = ZERO_HASH
    """Its hash; 32 zero bytes on the root shard itself."""
    reveal: bytes = b""
    """REVEAL_BYTES: what the proposer adds to prevRandao (see `execution.beacon`); empty for genesis."""

    def encode(self) -> bytes:
        """The canonical RLP, at most CONSENSUS_HEADER_MAX_BYTES."""
        return encode(
            (
                self.network,
                self.epoch,
                self.view,
                self.timestamp_ms,
                self.set_hash,
                self.next_set_hash,
                self.fee_excess,
                self.gas_level,
                self.root_number,
                self.root_hash,
                self.reveal,
            )
        )

    def hash(self) -> bytes:
        """32 bytes: the EVM header's extraData."""
        return keccak(self.encode())

    @classmethod
    def decode(cls, data: bytes) -> ConsensusHeader:
        """Parse; raises InvalidMessage unless `encode` would give `data` back."""
        f = strings(data, 11, CONSENSUS_HEADER_MAX_BYTES, "consensus header")
        epoch, view, timestamp_ms, excess, level, root_number = (
            int.from_bytes(f[i], "big") for i in (1, 2, 3, 6, 7, 8)
        )
        if (
            any(len(f[i]) != 32 for i in (0, 4, 5, 9))
            or len(f[10]) not in (0, REVEAL_BYTES)
            or max(epoch, view, timestamp_ms, excess, level, root_number) >= 1 << 63
        ):
            raise InvalidMessage("consensus header: a field is out of range")
        header = cls(f[0], epoch, view, timestamp_ms, f[4], f[5], excess, level, root_number, f[9], f[10])
        if header.encode() != data:
            raise InvalidMessage("consensus header: not canonical")
        return header


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a proposer decides about a block before execution fills in the rest."""

    number: int
    timestamp: int
    coinbase: bytes
    gas_limit: int
    base_fee: int
    prev_randao: bytes
    extra_data: bytes
    parent_beacon_root: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The EVM header's fields that the node itself reads; `raw` is the whole RLP."""

    raw: bytes
    hash: bytes
    parent_hash: bytes
    coinbase: bytes
    state_root: bytes
    bloom: bytes
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    prev_randao: bytes
    base_fee: int
    parent_beacon_root: bytes

    @classmethod
    def decode(cls, raw: bytes) -> Header:
        """Parse an Osaka header (21 fields); raises InvalidMessage."""
        f = strings(raw, 21, HEADER_MAX_BYTES, "header")
        if len(f[2]) != 20 or len(f[6]) != 256 or any(len(f[i]) != 32 for i in (0, 1, 3, 4, 5, 13, 16, 19, 20)):
            raise InvalidMessage("header: a field has the wrong length")
        number, gas_limit, gas_used, timestamp, base_fee = (int.from_bytes(f[i], "big") for i in (8, 9, 10, 11, 15))
        if max(number, gas_limit, gas_used, timestamp, base_fee) >= 1 << 63:
            raise InvalidMessage("header: a number is out of range")
        return cls(
            raw=raw,
            hash=keccak(raw),
            parent_hash=f[0],
            coinbase=f[2],
            state_root=f[3],
            bloom=f[6],
            number=number,
            gas_limit=gas_limit,
            gas_used=gas_used,
            timestamp=timestamp,
            extra_data=f[12],
            prev_randao=f[13],
            base_fee=base_fee,
            parent_beacon_root=f[19],
        )

    @property
    def attributes(self) -> Attributes:
        """What the proposer decided."""
        return Attributes(
            number=self.number,
            timestamp=self.timestamp,
            coinbase=self.coinbase,
            gas_limit=self.gas_limit,
            base_fee=self.base_fee,
            prev_randao=self.prev_randao,
            extra_data=self.extra_data,
            parent_beacon_root=self.parent_beacon_root,
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A proposal's content: the EVM header, the consensus header and the transactions. `hash` is the EVM block hash."""

    header: Header
    consensus: ConsensusHeader
    body: bytes
    """RLP list of EIP-2718 byte strings."""

    @property
    def hash(self) -> bytes:
        return self.header.hash

    @property
    def number(self) -> int:
        return self.header.number

    def encode(self) -> bytes:
        """RLP [header, consensus header, body], each as a string."""
        return encode((self.header.raw, self.consensus.encode(), self.body))

    @classmethod
    def decode(cls, data: bytes) -> Block:
        """Parse and check sizes and the link between the two headers; raises InvalidMessage."""
        items = strings(data, 3, BLOCK_MAX_BYTES, "block")
        block = cls(Header.decode(items[0]), ConsensusHeader.decode(items[1]), items[2])
        if block.header.extra_data != block.consensus.hash():
            raise InvalidMessage("block: extraData is not the consensus header's hash")
        return block


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A finalised block as the database keeps it: enough to serve every RPC without executing."""

    header: Header
    consensus: ConsensusHeader
    body: bytes
    senders: bytes
    """20 bytes a transaction."""
    receipts: bytes
    """RLP list of [status, cumulative gas, [log …]]."""
    certificate: bytes
    """Encoded finality certificate of this block or of the descendant that finalised it; empty for genesis."""

    @property
    def hash(self) -> bytes:
        return self.header.hash

    @property
    def number(self) -> int:
        return self.header.number
