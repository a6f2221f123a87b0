"""The core against the readable reference, and the reference against Celestia and against itself."""

from __future__ import annotations

from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zg_node import _core
from zg_node.da import reference

symbols = st.integers(0, reference.ORDER)
shapes = st.tuples(st.integers(1, 9), st.integers(1, 20), st.sampled_from([64, 128, 192, 1088]))


@pytest.mark.parametrize(
    ("parity_rows", "row_bytes", "commitment"),
    [
        (4, 64, "f57fdff87d54f71bc0c860808b046356c8d4850e67b923e08411208df08cb5ab"),
        (12, 256, "8ac46440862f280346635eee5075f81ff04b659fb7a86c1e25a28f5f71c3f97e"),
    ],
)
def test_celestias_published_vectors_come_out(parity_rows: int, row_bytes: int, commitment: str) -> None:
    rows = [bytes(row_bytes - 1) + bytes([row]) for row in (1, 2, 3, 4)]
    assert reference.rsema1d(rows, parity_rows).hex() == commitment
    assert _core.rsema1d_commitment((4, parity_rows, row_bytes), b"".join(rows)).hex() == commitment


@settings(max_examples=40, deadline=None)
@given(shapes, st.data())
def test_the_core_commits_as_the_reference_does(shape: tuple[int, int, int], data: st.DataObject) -> None:
    data_rows, _, row_bytes = shape
    blob = data.draw(st.binary(min_size=1, max_size=data_rows * row_bytes))
    assert _core.Encoding(blob, shape).header() == reference.header(blob, *shape)


@settings(max_examples=20, deadline=None)
@given(shapes, st.randoms(use_true_random=False))
def test_the_cores_rows_and_checksums_are_the_references(shape: tuple[int, int, int], random: Random) -> None:
    data_rows, parity_rows, row_bytes = shape
    blob = random.randbytes(data_rows * row_bytes)
    encoding = _core.Encoding(blob, shape)
    data = [blob[at : at + row_bytes] for at in range(0, len(blob), row_bytes)]
    rows = [*data, *reference.parity(data, parity_rows)]
    assert [row for _, row, _ in encoding.rows(range(len(rows)))] == rows
    row_root, _ = reference.roots(data, parity_rows)
    factors = reference.coefficients(row_root, *shape)
    sums = [reference.checksum(row, factors) for row in rows]
    assert encoding.checksums() == b"".join(sums[:data_rows])
    extended = reference.parity([_spread(checksum) for checksum in sums[:data_rows]], parity_rows)
    assert extended == [_spread(checksum) for checksum in sums[data_rows:]]


@given(symbols, symbols, symbols)
def test_the_field_is_a_field(a: int, b: int, c: int) -> None:
    times = reference.times
    assert times(a, b) == times(b, a)
    assert times(a, times(b, c)) == times(times(a, b), c)
    assert times(a, b ^ c) == times(a, b) ^ times(a, c)
    assert times(a, 1) == a
    assert a == 0 or times(a, reference.inverse(a)) == 1


def test_a_header_is_hashed_into_the_commitment() -> None:
    header = reference.header(b"hello", 2, 6, 64)
    assert sha256(header).hexdigest() == "f2f5f38a7b45641342cd5b729c55ed4ce29084c20216d31fd5db85354a9378b0"
    assert _core.Encoding(b"hello", (2, 6, 64)).header() == header


def _spread(checksum: bytes) -> bytes:
    """A checksum as a row of one unit."""
    return reference.row_of([checksum[at] | checksum[at + 1] << 8 for at in range(0, 16, 2)] + [0] * 24)
