"""What people type: amounts, addresses, bytes."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zg_node.cli.values import WEI_MAX, Address, Amount, BlockName, Hex, coins
from zg_node.keys import checksum


@pytest.mark.parametrize(
    ("text", "wei"),
    [("1", 10**18), ("1.5", 15 * 10**17), ("0.000000000000000001", 1), ("3gwei", 3 * 10**9), ("10 wei", 10), ("0", 0)],
)
def test_amounts_are_exact(text: str, wei: int) -> None:
    assert Amount().convert(text, None, None) == wei


@pytest.mark.parametrize("text", ["", "-1", "1.", ".5", "1e3", "0x10", "1.5wei", "0.0000000001gwei", "1 btc", "9" * 79])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Amount().convert(text, None, None)


@given(st.integers(0, WEI_MAX))
def test_coins_lose_no_digit(wei: int) -> None:
    assert Amount().convert(coins(wei), None, None) == wei


def test_nothing_is_no_amount_where_something_has_to_move() -> None:
    assert Amount(positive=True).convert("1wei", None, None) == 1
    for text in ("0", "0.0", "0gwei"):
        with pytest.raises(click.BadParameter, match="an amount above 0 is needed"):
            Amount(positive=True).convert(text, None, None)


@given(st.binary(min_size=20, max_size=20))
def test_an_address_is_read_with_its_checksum_and_in_one_case(address: bytes) -> None:
    for text in (checksum(address), "0x" + address.hex(), "0x" + address.hex().upper()):
        assert Address().convert(text, None, None) == address


@pytest.mark.parametrize(
    "text",
    [
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92267",
        "f39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0xf39F",
        "",
        "0x" + "g" * 40,
    ],
)
def test_a_mistyped_address_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Address().convert(text, None, None)


def test_bytes_are_read_with_and_without_their_prefix() -> None:
    assert Hex().convert("0xc0FFee", None, None) == Hex().convert("c0ffee", None, None) == b"\xc0\xff\xee"
    assert Hex().convert("0x", None, None) == b""


@pytest.mark.parametrize(("size", "text"), [(None, "0xabc"), (None, "zz"), (32, "0xab")])
def test_wrong_bytes_are_refused(size: int | None, text: str) -> None:
    with pytest.raises(click.BadParameter):
        Hex(size).convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [("latest", "latest"), ("finalized", "finalized"), ("0", "0x0"), ("17", "0x11"), ("0x0f", "0xf")],
)
def test_blocks_are_named_as_json_rpc_names_them(text: str, name: str) -> None:
    assert BlockName().convert(text, None, None) == name
    block_hash = "0x" + "ab" * 32
    assert BlockName().convert(block_hash, None, None) == block_hash


@pytest.mark.parametrize("text", ["", "newest", "-1", "1.5", "0x", "0xg", "9" * 19, "ab" * 32])
def test_what_names_no_block_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a block"):
        BlockName().convert(text, None, None)
