"""The wire format against the reference library's idea of it, and against anything else."""

from __future__ import annotations

import contextlib

import pytest
from google.protobuf import wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from zg_node.errors import InvalidMessage
from zg_node.gateway.protobuf import FIELDS_MAX, bytes_field, decode, encode, number_field

NUMBERS = st.integers(0, (1 << 64) - 1)
FIELDS = st.dictionaries(st.integers(1, (1 << 29) - 1), NUMBERS | st.binary(max_size=300), max_size=8)


@given(FIELDS)
def test_what_is_encoded_is_decoded_but_for_what_is_zero(fields: dict[int, int | bytes]) -> None:
    assert decode(encode(list(fields.items()))) == {number: value for number, value in fields.items() if value}


@given(NUMBERS)
def test_numbers_are_as_the_reference_library_writes_them(value: int) -> None:
    assert encode([(1, value)]) == wrappers_pb2.UInt64Value(value=value).SerializeToString()


@given(st.binary(max_size=300))
def test_bytes_are_as_the_reference_library_writes_them(value: bytes) -> None:
    message = wrappers_pb2.BytesValue(value=value).SerializeToString()
    assert encode([(1, value)]) == message
    assert bytes_field(decode(message), 1) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(message: bytes) -> None:
    with contextlib.suppress(InvalidMessage):
        decode(message)


def test_unknown_fields_of_every_wire_type_are_skipped_over() -> None:
    message = b"\x51" + bytes(8) + b"\x5d" + bytes(4) + b"\x60\x01" + b"\x6a\x02xy" + encode([(1, b"data")])
    assert bytes_field(decode(message), 1) == b"data"


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a\x05abcd",  # four bytes of five
        b"\x0a",  # no length
        b"\x08" + b"\xff" * 10,  # a varint without an end
        b"\x08" + b"\xff" * 9 + b"\x02",  # 65 bits
        b"\x00\x01",  # field 0
        b"\x0b",  # a group
        b"\x09\x01",  # one byte of eight
        b"\x08\x01" * (FIELDS_MAX + 1),
    ],
)
def test_what_is_cut_or_out_of_bounds_is_refused(message: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode(message)


def test_a_field_of_the_other_kind_is_refused() -> None:
    fields = decode(encode([(1, 7), (2, b"seven")]))
    assert (number_field(fields, 1), number_field(fields, 3), bytes_field(fields, 3)) == (7, 0, b"")
    with pytest.raises(InvalidMessage):
        bytes_field(fields, 1)
    with pytest.raises(InvalidMessage):
        number_field(fields, 2)
