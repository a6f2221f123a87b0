"""Accounts of a load test, derived from a seed so that two runs with one seed send the same transactions."""

from __future__ import annotations

from dataclasses import dataclass

from coincurve import PrivateKey

from zg_node.bench.rlp import encode_bytes, encode_int, encode_list
from zg_node.types.hashing import keccak

DEVNET_FAUCET_KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
"""Account 0 of the `test … junk` mnemonic: public, and rich on every development chain."""


@dataclass(frozen=True, slots=True)
class Account:
    key: bytes
    """32 bytes."""
    address: bytes
    """20 bytes."""

    @classmethod
    def of(cls, key: bytes) -> Account:
        public = PrivateKey(key).public_key.format(compressed=False)
        return cls(key, keccak(public[1:])[12:])


def derive_senders(seed: str, count: int) -> tuple[Account, ...]:
    """`count` accounts whose keys are keccak(seed, index); raises ValueError for a hash that is no key (odds 2⁻¹²⁸)."""
    return tuple(Account.of(keccak(f"{seed} sender {index}".encode())) for index in range(count))


def fresh_address(seed: str, index: int) -> bytes:
    """20 bytes that no key is known for."""
    return keccak(f"{seed} receiver {index}".encode())[12:]


def contract_address(creator: bytes, nonce: int) -> bytes:
    """Where a creation transaction with this nonce puts its contract."""
    return keccak(encode_list([encode_bytes(creator), encode_int(nonce)]))[12:]
