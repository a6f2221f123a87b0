"""Calls of the workloads, encoded by hand: a load shares its machine with the node, and the ABI library takes fifteen
times as long for a transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from zg_node.contracts.abi import parse_function

UINT256_MAX = (1 << 256) - 1


@cache
def _selector(signature: str) -> bytes:
    return parse_function(signature).selector


def encode_arguments(*arguments: int | bytes | str | Sequence[bytes]) -> bytes:
    """Solidity's ABI for uint256 (int), address (20 bytes), string, and address[] (a sequence)."""
    heads, tails = [], b""
    for argument in arguments:
        match argument:
            case int():
                heads.append(argument.to_bytes(32, "big"))
            case bytes():
                heads.append(argument.rjust(32, b"\0"))
            case str():
                text = argument.encode()
                heads.append((32 * len(arguments) + len(tails)).to_bytes(32, "big"))
                tails += len(text).to_bytes(32, "big") + text.ljust(-(-len(text) // 32) * 32, b"\0")
            case _:
                heads.append((32 * len(arguments) + len(tails)).to_bytes(32, "big"))
                tails += len(argument).to_bytes(32, "big") + b"".join(item.rjust(32, b"\0") for item in argument)
    return b"".join(heads) + tails


def encode_call(signature: str, *arguments: int | bytes | str | Sequence[bytes]) -> bytes:
    """Selector and arguments, e.g. `encode_call("transfer(address,uint256)", to, 5)`."""
    return _selector(signature) + encode_arguments(*arguments)
