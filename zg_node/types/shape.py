"""The first look at hostile RLP: its size, then its shape. What the strings mean is the caller's to check."""

from __future__ import annotations

from zg_node.errors import InvalidMessage
from zg_node.types import encoding


def strings(data: bytes, count: int, max_bytes: int, what: str) -> list[bytes]:
    """The items of an RLP list of exactly `count` strings. Raises InvalidMessage, naming `what`."""
    items = decode(data, max_bytes, what)
    if not isinstance(items, list) or len(items) != count or not all(isinstance(i, bytes) for i in items):
        raise InvalidMessage(f"{what}: not a list of {count} strings")
    return items


def decode(data: bytes, max_bytes: int, what: str) -> object:
    """Any RLP of at most `max_bytes`: bytes, or lists of it. Raises InvalidMessage, naming `what`."""
    if len(data) > max_bytes:
        raise InvalidMessage(f"{what} of {len(data)} bytes")
    try:
        return encoding.decode(data)
    except ValueError as error:
        raise InvalidMessage(f"{what}: {error}") from error
