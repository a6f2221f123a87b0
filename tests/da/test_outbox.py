"""What a node serves of blobs that it disperses: the committed rows, to a bound, and nothing afterwards."""

from __future__ import annotations

from random import Random

import pytest

from zg_node import _core
from zg_node.da.messages import CONTENT_MAX_BYTES, Data, DataRequest, Rows, RowsRequest, commitment_of
from zg_node.da.outbox import Outbox
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import RESPONSE_MAX_BYTES

BLOB = Random(8).randbytes(6_000_000)
ENCODING = _core.Encoding(BLOB)
COMMITMENT = commitment_of(ENCODING.header())


def test_rows_and_data_of_a_held_blob_are_the_committed_ones() -> None:
    outbox = Outbox()
    with outbox.hold(ENCODING, BLOB):
        assert COMMITMENT in outbox
        answer = Rows.decode(outbox.answer("peer", RowsRequest(COMMITMENT, (5, 4095, 17), True)))
        assert [index for index, _, _ in answer.rows] == [5, 4095, 17]
        assert not _core.RowVerifier(answer.header, answer.checksums).refused(answer.rows)
        assert Rows.decode(outbox.answer("peer", RowsRequest(COMMITMENT, (5,), False))).checksums == b""
        first = Data.decode(outbox.answer("peer", DataRequest(COMMITMENT, 0))).piece
        rest = Data.decode(outbox.answer("peer", DataRequest(COMMITMENT, len(first)))).piece
        assert first + rest == BLOB
        assert len(first) == CONTENT_MAX_BYTES


def test_an_answer_never_exceeds_what_a_peer_takes() -> None:
    outbox = Outbox()
    with outbox.hold(ENCODING, BLOB):
        answer = outbox.answer("peer", RowsRequest(COMMITMENT, tuple(range(4096)), True))
        assert len(Rows.decode(answer).rows) < 1024
        assert RESPONSE_MAX_BYTES - 65_536 - 16_384 < len(answer) <= RESPONSE_MAX_BYTES


def test_nobody_gets_more_than_all_rows() -> None:
    outbox = Outbox()
    request = RowsRequest(COMMITMENT, tuple(range(600)), False)
    with outbox.hold(ENCODING, BLOB):
        rows = len(Rows.decode(outbox.answer("another", request)).rows)
        for _ in range(2 * -(-4096 // rows)):
            outbox.answer("greedy", request)
        with pytest.raises(Unavailable, match="has had all of it"):  # noqa: PT012 - some more, and no more
            for _ in range(4096 // rows):
                outbox.answer("greedy", request)
        assert outbox.answer("another", request)


def test_what_is_not_held_any_more_is_not_served() -> None:
    outbox = Outbox()
    with outbox.hold(ENCODING, BLOB):
        with outbox.hold(ENCODING, BLOB):
            assert outbox.held_bytes == 4096 * 5_888
        assert outbox.answer("peer", DataRequest(COMMITMENT, 0))
    assert outbox.held_bytes == 0
    with pytest.raises(Unavailable, match="not being dispersed"):
        outbox.answer("peer", DataRequest(COMMITMENT, 0))


def test_an_outbox_that_is_full_takes_no_more_but_always_one() -> None:
    outbox = Outbox(max_bytes=1_000_000)
    other = Random(9).randbytes(2_000)
    with outbox.hold(ENCODING, BLOB), pytest.raises(Unavailable, match="too many blobs"):
        outbox.hold(_core.Encoding(other), other).__enter__()


def test_questions_beyond_the_blob_are_the_peers_fault() -> None:
    outbox = Outbox()
    with outbox.hold(ENCODING, BLOB):
        for request in (DataRequest(COMMITMENT, len(BLOB)), RowsRequest(COMMITMENT, (4096,), False)):
            with pytest.raises(InvalidMessage):
                outbox.answer("peer", request)
