"""BLS keys of validators that exist only in tests."""

from __future__ import annotations

from functools import cache

from zg_node import _core


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
