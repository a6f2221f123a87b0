"""Messages are what they were before they were bytes; nothing else parses."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zg_node import _core
from zg_node.da.certificate import Blob
from zg_node.da.messages import (
    CELLS_MAX,
    CONTENT_MAX_BYTES,
    HEADER_BYTES,
    ROW_INDICES_MAX,
    Cells,
    CellsRequest,
    Data,
    DataRequest,
    Offer,
    Request,
    Rows,
    RowsRequest,
    Signature,
    commitment_of,
    decode_request,
    row_budget,
)
from zg_node.errors import InvalidMessage
from zg_node.p2p.network import REQUEST_MAX_BYTES, RESPONSE_MAX_BYTES
from zg_node.types.encoding import encode

HEADER = bytes(range(HEADER_BYTES))
COMMITMENT = commitment_of(HEADER)
SHORT = st.integers(0, 65_535)

REQUESTS: list[Request] = [
    Offer(HEADER, Blob(COMMITMENT, 1 << 27, 3, 0, 1 << 40)),
    RowsRequest(COMMITMENT, (0, 1, 65_535), True),
    RowsRequest(COMMITMENT, tuple(range(ROW_INDICES_MAX)), False),
    CellsRequest(COMMITMENT, ((0, 0), (16_383, 31))),
    DataRequest(COMMITMENT, 0),
    DataRequest(COMMITMENT, 1 << 27),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_a_request_is_what_it_was_before_it_was_bytes(request_: Request) -> None:
    assert decode_request(request_.encode()) == request_
    assert len(request_.encode()) <= REQUEST_MAX_BYTES


def test_the_wire_form_of_requests_is_this() -> None:
    assert RowsRequest(b"\x07" * 32, (1, 258), True).encode().hex() == "02e7a0" + "07" * 32 + "018400010102"
    assert DataRequest(b"\x07" * 32, 5).encode().hex() == "04e2a0" + "07" * 32 + "05"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x00\xc0",
        b"\x05" + encode((COMMITMENT, 0)),
        b"\x01" + encode((HEADER[:-1], 1, 1, 1, 1)),
        b"\x01" + encode((HEADER, 1, 1, 1)),
        b"\x01" + encode((HEADER, 1, 1 << 32, 1, 1)),
        b"\x02" + encode((COMMITMENT, 2, b"\0\1")),
        b"\x02" + encode((COMMITMENT, 1, b"")),
        b"\x02" + encode((COMMITMENT, 1, b"\0\1\2")),
        b"\x02" + encode((COMMITMENT, 1, bytes(2 * ROW_INDICES_MAX + 2))),
        b"\x02" + encode((COMMITMENT[1:], 1, b"\0\1")),
        b"\x03" + encode((COMMITMENT, b"\0\1")),
        b"\x03" + encode((COMMITMENT, bytes(4 * CELLS_MAX + 4))),
        b"\x04" + encode((COMMITMENT, bytes(9))),
        b"\x04" + encode((COMMITMENT, (1,))),
    ],
)
def test_what_is_no_request_is_refused(message: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_request(message)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_never_crashes_a_decoder(noise: bytes) -> None:
    for decode in (decode_request, Rows.decode, Cells.decode, Data.decode, Signature.decode):
        try:
            decode(noise)
        except InvalidMessage:
            continue


@given(st.lists(st.tuples(SHORT, st.binary(max_size=300), st.binary(max_size=70)), max_size=5), st.binary(max_size=99))
def test_rows_are_what_they_were_and_the_rlp_is_the_common_one(
    rows: list[tuple[int, bytes, bytes]], checksums: bytes
) -> None:
    answer = Rows(HEADER, checksums, tuple(rows))
    assert Rows.decode(answer.encode()) == answer
    assert answer.encode() == encode((HEADER, checksums, *(item for row in rows for item in row)))


@pytest.mark.parametrize("length", [1, 1_000, 300_000])
@pytest.mark.parametrize("checksums", [False, True])
def test_an_encoding_answers_with_its_rows_as_the_message_encodes_them(length: int, checksums: bool) -> None:
    encoding = _core.Encoding(random.Random(length).randbytes(length))
    data_rows, parity_rows, _ = _core.erasure_shape(length)
    for wanted in ((), (0,), (data_rows + parity_rows - 1, 1, 0), tuple(range(data_rows + parity_rows))):
        rows = tuple(encoding.rows(wanted))
        expected = Rows(encoding.header(), encoding.checksums() if checksums else b"", rows)
        assert encoding.rows_answer(wanted, checksums) == expected.encode()
    with pytest.raises(InvalidMessage):
        encoding.rows_answer((0, data_rows + parity_rows), checksums)


@given(st.lists(st.tuples(SHORT, SHORT, st.binary(max_size=99), st.binary(max_size=70)), max_size=5))
def test_cells_are_what_they_were(cells: list[tuple[int, int, bytes, bytes]]) -> None:
    answer = Cells(HEADER, tuple(cells))
    assert Cells.decode(answer.encode()) == answer


def test_data_and_signatures_are_what_they_were() -> None:
    assert Data.decode(Data(HEADER, b"piece").encode()) == Data(HEADER, b"piece")
    assert Signature.decode(Signature(bytes(65)).encode()) == Signature(bytes(65))


@pytest.mark.parametrize(
    ("decode", "answer"),
    [
        (Rows.decode, encode((HEADER,))),
        (Rows.decode, encode((HEADER[1:], b""))),
        (Rows.decode, encode((HEADER, b"", 1, b"row"))),
        (Rows.decode, encode((HEADER, b"", b"\x00\x01", b"row", b"path"))),
        (Rows.decode, encode((HEADER, b"", 1 << 16, b"row", b"path"))),
        (Rows.decode, encode((HEADER, bytes(16 * 4096 + 1)))),
        (Rows.decode, encode((HEADER, b"", (1, b"row", b"path")))),
        (Rows.decode, bytes(RESPONSE_MAX_BYTES + 1)),
        (Cells.decode, encode((HEADER, 1, 1, b"cell"))),
        (Cells.decode, encode((HEADER, *(b"string" for _ in range(4 * CELLS_MAX + 4))))),
        (Data.decode, encode((HEADER, b""))),
        (Data.decode, encode((HEADER, b"one", b"two"))),
        (Signature.decode, encode((bytes(64),))),
        (Signature.decode, encode((bytes(65), 1))),
    ],
)
def test_what_is_no_answer_is_refused(decode: type[Rows], answer: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode(answer)  # type: ignore[call-arg]


@pytest.mark.parametrize(("row_bytes", "path_bytes"), [(64, 192), (8192, 384), (32 << 10, 448)])
def test_as_many_rows_as_the_budget_says_fit_into_an_answer(row_bytes: int, path_bytes: int) -> None:
    count = row_budget(row_bytes, path_bytes)
    rows = tuple((65_535, bytes(row_bytes), bytes(path_bytes)) for _ in range(count))
    size = len(Rows(HEADER, bytes(16 * 4096), rows).encode())
    assert RESPONSE_MAX_BYTES * 9 // 10 < size <= RESPONSE_MAX_BYTES


def test_the_largest_piece_of_data_fits_into_an_answer() -> None:
    piece = random.Random(1).randbytes(CONTENT_MAX_BYTES)
    assert len(Data(HEADER, piece).encode()) <= RESPONSE_MAX_BYTES
