"""The quick RLP says what the library says."""

from __future__ import annotations

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from zg_node.types.encoding import DEPTH_MAX, ITEMS_MAX, Item, decode, encode

leaves = st.binary(max_size=80) | st.integers(0, 2**80)
items = st.recursive(leaves, lambda inner: st.lists(inner, max_size=8), max_leaves=40)


@given(items)
def test_it_says_what_the_library_says(item: Item) -> None:
    assert encode(item) == rlp.encode(item)


@pytest.mark.parametrize("size", [0, 1, 55, 56, 255, 256, 65_535, 65_536])
def test_lengths_are_written_as_short_as_they_go(size: int) -> None:
    assert encode(bytes(size)) == rlp.encode(bytes(size))
    assert encode([b"\1"] * size) == rlp.encode([b"\1"] * size)


def test_negative_numbers_have_no_encoding() -> None:
    with pytest.raises(OverflowError):
        encode([-1])


strings = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=8), max_leaves=40)


@given(strings)
def test_what_was_encoded_comes_back(item: Item) -> None:
    assert decode(encode(item)) == item


def both(data: bytes) -> tuple[object, object]:
    """What the library makes of `data`, and what we do; None for an error."""
    try:
        theirs = rlp.decode(data)
    except rlp.exceptions.RLPException:
        theirs = None
    try:
        ours: object = decode(data)
    except ValueError:
        ours = None
    return theirs, ours


@given(st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused_as_by_the_library(data: bytes) -> None:
    theirs, ours = both(data)
    assert theirs == ours


@given(strings, st.data())
def test_a_changed_byte_is_taken_or_refused_as_by_the_library(item: Item, choices: st.DataObject) -> None:
    data = bytearray(encode(item))
    for _ in range(choices.draw(st.integers(1, 3))):
        data[choices.draw(st.integers(0, len(data) - 1))] = choices.draw(st.integers(0, 255))
    cut = choices.draw(st.integers(0, len(data)))
    for variant in (bytes(data), bytes(data[:cut]), bytes(data) + b"\x80"):
        theirs, ours = both(variant)
        assert theirs == ours


def nested(depth: int) -> bytes:
    item: Item = []
    for _ in range(depth - 1):
        item = [item]
    return encode(item)


def test_lists_are_nested_so_deep_and_no_deeper() -> None:
    assert decode(nested(DEPTH_MAX)) == rlp.decode(nested(DEPTH_MAX))
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(nested(DEPTH_MAX + 1))


def test_a_message_has_so_many_items_and_no_more() -> None:
    assert decode(encode([b""] * ITEMS_MAX)) == [b""] * ITEMS_MAX
    with pytest.raises(ValueError, match="too many items"):
        decode(encode([b""] * (ITEMS_MAX + 1)))
    with pytest.raises(ValueError, match="too many items"):
        decode(encode([[b""] * 300] * 300))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81\x00",
        b"\x81\x7f",
        b"\xb8\x01a",
        b"\xb9\x00\x38" + bytes(56),
        b"\xf8\x00",
        b"\xc2\x80",
        b"\xbf" + b"\xff" * 8,
    ],
)
def test_what_is_not_canonical_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence does not matter
        decode(data)
