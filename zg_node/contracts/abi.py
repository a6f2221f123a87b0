"""Solidity's ABI: functions, events and errors as values, from their text or from an artefact.

"balanceOf(address)(uint256)" ─▶ Function ─ encode ─▶ call data        addresses are 20 bytes, structs are tuples
                                          ◀─ decode ── return data
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.abi import is_encodable_type
from eth_abi.exceptions import DecodingError, EncodingError, ParseError
from eth_abi.grammar import normalize
from eth_abi.grammar import parse as parse_type

from zg_node.contracts import artifact
from zg_node.errors import InvalidConfig
from zg_node.types.hashing import keccak

_NAME = re.compile(r"^[A-Za-z_$][\w$]*$")


@dataclass(frozen=True, slots=True)
class Function:
    """A function, or a custom error: its name, and its types in canonical form."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()

    @property
    def selector(self) -> bytes:
        """The first 4 bytes of the hash of `name(inputs)`."""
        return _topic(self.name, self.inputs)[:4]

    def encode(self, *values: object) -> bytes:
        """Call data. Raises InvalidConfig when the values do not fit."""
        return self.selector + encode(self.inputs, values)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Return data. Raises InvalidConfig when it is something else."""
        return decode(self.outputs, data)


@dataclass(frozen=True, slots=True)
class Event:
    """An event: its parameters in order."""

    name: str
    types: tuple[str, ...]
    fields: tuple[str, ...]
    indexed: tuple[bool, ...]

    @property
    def topic(self) -> bytes:
        """32 bytes: the first topic of its logs."""
        return _topic(self.name, self.types)

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """A log's fields by name. Raises InvalidConfig when it is not of this event; indexed fields are of one word."""
        if len(topics) != 1 + sum(self.indexed) or topics[0] != self.topic:
            raise InvalidConfig(f"the log is no {self.name}")
        plain = [kind for kind, indexed in zip(self.types, self.indexed, strict=True) if not indexed]
        words, values = iter(topics[1:]), iter(decode(plain, data))
        return {
            field: decode([kind], next(words))[0] if indexed else next(values)
            for field, kind, indexed in zip(self.fields, self.types, self.indexed, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Interface:
    """What a contract of an artefact offers, by name; functions that share a name are left out."""

    functions: dict[str, Function]
    events: dict[bytes, Event]
    """By topic."""
    errors: dict[bytes, Function]
    """By selector."""

    def decode_error(self, data: bytes) -> tuple[str, tuple[Any, ...]] | None:
        """The error that a revert carries: its name and values; None when it is none of the contract's."""
        known = self.errors.get(data[:4])
        if known is None:
            return None
        try:
            return known.name, decode(known.inputs, data[4:])
        except InvalidConfig:
            return None

    def explain(self, data: bytes) -> str | None:
        """A revert as `StillJailed(7)`; None when it carries none of the contract's errors."""
        decoded = self.decode_error(data)
        return None if decoded is None else f"{decoded[0]}({', '.join(map(str, decoded[1]))})"


@cache
def interface(name: str) -> Interface:
    """The interface of a packaged artefact. Raises FileNotFoundError."""
    entries = artifact.interface(name)
    functions = [
        Function(e["name"], _types(e["inputs"]), _types(e["outputs"])) for e in entries if e["type"] == "function"
    ]
    names = [function.name for function in functions]
    events = [
        Event(
            e["name"],
            _types(e["inputs"]),
            tuple(parameter["name"] for parameter in e["inputs"]),
            tuple(parameter["indexed"] for parameter in e["inputs"]),
        )
        for e in entries
        if e["type"] == "event"
    ]
    errors = [Function(e["name"], _types(e["inputs"])) for e in entries if e["type"] == "error"]
    return Interface(
        {function.name: function for function in functions if names.count(function.name) == 1},
        {event.topic: event for event in events},
        {error.selector: error for error in errors},
    )


def parse_function(text: str) -> Function:
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
    return Function(name, _split(inputs, text), _split(outputs, text))


def encode(types: Sequence[str], values: Iterable[object]) -> bytes:
    """Values as ABI words. Raises InvalidConfig when their number or values do not fit `types`."""
    given = tuple(values)
    if len(types) != len(given):
        raise InvalidConfig(f"({','.join(types)}) takes {len(types)} arguments, {len(given)} are given")
    try:
        return bytes(abi_encode(types, given))
    except (EncodingError, OverflowError) as error:
        raise InvalidConfig(f"the arguments do not fit ({','.join(types)}): {error}") from error


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """ABI words as values; addresses become 0x-text. Raises InvalidConfig."""
    try:
        return tuple(abi_decode(types, data))
    except (DecodingError, OverflowError) as error:
        raise InvalidConfig(f"the answer 0x{data.hex()} is not ({','.join(types)}): {error}") from error


def canonical_type(parameter: dict[str, Any]) -> str:
    """A parameter's type as selectors have it; a struct becomes its tuple. Raises KeyError, TypeError."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(_types(parameter["components"])) + ")" + kind.removeprefix("tuple")


def _types(parameters: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(canonical_type(parameter) for parameter in parameters)


def _topic(name: str, types: Sequence[str]) -> bytes:
    return _hash(f"{name}({','.join(types)})")


@cache
def _hash(text: str) -> bytes:
    return keccak(text.encode())


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
