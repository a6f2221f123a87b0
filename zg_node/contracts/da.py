"""The contracts of data availability, as the node and the command line call them.

    DATA_AVAILABILITY   root shard    holders, blobs, certificates, challenges: docs/da.md
    DATA_VERIFIER       every shard   whether a row or a cell belongs to a commitment; remembers nothing

Block 0 makes the first with `genesis_calls`; `closing_calls` is what the last block of an epoch of the root shard ends
with, after the staking contract's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from zg_node.contracts.abi import Function, interface
from zg_node.contracts.staking import address_bytes
from zg_node.types.hashing import keccak

DATA_AVAILABILITY = bytes.fromhex("da00000000000000000000000000000000000001")
DATA_VERIFIER = bytes.fromhex("da00000000000000000000000000000000000002")
HOLDERS_MAX = 256
LISTED_MAX = 1024
"""Holders that the coming sets are chosen from."""
OPEN_MAX = 64
"""Challenges that one holder may have to answer at a time."""

Call = tuple[bytes, bytes]
"""A contract and call data."""


class BlobFields(Protocol):
    """What is paid for and signed; `da.certificate.Blob` is one, and so is `BlobInfo`."""

    @property
    def commitment(self) -> bytes: ...
    @property
    def length(self) -> int: ...
    @property
    def quorum(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def expiry(self) -> int: ...


@dataclass(frozen=True, slots=True)
class DataConfig:
    """The contract's rules, in the order of its `DataConfig`."""

    network: bytes
    epoch_blocks: int
    quorums: int
    life_epochs: int
    """Epochs that a blob may be paid for, the one of its request included; who leaves stays liable for as long."""
    request_blocks: int
    """From a request until it is refunded when no certificate has come."""
    answer_blocks: int
    min_stake: int
    """Wei."""
    challenge_bond: int
    """Wei."""
    byte_price: int
    """Wei for each byte and epoch."""
    blob_price: int
    """Wei for each blob."""
    slash_ppm: int

    def fee(self, length: int, epochs: int) -> int:
        """Wei for a blob of `length` bytes that is kept for `epochs` epochs, the one of its request included."""
        return self.byte_price * length * epochs + self.blob_price


@dataclass(frozen=True, slots=True)
class GenesisHolder:
    """A holder of the sets of epochs 0 and 1."""

    owner: bytes
    signer: bytes
    stake: int
    """Whole coins."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A blob as the contract knows it; `requested_in` is 0 when it does not."""

    commitment: bytes
    length: int
    quorum: int
    epoch: int
    expiry: int
    payer: bytes
    requested_in: int
    """Block."""
    certified_in: int
    """Block; 0 without a certificate."""
    fee: int
    """Wei that were paid."""
    escrow: int
    """Wei of it that have not gone to anybody yet."""
    signers: tuple[int, ...]
    """Indices into the set of `epoch`, ascending."""
    settled: tuple[int, ...]
    """Those of them that have had their credit, or lost it."""
    signed_stake: int
    """Coins behind the signers."""


@dataclass(frozen=True, slots=True)
class HolderInfo:
    """A holder as the contract describes it."""

    signer: bytes
    owner: bytes
    peer: str
    stake: int
    """Wei deposited."""
    listed: bool
    """Whether the coming sets are chosen from it among others."""
    released_in: int
    """The epoch from which on it may withdraw; 0 while it stays."""
    open: int
    """Challenges that wait for its answer."""


@dataclass(frozen=True, slots=True)
class ChallengeInfo:
    """That `signer` shows a cell; `deadline` is 0 when there is no such challenge, or none any more."""

    id: bytes
    signer: bytes
    challenger: bytes
    row: int
    cell: int
    deadline: int
    """The last block for the answer."""


# ── what the protocol calls ─────────────────────────────────────────────────────────────────────────────────────────


