"""The quick RLP encoder says what the library says."""

from __future__ import annotations

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from zg_node.types.encoding import Item, encode

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
