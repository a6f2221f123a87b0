"""Commitments as rollups keep them: which blob, and whose commitment it is.

    generic     0x01 ‖ 0x47 ‖ epoch u64 LE ‖ quorum u64 LE ‖ commitment 32      OP Stack; 0x47 is 0G's layer byte
    standard    0x00 ‖        epoch u64 LE ‖ quorum u64 LE ‖ commitment 32      EigenDA proxy, commitment_mode=standard
    keccak      0x00 ‖ keccak-256 of the blob                                   OP Stack

A commitment alone says which bytes are meant; epoch and quorum say under which certificate they were stored first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final

from zg_node.da.certificate import Blob
from zg_node.errors import InvalidRequest

KECCAK_TYPE: Final = 0x00
GENERIC_TYPE: Final = 0x01
LAYER_BYTE: Final = 0x47
STANDARD_VERSION: Final = 0x00

_LOCATOR = struct.Struct("<QQ32s")


class Mode(Enum):
    """How a client spells commitments."""

    OPTIMISM = "optimism"
    STANDARD = "standard"


_PREFIXES: Final = {
    Mode.OPTIMISM: bytes((GENERIC_TYPE, LAYER_BYTE)),
    Mode.STANDARD: bytes((STANDARD_VERSION,)),
}


@dataclass(frozen=True, slots=True)
class Locator:
    """A blob under the certificate that it was stored with."""

    commitment: bytes
    """32 bytes."""
    epoch: int
    quorum: int

    @classmethod
    def of(cls, blob: Blob) -> Locator:
        """Of a certified blob."""
        return cls(blob.commitment, blob.epoch, blob.quorum)

    def encode(self, mode: Mode) -> bytes:
        """50 bytes, or 49 in the standard mode."""
        return _PREFIXES[mode] + _LOCATOR.pack(self.epoch, self.quorum, self.commitment)

    @classmethod
    def decode(cls, data: bytes, mode: Mode) -> Locator:
        """Raises InvalidRequest for what `encode` does not give."""
        prefix = _PREFIXES[mode]
        if not data.startswith(prefix) or len(data) != len(prefix) + _LOCATOR.size:
            expected = f"0x{prefix.hex()} and {_LOCATOR.size} bytes"
            raise InvalidRequest(f"a commitment of {len(data)} bytes that is none of ours: {expected}")
        epoch, quorum, commitment = _LOCATOR.unpack_from(data, len(prefix))
        return cls(commitment, epoch, quorum)


@dataclass(frozen=True, slots=True)
class Keccak:
    """A blob by its keccak-256."""

    digest: bytes
    """32 bytes."""

    def encode(self) -> bytes:
        """33 bytes."""
        return bytes((KECCAK_TYPE,)) + self.digest


def parse(text: str, mode: Mode) -> Locator | Keccak:
    """A commitment in hexadecimal, 0x before it. Raises InvalidRequest."""
    try:
        if not text.startswith("0x") or not text.isascii():
            raise ValueError
        data = bytes.fromhex(text[2:])
    except ValueError as error:
        raise InvalidRequest("a commitment is 0x and hexadecimal digits") from error
    if mode is Mode.OPTIMISM and data[:1] == bytes((KECCAK_TYPE,)):
        if len(data) != 33:
            raise InvalidRequest(f"a keccak commitment of {len(data)} bytes: it has 33")
        return Keccak(data[1:])
    return Locator.decode(data, mode)
