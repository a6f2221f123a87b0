"""Solidity calls from the command line: `balanceOf(address)(uint256) 0x12…` to call data and back.

signature    name(types) or name(types)(return types); tuples as (type,type)
argument     a number, 0x-bytes, an address, true or false, text; arrays and tuples as JSON
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from zg_node.contracts import abi
from zg_node.contracts.abi import Function
from zg_node.errors import InvalidConfig
from zg_node.keys import checksum


def encode_call(function: Function, arguments: Sequence[str]) -> bytes:
    """Call data. Raises InvalidConfig when the arguments do not fit."""
    return function.selector + encode_arguments(function.inputs, arguments)


def decode_answer(function: Function, data: bytes) -> list[object]:
    """Return data as values that JSON can hold. Raises InvalidConfig."""
    return [_plain(value, kind) for value, kind in zip(function.decode(data), function.outputs, strict=True)]


def encode_arguments(types: Sequence[str], arguments: Sequence[str]) -> bytes:
    """Arguments as ABI words. Raises InvalidConfig when their number or values do not fit `types`."""
    if len(types) != len(arguments):
        raise InvalidConfig(f"({','.join(types)}) takes {len(types)} arguments, {len(arguments)} are given")
    return abi.encode(types, [_value(kind, argument) for kind, argument in zip(types, arguments, strict=True)])


def _value(kind: str, argument: str) -> object:
    if kind.endswith("]") or kind.startswith("("):
        try:
            return _from_json(json.loads(argument, parse_float=str), argument)
        except (ValueError, RecursionError) as error:
            raise InvalidConfig(f"{argument!r} should be a JSON array, for {kind}") from error
    return _scalar(kind, argument)


def _scalar(kind: str, argument: str) -> object:
    try:
        if kind.startswith(("uint", "int")):
            return int(argument, 0)
        if kind.startswith("bytes"):
            return bytes.fromhex(argument.removeprefix("0x"))
        if kind == "bool":
            return {"true": True, "false": False}[argument.lower()]
    except (ValueError, KeyError) as error:
        raise InvalidConfig(f"{argument!r} is not a {kind}") from error
    return argument


def _from_json(value: object, argument: str) -> object:
    """JSON's values as eth-abi takes them; 0x-strings of other than an address's length are bytes."""
    match value:
        case list():
            return [_from_json(item, argument) for item in value]
        case str() if value.startswith("0x") and len(value) != 42:
            return bytes.fromhex(value[2:])
        case str() | int() | bool():
            return value
        case _:
            raise InvalidConfig(f"{argument!r} holds something other than arrays, numbers, truth values and text")


def _plain(value: object, kind: str) -> object:
    match value:
        case bytes():
            return "0x" + value.hex()
        case str() if kind.startswith("address"):
            return checksum(bytes.fromhex(value.removeprefix("0x")))
        case tuple() | list():
            return [_plain(item, kind) for item in value]
        case _:
            return value
