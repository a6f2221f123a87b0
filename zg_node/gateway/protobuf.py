"""As much of the Protocol Buffers wire format as the disperser's messages need.

    message = (key ‖ value)…     key = varint(field number · 8 + wire type)
    wire type 0: varint          1: 8 bytes      2: varint length ‖ bytes      5: 4 bytes

Fields of other numbers are skipped, as the format asks; the last value of a field that is repeated counts; a value of
zero or of no bytes is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zg_node.errors import InvalidMessage

VARINT_MAX_BYTES: Final = 10
FIELDS_MAX: Final = 1_024
"""In one message: the largest that is known has three."""
_VARINT, _BYTES = 0, 2

Value = int | bytes


def encode(fields: Sequence[tuple[int, Value]]) -> bytes:
    """A message of (field number, value): numbers below 2⁶⁴ as varints, bytes as they are."""
    parts: list[bytes] = []
    for number, value in fields:
        if not value:
            continue
        if isinstance(value, bytes):
            parts += (_varint(number << 3 | _BYTES), _varint(len(value)), value)
        else:
            parts += (_varint(number << 3 | _VARINT), _varint(value))
    return b"".join(parts)


def decode(message: bytes) -> dict[int, Value]:
    """Field number → its last value. Raises InvalidMessage."""
    fields: dict[int, Value] = {}
    at = 0
    for _ in range(FIELDS_MAX):
        if at == len(message):
            return fields
        key, at = _read_varint(message, at)
        number, kind = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise InvalidMessage(f"field number {number}")
        match kind:
            case 0:
                fields[number], at = _read_varint(message, at)
                continue
            case 1:
                size = 8
            case 2:
                size, at = _read_varint(message, at)
            case 5:
                size = 4
            case _:
                raise InvalidMessage(f"wire type {kind} of field {number}")
        if size > len(message) - at:
            raise InvalidMessage(f"field {number} has {size} bytes, and {len(message) - at} follow")
        fields[number] = message[at : at + size]
        at += size
    raise InvalidMessage(f"more than {FIELDS_MAX} fields")


def bytes_field(fields: dict[int, Value], number: int) -> bytes:
    """A field of bytes; none when it is left out. Raises InvalidMessage when it is a number."""
    value = fields.get(number, b"")
    if not isinstance(value, bytes):
        raise InvalidMessage(f"field {number} is not bytes")
    return value


def number_field(fields: dict[int, Value], number: int) -> int:
    """A varint field; zero when it is left out. Raises InvalidMessage when it is bytes."""
    value = fields.get(number, 0)
    if not isinstance(value, int):
        raise InvalidMessage(f"field {number} is not a number")
    return value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """(value, where the next byte is)."""
    value = 0
    for place, byte in enumerate(message[at : at + VARINT_MAX_BYTES]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if value >= 1 << 64:
                raise InvalidMessage("a varint of more than 64 bits")
            return value, at + place + 1
    raise InvalidMessage("a varint that does not end")
