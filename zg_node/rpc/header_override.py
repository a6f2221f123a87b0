"""geth's block overrides for calls: the header that the EVM shows, with some fields replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import rlp

from zg_node.rpc.params import ADDRESS_HEX, HASH_HEX, MalformedError, parse_quantity, unhex_fixed

QUANTITIES: Final = {"number": (8, 64), "gasLimit": (9, 64), "time": (11, 64), "baseFeePerGas": (15, 256)}
"""Field → (its index in the header, bits)."""
IGNORED: Final = frozenset(("difficulty",))
"""Always zero since the merge; prevRandao took its place in the EVM."""


def override_header(header: bytes, fields: Mapping[str, object]) -> bytes:
    """`header` (RLP, our own) with `fields` replaced; raises MalformedError."""
    items = rlp.decode(header)
    for name, value in fields.items():
        if value is None or name in IGNORED:
            continue
        if name in QUANTITIES:
            index, bits = QUANTITIES[name]
            number = parse_quantity(value, bits)
            items[index] = number.to_bytes((number.bit_length() + 7) // 8, "big")
        elif name in ("feeRecipient", "coinbase"):
            items[2] = unhex_fixed(value, ADDRESS_HEX, "common.Address")
        elif name in ("prevRandao", "random"):
            items[13] = unhex_fixed(value, HASH_HEX, "common.Hash")
        else:
            raise MalformedError(f"block override {name[:64]!r} is not supported")
    return bytes(rlp.encode(items))
