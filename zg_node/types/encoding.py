"""RLP of what consensus sends, receives and logs, many times a block: as the `rlp` library has it, in a fraction of the
time, for byte strings and lists of them; numbers are only encoded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, Union

Item: TypeAlias = Union[bytes, int, Iterable["Item"]]  # noqa: UP007 - a recursive alias cannot use `|` with a string

DEPTH_MAX = 16
"""Lists in lists; nothing that nodes exchange is deeper than five."""
ITEMS_MAX = 1 << 16
"""Items in one message: a megabyte of empty ones would otherwise keep us busy for a second."""


def encode(item: Item) -> bytes:
    """The canonical RLP. Numbers are not negative (OverflowError)."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _head(0x80, len(item)) + item
    payload = b"".join([encode(each) for each in item])
    return _head(0xC0, len(payload)) + payload


def decode(data: bytes) -> bytes | list[Any]:
    """The byte string, or list of such, that `encode` would give `data` for. Raises ValueError for anything else: not
    canonical, cut off, followed by more, nested deeper than DEPTH_MAX, or of more than ITEMS_MAX items."""
    item, end = _item(data, 0, len(data), DEPTH_MAX, [ITEMS_MAX])
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes follow")
    return item


def _item(data: bytes, at: int, end: int, depth: int, left: list[int]) -> tuple[bytes | list[Any], int]:
    """The item that begins at `at` and ends before `end`, and where it ends; `left` counts how many more may come."""
    if at >= end:
        raise ValueError("an item is missing")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list, length = first >= 0xC0, first & 0x3F
    start = at + 1
    if length > 55:
        start += length - 55
        length = int.from_bytes(data[at + 1 : start], "big")
        if start > end or length < 56 or data[at + 1] == 0:
            raise ValueError("a length is not canonical")
    stop = start + length
    if stop > end:
        raise ValueError("an item is cut off")
    if not is_list:
        if length == 1 and data[start] < 0x80:
            raise ValueError("a byte is not canonical")
        return data[start:stop], stop
    if depth == 0:
        raise ValueError("lists are nested too deeply")
    items: list[Any] = []
    while start < stop:
        left[0] -= 1
        if left[0] < 0:
            raise ValueError("too many items")
        item, start = _item(data, start, stop, depth - 1, left)
        items.append(item)
    return items, stop


def _head(offset: int, length: int) -> bytes:
    """What says that a string (`offset` 0x80) or a list (0xC0) of so many bytes follows."""
    if length < 56:
        return bytes((offset + length,))
    if length < 256:  # a signature
        return bytes((offset + 56, length))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((offset + 55 + len(size),)) + size
