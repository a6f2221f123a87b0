"""JSON parameters to checked values, with geth's error texts.

A handler asks for its arguments by position; each accessor raises InvalidRequest (-32602) that names the position.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

import orjson

from zg_node.errors import InvalidRequest

HASH_HEX = 64
ADDRESS_HEX = 40
BLOCK_NUMBER_MAX = (1 << 63) - 1
HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")


class Tag(Enum):
    """Names for blocks that are not numbers yet. Finality is instant, so `safe` and `finalized` are LATEST too."""

    LATEST = "latest"
    PENDING = "pending"


type_names: Final = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}

BlockId = int | bytes | Tag
"""A number, a 32-byte hash, or a tag."""

TAGS: Final[Mapping[str, BlockId]] = {
    "latest": Tag.LATEST,
    "safe": Tag.LATEST,
    "finalized": Tag.LATEST,
    "pending": Tag.PENDING,
    "earliest": 0,
}


class MalformedError(ValueError):
    """A value that is not what its position needs; `Arguments` adds the position."""


def unhex_fixed(value: object, digits: int, go_type: str) -> bytes:
    """A 0x string of exactly `digits` hex digits; raises MalformedError."""
    if type(value) is not str:
        raise MalformedError(f"json: cannot unmarshal non-string into Go value of type {go_type}")
    if value[:2] not in ("0x", "0X"):
        raise MalformedError(f"json: cannot unmarshal hex string without 0x prefix into Go value of type {go_type}")
    if len(value) % 2:
        raise MalformedError(f"json: cannot unmarshal hex string of odd length into Go value of type {go_type}")
    if len(value) != digits + 2:
        raise MalformedError(f"hex string has length {len(value) - 2}, want {digits} for {go_type}")
    return _unhex(value[2:], f"json: cannot unmarshal invalid hex string into Go value of type {go_type}")


def unhex_data(value: object) -> bytes:
    """A 0x string of whole bytes; raises MalformedError."""
    if type(value) is not str:
        raise MalformedError("json: cannot unmarshal non-string into Go value of type hexutil.Bytes")
    if value[:2] not in ("0x", "0X"):
        raise MalformedError("json: cannot unmarshal hex string without 0x prefix into Go value of type hexutil.Bytes")
    if len(value) % 2:
        raise MalformedError("json: cannot unmarshal hex string of odd length into Go value of type hexutil.Bytes")
    return _unhex(value[2:], "json: cannot unmarshal invalid hex string into Go value of type hexutil.Bytes")


def _unhex(digits: str, complaint: str) -> bytes:
    try:
        return unhexlify(digits)  # bytes.fromhex would skip spaces
    except ValueError as error:
        raise MalformedError(complaint) from error


def parse_quantity(value: object, bits: int = 64) -> int:
    """A 0x number without leading zeros; raises MalformedError."""
    if type(value) is not str:
        kind = "hexutil.Uint64" if bits == 64 else "*hexutil.Big"
        raise MalformedError(f"json: cannot unmarshal non-string into Go value of type {kind}")
    if value[:2] not in ("0x", "0X"):
        raise MalformedError("hex string without 0x prefix" if value else "empty hex string")
    digits = value[2:]
    if not digits:
        raise MalformedError('hex string "0x"')
    if digits[0] == "0" and len(digits) > 1:
        raise MalformedError("hex number with leading zero digits")
    if len(digits) > bits // 4:
        raise MalformedError(f"hex number > {bits} bits")
    if not HEX_DIGITS.issuperset(digits):
        raise MalformedError("invalid hex string")
    return int(digits, 16)


def parse_block_number(value: object) -> int | Tag:
    """A tag or a quantity; raises MalformedError."""
    if type(value) is not str:
        raise MalformedError(f"json: cannot unmarshal {_kind(value)} into Go value of type rpc.BlockNumber")
    tagged = TAGS.get(value)
    if tagged is not None:
        assert not isinstance(tagged, bytes)
        return tagged
    number = parse_quantity(value)
    if number > BLOCK_NUMBER_MAX:
        raise MalformedError("block number larger than int64")
    return number


def parse_block_id(value: object) -> BlockId:
    """A tag, a number, a hash, or EIP-1898's object; raises MalformedError.

    Every block that this node knows is final, so `requireCanonical` always holds.
    """
    if type(value) is dict:
        number, block_hash = value.get("blockNumber"), value.get("blockHash")
        if number is not None and block_hash is not None:
            raise MalformedError("cannot specify both BlockHash and BlockNumber, choose one or the other")
        if type(value.get("requireCanonical", False)) is not bool:
            raise MalformedError("json: cannot unmarshal requireCanonical into Go value of type bool")
        if block_hash is not None:
            return unhex_fixed(block_hash, HASH_HEX, "common.Hash")
        if number is not None:
            return parse_block_number(number)
        raise MalformedError("invalid arguments; neither block nor hash specified")
    if type(value) is str and len(value) == HASH_HEX + 2:
        return unhex_fixed(value, HASH_HEX, "common.Hash")
    return parse_block_number(value)


def _kind(value: object) -> str:
    return "null" if value is None else type_names.get(type(value), "value")


class Arguments:
    """A request's positional parameters. `None` stands for JSON null, which counts as absent."""

    __slots__ = ("_values",)

    def __init__(self, values: Sequence[object]) -> None:
        self._values = values

    def has(self, index: int) -> bool:
        """Whether the argument is there and not null."""
        return index < len(self._values) and self._values[index] is not None

    def value(self, index: int) -> object:
        """The argument as it was parsed; raises InvalidRequest when absent."""
        if not self.has(index):
            raise InvalidRequest(f"missing value for required argument {index}")
        return self._values[index]

    def address(self, index: int) -> bytes:
        """20 bytes."""
        return self._fixed(index, ADDRESS_HEX, "common.Address")

    def hash(self, index: int) -> bytes:
        """32 bytes."""
        return self._fixed(index, HASH_HEX, "common.Hash")

    def _fixed(self, index: int, digits: int, go_type: str) -> bytes:
        try:
            return unhex_fixed(self.value(index), digits, go_type)
        except MalformedError as error:
            raise self.invalid(index, error) from error

    def data(self, index: int) -> bytes:
        """Any number of bytes."""
        try:
            return unhex_data(self.value(index))
        except MalformedError as error:
            raise self.invalid(index, error) from error

    def quantity(self, index: int) -> int:
        """An unsigned 64-bit number in hex."""
        try:
            return parse_quantity(self.value(index))
        except MalformedError as error:
            raise self.invalid(index, error) from error

    def count(self, index: int) -> int:
        """An unsigned 64-bit number, in hex or as a JSON number, as some methods allow both."""
        value = self.value(index)
        if type(value) is int and 0 <= value < 1 << 64:
            return value
        return self.quantity(index)

    def slot(self, index: int) -> int:
        """A storage key: hex of up to 32 bytes, leading zeros and odd lengths allowed."""
        try:
            return parse_slot(self.value(index))
        except MalformedError as error:
            raise self.invalid(index, error) from error

    def flag(self, index: int, default: bool = False) -> bool:
        """A boolean; absent is `default`."""
        if not self.has(index):
            return default
        value = self.value(index)
        if type(value) is not bool:
            raise self.invalid(
                index, MalformedError(f"json: cannot unmarshal {_kind(value)} into Go value of type bool")
            )
        return value

    def text(self, index: int) -> str:
        value = self.value(index)
        if type(value) is not str:
            raise self.invalid(
                index, MalformedError(f"json: cannot unmarshal {_kind(value)} into Go value of type string")
            )
        return value

    def items(self, index: int) -> list[object]:
        """An array."""
        value = self.value(index)
        if type(value) is not list:
            raise self.invalid(index, MalformedError(f"json: cannot unmarshal {_kind(value)} into Go value of type []"))
        return value

    def fields(self, index: int, go_type: str = "ethapi.TransactionArgs") -> dict[str, object]:
        """An object."""
        value = self.value(index)
        if type(value) is not dict:
            raise self.invalid(
                index, MalformedError(f"json: cannot unmarshal {_kind(value)} into Go value of type {go_type}")
            )
        return value

    def encoded(self, index: int, go_type: str) -> bytes:
        """An object as JSON again, for the native core to parse."""
        try:
            return orjson.dumps(self.fields(index, go_type))
        except orjson.JSONEncodeError as error:  # nested deeper than any such object may be
            raise self.invalid(index, MalformedError("json: exceeded max depth")) from error

    def block(self, index: int) -> BlockId:
        """A block by tag, number, hash or EIP-1898 object; absent is the latest."""
        if not self.has(index):
            return Tag.LATEST
        try:
            return parse_block_id(self.value(index))
        except MalformedError as error:
            raise self.invalid(index, error) from error

    def block_number(self, index: int) -> int | Tag:
        """A block by tag or number."""
        try:
            return parse_block_number(self.value(index))
        except MalformedError as error:
            raise self.invalid(index, error) from error

    @staticmethod
    def invalid(index: int, error: Exception) -> InvalidRequest:
        """The error for argument `index`."""
        return InvalidRequest(f"invalid argument {index}: {error}")


def parse_slot(value: object) -> int:
    """A storage key: hex of up to 32 bytes; raises MalformedError."""
    if type(value) is not str:
        raise MalformedError("json: cannot unmarshal non-string into Go value of type string")
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    if not HEX_DIGITS.issuperset(digits):
        raise MalformedError("unable to decode storage key: invalid hex string")
    if len(digits) > HASH_HEX:
        raise MalformedError("unable to decode storage key: hex string too long, want at most 32 bytes")
    return int(digits or "0", 16)
