"""What a holder signs, and what many of them certify.

    digest = keccak("ZGDAROW1" ‖ fields)      signed, 65 bytes: r ‖ s ‖ recovery id, after the rows are durable
    id     = keccak(fields)                   how the contract knows the blob
    fields = network 32 ‖ commitment 32 ‖ length u64 ‖ quorum u32 ‖ epoch u64 ‖ expiry u64      (big-endian)

A certificate has signatures of more than two thirds of the stake that held in the blob's epoch.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zg_node import _core
from zg_node.da.holders import HOLDERS_MAX, HolderSet
from zg_node.errors import BadSignature, InvalidMessage
from zg_node.types.encoding import encode
from zg_node.types.hashing import keccak
from zg_node.types.shape import decode

TAG = b"ZGDAROW1"
SIGNATURE_BYTES = 65
CERTIFICATE_MAX_BYTES = HOLDERS_MAX * 72 + 128
_FIELDS = struct.Struct(">32s32sQIQQ")

Recover = Callable[[Sequence[tuple[bytes, bytes]]], Sequence[bytes | None]]
"""(digest, signature) … → the address that made each, None for none; `_core.recover_addresses` is one."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What is paid for, signed and certified, beside the network."""

    commitment: bytes
    """32 bytes: SHA-256 of the header."""
    length: int
    """Bytes."""
    quorum: int
    """The shard whose quorum it is for."""
    epoch: int
    """Whose holders sign."""
    expiry: int
    """The last epoch in which its rows are kept."""

    def digest(self, network: bytes) -> bytes:
        """32 bytes: what holders sign. `network` is the genesis' hash, 32 bytes."""
        return keccak(TAG + self._fields(network))

    def id(self, network: bytes) -> bytes:
        """32 bytes: its key in the contract."""
        return keccak(self._fields(network))

    def _fields(self, network: bytes) -> bytes:
        return _FIELDS.pack(network, self.commitment, self.length, self.quorum, self.epoch, self.expiry)

    def items(self) -> tuple[bytes, int, int, int, int]:
        """The fields in their order, ready for RLP."""
        return (self.commitment, self.length, self.quorum, self.epoch, self.expiry)

    @classmethod
    def of_items(cls, items: Sequence[object], what: str) -> Blob:
        """From five decoded strings. Raises InvalidMessage, naming `what`."""
        strings = [item for item in items if isinstance(item, bytes)]
        if len(strings) != len(items) or len(items) != 5:
            raise InvalidMessage(f"{what}: not five fields of a blob")
        commitment, *numbers = strings
        sizes = zip(numbers, (8, 4, 8, 8), strict=True)
        if len(commitment) != 32 or any(len(number) > size or number[:1] == b"\0" for number, size in sizes):
            raise InvalidMessage(f"{what}: a field is out of range")
        return cls(commitment, *(int.from_bytes(number, "big") for number in numbers))


@dataclass(frozen=True, slots=True)
class Certificate:
    """A blob and who signed it."""

    blob: Blob
    signatures: tuple[tuple[int, bytes], ...]
    """(holder's index in the set of the blob's epoch, SIGNATURE_BYTES), ascending."""

    def encode(self) -> bytes:
        """RLP [[commitment, length, quorum, epoch, expiry], [[index, signature] …]]."""
        return encode((self.blob.items(), self.signatures))

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """Parse; raises InvalidMessage. Who signed is for `check` to say."""
        match decode(data, CERTIFICATE_MAX_BYTES, "certificate"):
            case [list(fields), list(entries)]:
                blob = Blob.of_items(fields, "certificate")
                return cls(blob, tuple(_signature(entry) for entry in entries))
            case _:
                raise InvalidMessage("certificate: not a blob and signatures")

    def check(self, holders: HolderSet, network: bytes, recover: Recover = _core.recover_addresses) -> None:
        """Raise InvalidMessage unless holders with a quorum of stake signed. `holders` are of the blob's epoch."""
        indices = [index for index, _ in self.signatures]
        if indices != sorted(set(indices)):
            raise InvalidMessage("certificate: signatures are not ascending")
        if indices and indices[-1] >= len(holders.holders):
            raise InvalidMessage(f"certificate: there is no holder {indices[-1]}")
        if sum(holders.holders[index].stake for index in indices) < holders.quorum:
            raise InvalidMessage("certificate: no quorum")
        digest = self.blob.digest(network)
        signers = recover([(digest, signature) for _, signature in self.signatures])
        for index, signer in zip(indices, signers, strict=True):
            if signer != holders.holders[index].signer:
                raise BadSignature(f"certificate: holder {index} did not sign")


class Key(Protocol):
    """A holder's key; `coincurve.PrivateKey` is one."""

    def sign_recoverable(self, message: bytes, hasher: None) -> bytes:
        """65 bytes over a 32-byte digest; equal digests give equal signatures (RFC 6979)."""
        ...


@dataclass(slots=True)
class Tally:
    """Signatures of one blob as they come in."""

    blob: Blob
    holders: HolderSet
    """Of the blob's epoch."""
    network: bytes
    stake: int = 0
    """Of those who signed."""
    _signatures: dict[int, bytes] = field(default_factory=dict)

    def add(self, index: int, signature: bytes, recover: Recover = _core.recover_addresses) -> bool:
        """Count a holder's signature; False when it is counted already. Raises BadSignature."""
        if index in self._signatures:
            return False
        (signer,) = recover([(self.blob.digest(self.network), signature)])
        if signer != self.holders.holders[index].signer:
            raise BadSignature(f"holder {index} did not sign")
        self._signatures[index] = signature
        self.stake += self.holders.holders[index].stake
        return True

    def certificate(self) -> Certificate | None:
        """The certificate, once a quorum has signed."""
        if self.stake < self.holders.quorum:
            return None
        return Certificate(self.blob, tuple(sorted(self._signatures.items())))


def _signature(entry: object) -> tuple[int, bytes]:
    match entry:
        case [bytes(index), bytes(signature)] if len(index) <= 1 and len(signature) == SIGNATURE_BYTES:
            return int.from_bytes(index, "big"), signature
        case _:
            raise InvalidMessage("certificate: not an index and a signature")