def genesis_calls(config: DataConfig, beacon: bytes, holders: Sequence[GenesisHolder]) -> tuple[Call, ...]:
    """The system calls of block 0, in order; `holders` come by signer, `beacon` is that of epoch 0."""
    admissions = [_call("admit", holder.owner, holder.signer, holder.stake) for holder in holders]
    initialise = _call("initialise", config_values(config), beacon)
    return tuple((DATA_AVAILABILITY, data) for data in (initialise, *admissions))


def closing_calls(epoch: int, last: bool) -> tuple[Call, ...]:
    """The system calls that end a block of `epoch` on the root shard."""
    return ((DATA_AVAILABILITY, _call("onEpoch", epoch)),) if last else ()


def config_values(config: DataConfig) -> tuple[object, ...]:
    """The contract's struct."""
    return (
        config.network,
        config.epoch_blocks,
        config.quorums,
        config.life_epochs,
        config.request_blocks,
        config.answer_blocks,
        config.min_stake,
        config.challenge_bond,
        config.byte_price,
        config.blob_price,
        config.slash_ppm,
    )


# ── transactions ────────────────────────────────────────────────────────────────────────────────────────────────────


def register(signer: bytes, peer: str, proof: bytes) -> bytes:
    """Call data that makes `signer` a holder of the sender; `proof` signs `registration_digest`, or is empty when the
    sender is the signer."""
    return _call("register", signer, peer, proof)


def set_peer(signer: bytes, peer: str) -> bytes:
    """Call data that changes where a holder is reached; from its signer or its owner."""
    return _call("setPeer", signer, peer)


def request(blob: BlobFields) -> bytes:
    """Call data that pays for a blob; the transaction's value is the fee, and it must come in the blob's epoch."""
    return _call("request", (blob.commitment, blob.length, blob.quorum, blob.epoch, blob.expiry))


def certify(blob_id: bytes, signatures: Iterable[tuple[int, bytes]]) -> bytes:
    """Call data of a certificate: (holder's index, 65 bytes), each index once."""
    ordered = sorted(signatures)
    signers = sum({1 << index for index, _ in ordered})
    return _call("certify", blob_id, signers, b"".join(signature for _, signature in ordered))


def refund(blob_id: bytes) -> bytes:
    """Call data that pays back a blob without a certificate to its payer."""
    return _call("refund", blob_id)


def claim(signer: bytes, blob_ids: Sequence[bytes]) -> bytes:
    """Call data that pays a holder's owner for blobs past their expiry."""
    return _call("claim", signer, list(blob_ids))


def challenge(blob_id: bytes, row: int, cell: int) -> bytes:
    """Call data that asks the row's first holder for a cell; the transaction's value is the bond."""
    return _call("challenge", blob_id, row, cell)


def answer(number: int, header: bytes, cell: bytes, path: bytes) -> bytes:
    """Call data with the cell that a challenge asks for; `path` is 32-byte digests in a row, lowest first."""
    return _call("answer", number, header, cell, digests(path))


def settle(number: int) -> bytes:
    """Call data that closes a challenge that nobody answered."""
    return _call("settle", number)


def digests(path: bytes) -> list[bytes]:
    """A path as the contracts take it."""
    return [path[start : start + 32] for start in range(0, len(path), 32)]


def registration_digest(network: bytes, chain_id: int, owner: bytes) -> bytes:
    """32 bytes that a signer signs to be a holder of `owner`; `chain_id` is the root shard's."""
    return keccak(b"ZGDAREG1" + network + chain_id.to_bytes(8, "big") + owner)


# ── views ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def holders_call(epoch: int) -> bytes:
    """Call data of `holders()`. Its answer is for `decode_holders`."""
    return _call("holders", epoch)


def decode_holders(data: bytes) -> tuple[tuple[bytes, int, str], ...]:
    """(signer, stake in coins, peer id or ""), by signer; empty for an epoch without holders, or not fixed yet. Raises
    InvalidConfig."""
    signers, stakes, peers = function("holders").decode(data)
    return tuple(zip(map(address_bytes, signers), stakes, peers, strict=True))


def beacon_call(epoch: int) -> bytes:
    """Call data of `beacon()`. Its answer is for `decode_beacon`."""
    return _call("beacon", epoch)


