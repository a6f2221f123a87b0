"""Completing transaction objects, and the headers that calls may override."""

from __future__ import annotations

import pytest
import rlp

from tests.rpc.doubles import make_header
from zg_node.errors import InvalidRequest
from zg_node.rpc.header_override import override_header
from zg_node.rpc.params import MalformedError
from zg_node.rpc.transaction_fill import (
    parse_fields,
    transaction_type,
    unsigned_bytes,
    unsigned_json,
    with_chain,
    with_fees,
)
from zg_node.types.block import Header
from zg_node.types.hashing import ZERO_HASH

TO = "0x" + "22" * 20
COMPLETE = {"to": TO, "nonce": "0x1", "gas": "0x5208", "value": "0x5"}


def test_fields_are_checked_and_unknown_ones_dropped() -> None:
    assert parse_fields({"to": TO, "value": "0x5", "colour": 1, "gas": None, "data": "0xab"}) == {
        "to": b"\x22" * 20,
        "value": 5,
        "input": b"\xab",
    }


def test_data_and_input_may_say_the_same() -> None:
    assert parse_fields({"to": TO, "data": "0xAB", "input": "0xab"})["input"] == b"\xab"
    assert parse_fields({"to": TO, "data": "0x"})["input"] == parse_fields({"to": TO})["input"] == b""


@pytest.mark.parametrize(
    "given",
    [
        {"to": "0x1"},
        {"to": TO, "value": "5"},
        {"to": TO, "data": "0x1"},
        {"to": TO, "data": "0x1", "input": "0x01"},
    ],
)
def test_fields_that_do_not_parse_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        parse_fields(given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"to": TO, "gasPrice": "0x1", "maxFeePerGas": "0x1"},
        {"to": TO, "data": "0x01", "input": "0x02"},
        {"to": TO, "data": "0x01", "input": "0x"},
    ],
)
def test_fields_that_contradict_one_another_are_refused_with_geths_code(given: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_fields(given)
    assert caught.value.code == -32000


def test_fees_leave_room_for_the_base_fee_to_double() -> None:
    assert with_fees({}, 100, 7) == {"maxFeePerGas": 207, "maxPriorityFeePerGas": 7}
    assert with_fees({"gasPrice": 9}, 100, 7) == {"gasPrice": 9}
    assert with_fees({"maxFeePerGas": 5}, 100, 7) == {"maxFeePerGas": 5, "maxPriorityFeePerGas": 5}
    with pytest.raises(InvalidRequest, match="maxFeePerGas"):
        with_fees({"maxFeePerGas": 5, "maxPriorityFeePerGas": 6}, 100, 7)


def test_a_transaction_for_another_chain_is_refused() -> None:
    assert with_chain({}, 7)["chainId"] == 7
    with pytest.raises(InvalidRequest, match="have=8, want=7"):
        with_chain({"chainId": 8}, 7)


@pytest.mark.parametrize(
    ("extra", "kind", "items"),
    [
        ({"gasPrice": "0x9"}, 0, 9),
        ({"gasPrice": "0x9", "accessList": [{"address": TO, "storageKeys": ["0x" + "01" * 32]}]}, 1, 11),
        ({"maxFeePerGas": "0x9", "maxPriorityFeePerGas": "0x1"}, 2, 12),
        (
            {
                "maxFeePerGas": "0x9",
                "maxPriorityFeePerGas": "0x1",
                "authorizationList": [
                    {"chainId": "0x1", "address": TO, "nonce": "0x0", "yParity": "0x1", "r": "0x2", "s": "0x3"}
                ],
            },
            4,
            13,
        ),
    ],
)
def test_an_unsigned_transaction_has_the_items_of_its_type(extra: dict[str, object], kind: int, items: int) -> None:
    fields = with_chain(parse_fields(COMPLETE | extra), 7)
    assert transaction_type(fields) == kind
    raw = unsigned_bytes(fields)
    decoded = rlp.decode(raw[1:] if kind else raw)
    assert len(decoded) == items
    assert decoded[-3:] == [b"", b"", b""]
    document = unsigned_json(fields)
    assert document["raw"] == "0x" + raw.hex()


@pytest.mark.parametrize("access_list", [7, [7], [{}], [{"address": TO, "storageKeys": "x"}], [{"address": "0x1"}]])
def test_a_malformed_access_list_is_refused(access_list: object) -> None:
    fields = with_chain(parse_fields(COMPLETE | {"gasPrice": "0x9", "accessList": access_list}), 7)
    with pytest.raises(InvalidRequest):
        unsigned_bytes(fields)


def test_a_header_is_overridden_field_by_field() -> None:
    given = make_header(5, ZERO_HASH)
    overridden = Header.decode(
        override_header(
            given,
            {"number": "0x9", "time": "0x64", "gasLimit": "0x7", "baseFeePerGas": "0x0", "feeRecipient": TO,
             "prevRandao": "0x" + "33" * 32, "difficulty": None},
        )
    )  # fmt: skip
    assert (overridden.number, overridden.timestamp, overridden.gas_limit, overridden.base_fee) == (9, 100, 7, 0)
    assert (overridden.coinbase, overridden.prev_randao) == (b"\x22" * 20, b"\x33" * 32)
    assert override_header(given, {}) == given


@pytest.mark.parametrize("fields", [{"number": 9}, {"time": "0x01"}, {"feeRecipient": "0x1"}, {"blobBaseFee": "0x1"}])
def test_an_override_that_cannot_be_applied_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        override_header(make_header(5, ZERO_HASH), fields)
