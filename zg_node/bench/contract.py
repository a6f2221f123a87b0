"""The contracts that the workloads use: creation codes from the packaged artefacts, calls encoded by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import orjson

from zg_node.types.hashing import keccak

UINT256_MAX = (1 << 256) - 1


@cache
def creation_code(name: str) -> bytes:
    """The artefact's creation code, without constructor arguments."""
    text = (files("zg_node.genesis_data") / "artifacts" / f"{name}.json").read_bytes()
    return bytes.fromhex(orjson.loads(text)["bytecode"].removeprefix("0x"))


@cache
def _selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


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
