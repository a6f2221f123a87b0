"""BLS keys of validators that exist only in tests, and a stand-in for BLS where reveals are not what is tested."""

from __future__ import annotations

from functools import cache

from zg_node import _core
from zg_node.execution.beacon import Scheme
from zg_node.types.block import REVEAL_BYTES, ConsensusHeader
from zg_node.types.hashing import keccak


@cache
def secret(number: int) -> bytes:
    """A BLS secret, 32 bytes."""
    return _core.bls_key_from_seed(number.to_bytes(32, "big"))


@cache
def pubkey(number: int) -> bytes:
    """Its public key, 48 bytes."""
    return _core.bls_public_key(secret(number))


def pubkey48(number: int) -> str:
    """Its public key as a chain file has it."""
    return "0x" + pubkey(number).hex()


_public = cache(_core.bls_public_key)


def _seal(public: bytes, message: bytes) -> bytes:
    return keccak(public + message) * 3


CHEAP = Scheme(
    sign=lambda secret, message: _seal(_public(secret), message),
    verify=lambda public, message, signature: _seal(public, message) == signature,
)
"""One value a key and message, as BLS; anybody can make it."""


class Silent:
    """Satisfies `execution.beacon.Beacon`: reveals that nobody checks."""

    def reveal(self, number: int) -> bytes:
        return number.to_bytes(REVEAL_BYTES, "big")

    def check(self, number: int, header: ConsensusHeader) -> None:
        pass
