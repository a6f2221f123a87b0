"""Parameters: what is accepted, and geth's words for what is not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zg_node.errors import InvalidRequest
from zg_node.rpc.params import Arguments, MalformedError, Tag, parse_block_id, parse_quantity, parse_slot, unhex_data

HASH = "0x" + "ab" * 32
ADDRESS = "0x" + "12" * 20


@given(st.integers(0, 2**64 - 1))
def test_every_quantity_reads_back(number: int) -> None:
    assert parse_quantity(hex(number)) == number


@given(st.one_of(st.text(), st.integers(), st.none(), st.booleans(), st.lists(st.text()), st.floats()))
def test_arbitrary_values_are_parsed_or_refused_and_nothing_else(value: object) -> None:
    for parse in (parse_quantity, parse_block_id, parse_slot, unhex_data):
        with contextlib.suppress(MalformedError):
            assert parse(value) is not None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0x01", "hex number with leading zero digits"),
        ("0x", 'hex string "0x"'),
        ("", "empty hex string"),
        ("1", "hex string without 0x prefix"),
        ("0xg", "invalid hex string"),
        ("0x 1", "invalid hex string"),
        ("0x1_0", "invalid hex string"),
        ("0x1" + "0" * 16, "hex number > 64 bits"),
        (1, "json: cannot unmarshal non-string into Go value of type hexutil.Uint64"),
    ],
)
def test_quantities_are_refused_in_geths_words(value: object, message: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_quantity(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("latest", Tag.LATEST),
        ("safe", Tag.LATEST),
        ("finalized", Tag.LATEST),
        ("pending", Tag.PENDING),
        ("earliest", 0),
        ("0x10", 16),
        (HASH, b"\xab" * 32),
        ({"blockNumber": "0x10"}, 16),
        ({"blockNumber": "latest"}, Tag.LATEST),
        ({"blockHash": HASH, "requireCanonical": True}, b"\xab" * 32),
    ],
)
def test_blocks_are_named_by_tag_number_hash_or_object(value: object, expected: object) -> None:
    assert parse_block_id(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"blockNumber": "0x1", "blockHash": HASH},
        {"blockHash": "0x12"},
        {"blockHash": HASH, "requireCanonical": "yes"},
        "newest",
        "0x01",
        "0xffffffffffffffff",
        16,
        ["latest"],
    ],
)
def test_other_names_of_blocks_are_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        parse_block_id(value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "missing value for required argument 0"),
        ([None], "missing value for required argument 0"),
        (
            ["12" * 20],
            "invalid argument 0: json: cannot unmarshal hex string without 0x prefix "
            "into Go value of type common.Address",
        ),
        (["0x12"], "invalid argument 0: hex string has length 2, want 40 for common.Address"),
        ([7], "invalid argument 0: json: cannot unmarshal non-string into Go value of type common.Address"),
        (
            ["0x" + "zz" * 20],
            "invalid argument 0: json: cannot unmarshal invalid hex string into Go value of type common.Address",
        ),
    ],
)
def test_addresses_are_refused_in_geths_words(values: list[object], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Arguments(values).address(0)
    assert str(caught.value) == message
    assert caught.value.code == -32602


def test_an_absent_block_is_the_latest() -> None:
    assert Arguments([ADDRESS]).block(1) is Tag.LATEST
    assert Arguments([ADDRESS, None]).block(1) is Tag.LATEST


def test_storage_keys_may_be_short_and_have_leading_zeros() -> None:
    assert parse_slot("0x0") == 0
    assert parse_slot("0x" + "0" * 63 + "5") == 5
    with pytest.raises(MalformedError):
        parse_slot("0x" + "0" * 65)


def test_counts_are_hex_or_json_numbers() -> None:
    assert Arguments(["0xa", 10]).count(0) == Arguments(["0xa", 10]).count(1) == 10
    with pytest.raises(InvalidRequest):
        Arguments([-1]).count(0)
    with pytest.raises(InvalidRequest):
        Arguments([True]).count(0)


def test_an_object_nested_too_deep_to_encode_is_refused() -> None:
    nested: dict[str, object] = {}
    for _ in range(500):
        nested = {"a": nested}
    with pytest.raises(InvalidRequest, match="max depth"):
        Arguments([nested]).encoded(0, "T")
