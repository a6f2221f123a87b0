"""Blobs in pieces: in order, whole, and within the memory that there is."""

from __future__ import annotations

import pytest

from zg_node.da.uploads import IDLE_MAX_S, PIECES_MAX, UPLOADED_MAX_BYTES, UPLOADS_MAX, YIELD_S, Uploads
from zg_node.errors import InvalidRequest, Unavailable

BLOB = bytes(range(256)) * 4


def uploads(length_max: int = UPLOADED_MAX_BYTES) -> tuple[Uploads, list[float]]:
    now_s = [1_000.0]
    return Uploads(length_max, lambda: now_s[0]), now_s


def test_pieces_in_order_become_the_blob_and_a_repeated_piece_changes_nothing() -> None:
    store, _ = uploads()
    upload = store.begin(len(BLOB))
    assert store.add(upload, 0, BLOB[:300]) == 300
    assert store.add(upload, 0, BLOB[:300]) == 300
    assert store.add(upload, 300, BLOB[300:]) == len(BLOB)
    assert store.take(upload) == BLOB
    with pytest.raises(InvalidRequest, match="no upload"):
        store.take(upload)


def test_a_piece_out_of_place_is_refused() -> None:
    store, _ = uploads()
    upload = store.begin(len(BLOB))
    store.add(upload, 0, BLOB[:300])
    for offset, piece in ((301, b"x"), (299, b"xy"), (0, b"not the same"), (300, BLOB), (300, b"")):
        with pytest.raises(InvalidRequest):
            store.add(upload, offset, piece)
    with pytest.raises(InvalidRequest, match="724 bytes are missing"):
        store.take(upload)


def test_many_tiny_pieces_are_refused() -> None:
    store, _ = uploads()
    upload = store.begin(2 * PIECES_MAX)
    for offset in range(PIECES_MAX):
        store.add(upload, offset, b"x")
    with pytest.raises(InvalidRequest, match="bring longer ones"):
        store.add(upload, PIECES_MAX, b"x")
    assert store.add(upload, 0, b"x") == PIECES_MAX


def test_who_goes_away_makes_room_for_others() -> None:
    store, now_s = uploads()
    half = UPLOADED_MAX_BYTES // 2
    first, second = store.begin(half), store.begin(half)
    now_s[0] += YIELD_S / 2
    store.add(first, 0, b"still here")
    with pytest.raises(Unavailable):
        store.begin(1)
    now_s[0] += YIELD_S / 2
    store.begin(half)
    with pytest.raises(InvalidRequest, match="no upload"):
        store.add(second, 0, b"too late")
    assert store.add(first, 10, b", and now") == 19
    with pytest.raises(Unavailable):
        store.begin(1)


def test_what_nobody_adds_to_is_forgotten() -> None:
    store, now_s = uploads()
    upload = store.begin(10)
    now_s[0] += IDLE_MAX_S
    store.begin(1)
    with pytest.raises(InvalidRequest, match="no upload"):
        store.add(upload, 0, b"too late")


def test_uploads_are_bounded_in_number_and_length() -> None:
    store, _ = uploads(100)
    for length in (0, 101):
        with pytest.raises(InvalidRequest):
            store.begin(length)
    for _ in range(UPLOADS_MAX):
        store.begin(1)
    with pytest.raises(Unavailable):
        store.begin(1)
