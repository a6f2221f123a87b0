"""Solidity calls from the command line: `balanceOf(address)(uint256) 0x12…` to call data and back.

signature    name(types) or name(types)(return types); tuples as (type,type)
argument     a number, 0x-bytes, an address, true or false, text; arrays and tuples as JSON
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.abi import is_encodable_type
from eth_abi.exceptions import DecodingError, EncodingError, ParseError
from eth_abi.grammar import normalize
from eth_abi.grammar import parse as parse_type

from zg_node.errors import InvalidConfig
from zg_node.keys import checksum
from zg_node.types.hashing import keccak

_NAME = re.compile(r"^[A-Za-z_$][\w$]*$")


@dataclass(frozen=True, slots=True)
class Signature:
    """A function: its name, and its types in canonical form."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def selector(self) -> bytes:
        """The first 4 bytes of the hash of `name(inputs)`."""
        return keccak(f"{self.name}({','.join(self.inputs)})".encode())[:4]

    def encode(self, arguments: Sequence[str]) -> bytes:
        """Call data. Raises InvalidConfig when the arguments do not fit."""
        return self.selector + encode_arguments(self.inputs, arguments)

    def decode(self, data: bytes) -> list[object]:
        """Return data as values that JSON can hold. Raises InvalidConfig."""
        try:
            values = abi_decode(self.outputs, data)
        except (DecodingError, OverflowError) as error:
            raise InvalidConfig(f"the answer 0x{data.hex()} is not ({','.join(self.outputs)}): {error}") from error
        return [_plain(value, kind) for value, kind in zip(values, self.outputs, strict=True)]


def parse_signature(text: str) -> Signature:
    """`name(types)` or `name(types)(types)`. Raises InvalidConfig."""
    compact = text.replace(" ", "")
    name, opening, _ = compact.partition("(")
    if not _NAME.match(name) or not opening:
        raise InvalidConfig(f"{text!r} is not a function: write it as 'balanceOf(address)(uint256)'")
    rest = compact[len(name) :]
    end = _closing(rest, text)
    inputs, outputs = rest[: end + 1], rest[end + 1 :] or "()"
    if _closing(outputs, text) != len(outputs) - 1:
        raise InvalidConfig(f"{text!r} has something after its return types")
    return Signature(name, _split(inputs, text), _split(outputs, text))


def encode_arguments(types: Sequence[str], arguments: Sequence[str]) -> bytes:
    """Arguments as ABI words. Raises InvalidConfig when their number or values do not fit `types`."""
    if len(types) != len(arguments):
        raise InvalidConfig(f"({','.join(types)}) takes {len(types)} arguments, {len(arguments)} are given")
    values = [_value(kind, argument) for kind, argument in zip(types, arguments, strict=True)]
    try:
        return bytes(abi_encode(types, values))
    except (EncodingError, OverflowError) as error:
        raise InvalidConfig(f"the arguments do not fit ({','.join(types)}): {error}") from error


def _closing(text: str, whole: str) -> int:
    """Index of the parenthesis that closes the one at 0."""
    depth = 0
    for index, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return index
    raise InvalidConfig(f"{whole!r} has a parenthesis that nothing closes")


def _split(parenthesised: str, whole: str) -> tuple[str, ...]:
    if parenthesised == "()":
        return ()
    try:
        kind = parse_type(str(normalize(parenthesised)))
        kind.validate()
    except (ParseError, ValueError) as error:
        raise InvalidConfig(f"{whole!r} has a type that Solidity lacks") from error
    types = tuple(component.to_type_str() for component in kind.components)
    unknown = [name for name in types if not is_encodable_type(name)]
    if unknown:
        raise InvalidConfig(f"{whole!r} has a type that Solidity lacks: {unknown[0]}")
    return types


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
