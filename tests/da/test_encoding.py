"""Headers of blobs, where their bytes lie, and the blobs of a bundle."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.db.damage import flip
from zg_node import _core
from zg_node.da.encoding import BlobHeader, BundledBlob
from zg_node.errors import InvalidMessage

LARGE = BlobHeader(1024, 3072, 7872, 8_000_000, b"\1" * 32, b"\2" * 32)


def test_the_wire_form_of_a_header_is_pinned() -> None:
    assert LARGE.encode().hex() == "0104000c0000001ec000000000007a1200" + "01" * 32 + "02" * 32
    assert LARGE.commitment == sha256(LARGE.encode()).digest()
    assert BlobHeader.parse(LARGE.encode()) == LARGE


@given(st.integers(1, 200_000))
@settings(max_examples=20, deadline=None)
def test_the_cores_headers_are_read_as_they_are(length: int) -> None:
    encoding = _core.Encoding(bytes(length))
    header = BlobHeader.parse(encoding.header())
    assert header.encode() == encoding.header()
    assert (header.data_rows, header.parity_rows, header.row_bytes) == _core.erasure_shape(length)
    assert header.length == length


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "of 0 bytes"),
        (LARGE.encode() + b"\0", "of 82 bytes"),
        (b"\2" + LARGE.encode()[1:], "version 2"),
        (replace(LARGE, length=0).encode(), "a blob of 0 bytes"),
        (replace(LARGE, length=2**63).encode(), "a blob of"),
        (replace(LARGE, data_rows=512).encode(), "another shape"),
        (replace(LARGE, row_bytes=8128).encode(), "another shape"),
        (replace(LARGE, length=100).encode(), "another shape"),
    ],
)
def test_headers_that_nobody_should_sign_are_refused(data: bytes, match: str) -> None:
    with pytest.raises(InvalidMessage, match=match):
        BlobHeader.parse(data)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_range_of_the_blob_is_read_from_its_cells(data: st.DataObject) -> None:
    length = data.draw(st.sampled_from([1_000, 70_000, 3_000_000]))
    blob = Random(length).randbytes(length)
    encoding = _core.Encoding(blob)
    header = BlobHeader.parse(encoding.header())
    offset = data.draw(st.integers(0, length - 1))
    count = data.draw(st.integers(1, min(10_000, length - offset)))
    cells = encoding.cells(header.places(offset, count))
    assert sum(len(content) for *_, content, _ in cells) < count + 2 * 1024
    contents = {(row, cell): content for row, cell, content, _ in cells}
    assert header.read(offset, count, contents) == blob[offset : offset + count]


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (-1, 5), (7_999_999, 2), (0, 8_000_001)])
def test_a_range_outside_the_blob_is_refused(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="of a blob of 8000000"):
        LARGE.places(offset, length)


def test_a_bundle_is_taken_apart_by_namespace() -> None:
    blobs = [(bytes([9] * 29), b"last"), (bytes([1] * 29), b"first"), (bytes([9] * 29), b"very last")]
    bundle = _core.bundle_blobs(blobs)
    entries = _core.BundleIndex(bundle, len(bundle)).entries()
    assert [BundledBlob(*entry).cut(bundle) for entry in entries] == [b"first", b"last", b"very last"]
    index_bytes = entries[0][2]
    assert _core.BundleIndex(bundle[:index_bytes], len(bundle)).entries() == entries
    with pytest.raises(InvalidMessage, match="cut off"):
        _core.BundleIndex(bundle[: index_bytes - 1], len(bundle))


def test_a_blob_that_is_not_what_its_entry_says_is_refused() -> None:
    bundle = _core.bundle_blobs([(bytes(29), b"some blob")])
    (fields,) = _core.BundleIndex(bundle, len(bundle)).entries()
    with pytest.raises(InvalidMessage, match="not the blob of their place"):
        BundledBlob(*fields).cut(flip(bundle, 8 * len(bundle) - 1))
    entry = BundledBlob(bytes(29), sha256(b"blob").digest(), 0, 4)
    assert entry.check(b"blob") == b"blob"
    with pytest.raises(InvalidMessage, match="3 bytes"):
        entry.check(b"blo")


@pytest.mark.parametrize("start", [b"", b"ZGB1" + bytes(36), b"ZGB2" + b"\0\0\0\1" + bytes(32), b"ZGB1" + b"\xff" * 36])
def test_what_does_not_begin_as_a_bundle_is_refused(start: bytes) -> None:
    with pytest.raises(InvalidMessage):
        _core.BundleIndex(start, len(start))
