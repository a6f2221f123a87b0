"""EIP-1559 transactions, encoded and signed."""

from __future__ import annotations

from dataclasses import dataclass

from coincurve import PrivateKey

from zg_node.bench.rlp import encode_bytes, encode_int, encode_list
from zg_node.types.hashing import keccak


@dataclass(frozen=True, slots=True)
class Call:
    """What a transaction does."""

    to: bytes | None
    """20 bytes; None creates a contract."""
    gas: int
    value: int = 0
    """wei"""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers, in wei per gas."""

    max_fee: int
    max_tip: int


@dataclass(frozen=True, slots=True)
class Signed:
    hash: bytes
    """32 bytes."""
    raw_hex: bytes
    """The EIP-2718 encoding as ASCII hex digits without 0x: ready to be put into a request."""


class Signer:
    """Signs one account's transactions for one chain."""

    def __init__(self, key: bytes, chain_id: int, fees: Fees) -> None:
        self._key = PrivateKey(key)
        self._chain = encode_int(chain_id)
        self._fees = encode_int(fees.max_tip) + encode_int(fees.max_fee)

    def sign(self, nonce: int, call: Call) -> Signed:
        # EIP-1559: 0x02 ‖ rlp([chain, nonce, tip, fee, gas, to, value, data, access list, parity, r, s])
        fields = b"".join(
            (
                self._chain,
                encode_int(nonce),
                self._fees,
                encode_int(call.gas),
                encode_bytes(call.to or b""),
                encode_int(call.value),
                encode_bytes(call.data),
                b"\xc0",
            )
        )
        signature = self._key.sign_recoverable(keccak(b"\x02" + encode_list((fields,))), hasher=None)
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:64], "big")
        raw = b"\x02" + encode_list((fields, encode_int(signature[64]), encode_int(r), encode_int(s)))
        return Signed(keccak(raw), raw.hex().encode())