def decode_beacon(data: bytes) -> bytes | None:
    """32 bytes, or None for an epoch that has not begun. Raises InvalidConfig."""
    (beacon,) = function("beacon").decode(data)
    return beacon if any(beacon) else None


def blob_info_call(blob_id: bytes) -> bytes:
    """Call data of `blobInfo()`. Its answer is for `decode_blob_info`."""
    return _call("blobInfo", blob_id)


def decode_blob_info(data: bytes) -> BlobInfo:
    """A blob, known or not. Raises InvalidConfig."""
    (fields,) = function("blobInfo").decode(data)
    return _blob_info(fields)


def certificate_of_call(commitment: bytes) -> bytes:
    """Call data of `certificateOf()`. Its answer is for `decode_certificate_of`."""
    return _call("certificateOf", commitment)


def decode_certificate_of(data: bytes) -> tuple[bytes, BlobInfo] | None:
    """Id and blob of the certificate that lasts longest; None without one. Raises InvalidConfig."""
    blob_id, fields = function("certificateOf").decode(data)
    return (blob_id, _blob_info(fields)) if any(blob_id) else None


def certificates_from_call(first: int, count: int) -> bytes:
    """Call data of `certificatesFrom()`. Its answer is for `decode_certificates`."""
    return _call("certificatesFrom", first, count)


def decode_certificates(data: bytes) -> tuple[BlobInfo, ...]:
    """Certified blobs in the order of their certification, past their expiry or not. Raises InvalidConfig."""
    (page,) = function("certificatesFrom").decode(data)
    return tuple(map(_blob_info, page))


def holder_info_call(signer: bytes) -> bytes:
    """Call data of `holderInfo()`, which reverts for whom nobody registered. Its answer is for `decode_holder_info`."""
    return _call("holderInfo", signer)


def decode_holder_info(data: bytes) -> HolderInfo:
    """A holder. Raises InvalidConfig."""
    (fields,) = function("holderInfo").decode(data)
    signer, owner, *rest = fields
    return HolderInfo(address_bytes(signer), address_bytes(owner), *rest)


def challenge_info_call(number: int) -> bytes:
    """Call data of `challengeInfo()`. Its answer is for `decode_challenge_info`."""
    return _call("challengeInfo", number)


def decode_challenge_info(data: bytes) -> ChallengeInfo:
    """A challenge, open or not. Raises InvalidConfig."""
    (fields,) = function("challengeInfo").decode(data)
    blob_id, signer, challenger, *rest = fields
    return ChallengeInfo(blob_id, address_bytes(signer), address_bytes(challenger), *rest)


def decode_config(data: bytes) -> DataConfig:
    """The answer of `config`. Raises InvalidConfig."""
    (fields,) = function("config").decode(data)
    return DataConfig(*fields)


def certified_key(commitment: bytes) -> bytes:
    """32 bytes: the storage key under which the contract has the id of the certified blob with this commitment that is
    kept the longest, zero without one. A proof of this slot proves the certificate."""
    return keccak(commitment + bytes(32))


def function(name: str) -> Function:
    """A function of the contract of data availability by its name."""
    return interface("DataAvailability").functions[name]


def explain(data: bytes) -> str | None:
    """A revert of the contract as `WrongValue(7)`; None when it carries none of the contract's errors."""
    return interface("DataAvailability").explain(data)


def _call(name: str, *values: object) -> bytes:
    return function(name).encode(*values)


def _blob_info(fields: Sequence[Any]) -> BlobInfo:
    blob, payer, requested_in, certified_in, fee, escrow, signers, settled, signed_stake = fields
    commitment, length, quorum, epoch, expiry = blob
    return BlobInfo(
        commitment,
        length,
        quorum,
        epoch,
        expiry,
        address_bytes(payer),
        requested_in,
        certified_in,
        fee,
        escrow,
        _indices(signers),
        _indices(settled),
        signed_stake,
    )


def _indices(bits: int) -> tuple[int, ...]:
    return tuple(index for index in range(bits.bit_length()) if bits >> index & 1)
