"""Solidity signatures and arguments from the command line."""

from __future__ import annotations

import pytest

from zg_node.cli.abi import decode_answer, encode_arguments, encode_call
from zg_node.contracts.abi import parse_function
from zg_node.errors import InvalidConfig

RECIPIENT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def test_a_transfer_is_encoded_as_every_wallet_does() -> None:
    data = encode_call(parse_function("transfer(address,uint256)"), [RECIPIENT, "1000"])
    assert data.hex() == "a9059cbb" + RECIPIENT[2:].lower().rjust(64, "0") + f"{1000:064x}"


def test_short_type_names_mean_the_long_ones() -> None:
    assert parse_function("f(uint, int)").inputs == ("uint256", "int256")


def test_return_values_are_decoded_for_people() -> None:
    signature = parse_function("f()(address,bytes4,uint256[],bool)")
    data = encode_arguments(signature.outputs, [RECIPIENT, "0x01020304", "[1, 2]", "true"])
    assert decode_answer(signature, data) == [RECIPIENT, "0x01020304", [1, 2], True]


def test_tuples_and_arrays_are_json() -> None:
    signature = parse_function("f((address,uint256)[],bytes[])")
    assert signature.inputs == ("(address,uint256)[]", "bytes[]")
    pairs = f'[["{RECIPIENT}", 115792089237316195423570985008687907853269984665640564039457584007913129639935]]'
    data = encode_call(signature, [pairs, '["0xabcd"]'])
    assert data[4:].hex().count("f" * 64) == 1
    assert "abcd" in data.hex()


@pytest.mark.parametrize(
    "text",
    ["", "f", "f(", "f)", "(uint256)", "1f()", "f(foo)", "f(uint7)", "f()()x", "f(()", "f(uint256", "f(" * 10_000],
)
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig):
        parse_function(text)


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        ("uint8", "256"),
        ("uint8", "-1"),
        ("uint256", "one"),
        ("uint256", "1.5"),
        ("bool", "maybe"),
        ("address", "0x12"),
        ("bytes4", "0x0102030405"),
        ("bytes", "0xabc"),
        ("uint256[]", "1"),
        ("uint256[]", "[1.5]"),
        ("uint256[]", "[null]"),
        ("uint256[2]", "[1]"),
        ("bytes[]", '["0xabc"]'),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(kind: str, argument: str) -> None:
    with pytest.raises(InvalidConfig):
        encode_arguments((kind,), [argument])


def test_the_wrong_number_of_arguments_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="takes 2 arguments, 1 are given"):
        encode_call(parse_function("transfer(address,uint256)"), [RECIPIENT])


def test_an_answer_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="is not"):
        decode_answer(parse_function("f()(uint256)"), b"\x01")
