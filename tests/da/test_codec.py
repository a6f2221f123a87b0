"""The core's codec as Python calls it: what is encoded comes back, what is not of the code is refused with a reason."""

from __future__ import annotations

import sys
import threading
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.db.damage import flip
from zg_node import _core
from zg_node.errors import InvalidMessage, Unavailable

MIB = 1024 * 1024


def encoded(seed: int, length: int = 5_000) -> tuple[_core.Encoding, bytes]:
    """(an encoding, its blob)."""
    blob = Random(seed).randbytes(length)
    return _core.Encoding(blob), blob


def every_row(encoding: _core.Encoding) -> list[_core.Row]:
    data_rows, parity_rows, _ = _core.erasure_shape(len(encoding.blob()))
    return encoding.rows(range(data_rows + parity_rows))


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("length", "shape"),
    [
        (1, (16, 48, 64)),
        (1024, (16, 48, 64)),
        (64 * 1024, (1024, 3072, 64)),
        (8 * MIB, (1024, 3072, 8192)),
        (32 * MIB, (1024, 3072, 32_768)),
        (128 * MIB, (4096, 12_288, 32_768)),
    ],
)
def test_shapes_are_pinned(length: int, shape: _core.Shape) -> None:
    assert _core.erasure_shape(length) == shape


@pytest.mark.parametrize("length", [0, 128 * MIB + 1, 2**63])
def test_lengths_that_cannot_be_encoded_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match="can be encoded"):
        _core.erasure_shape(length)


@pytest.mark.parametrize("shape", [(0, 4, 64), (4, 0, 64), (4, 4, 32), (4, 4, 65_536), (60_000, 60_000, 64)])
def test_shapes_out_of_bounds_are_refused(shape: _core.Shape) -> None:
    with pytest.raises(ValueError, match="shape"):
        _core.Encoding(b"blob", shape)


def test_a_kilobyte_with_all_its_rows_and_checksums_stays_small() -> None:
    encoding, _ = encoded(1, 1024)
    rows = sum(len(row) + len(path) for _, row, path in every_row(encoding))
    assert rows + len(encoding.checksums()) + len(encoding.header()) < 17 * 1024


# ── encode, verify, recover ─────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 100_000), st.randoms(use_true_random=False))
def test_a_quarter_of_the_rows_gives_the_blob_back(length: int, random: Random) -> None:
    blob = random.randbytes(length)
    encoding = _core.Encoding(blob)
    data_rows, parity_rows, _ = _core.erasure_shape(length)
    rows = encoding.rows(random.sample(range(data_rows + parity_rows), data_rows))
    assert _core.RowVerifier(encoding.header(), encoding.checksums()).refused(rows) == []
    recovered = _core.Encoding.recover(encoding.header(), [(index, row) for index, row, _ in rows])
    assert recovered.blob() == blob
    assert every_row(recovered) == every_row(encoding)


def test_threads_change_nothing_but_the_time() -> None:
    blob = Random(2).randbytes(300_000)
    one, two = _core.Encoding(blob), _core.Encoding(blob, None, 2)
    assert one.header() == two.header()
    rows = two.rows(range(2000, 3024))
    assert _core.RowVerifier(one.header(), one.checksums(), 2).refused(rows, 2) == []
    pairs = [(index, row) for index, row, _ in rows]
    assert _core.Encoding.recover(one.header(), pairs, 2).blob() == blob


def test_one_row_too_few_says_how_many_there_are() -> None:
    encoding, _ = encoded(3)
    rows = [(index, row) for index, row, _ in encoding.rows(range(31))]
    with pytest.raises(Unavailable, match="31 different rows where 32 are needed"):
        _core.Encoding.recover(encoding.header(), rows * 2)


def test_each_wrong_row_is_named_with_its_reason() -> None:
    encoding, _ = encoded(4)
    other, _ = encoded(5)
    verifier = _core.RowVerifier(encoding.header(), encoding.checksums())
    rows = encoding.rows(range(8))
    (_, row, path), (_, foreign, foreign_path) = rows[0], other.rows([0])[0]
    wrong = [
        (0, row, path),
        (0, flip(row, 8), path),
        (0, row[:-64], path),
        (1, row, path),
        (128, row, path),
        (0, foreign, foreign_path),
        (0, row, path[:-32]),
        (0, row, path[:-1]),
        (0, row, flip(path, 3)),
        rows[7],
    ]
    moved = "not the committed bytes of this place"
    assert verifier.refused(wrong) == [
        (1, moved),
        (2, "a row of 128 bytes"),
        (3, moved),
        (4, "row 128 of 128"),
        *((place, moved) for place in range(5, 9)),
    ]


def test_checksums_of_another_blob_are_refused() -> None:
    (one, _), (other, _) = encoded(6), encoded(7)
    with pytest.raises(InvalidMessage, match="does not commit to"):
        _core.RowVerifier(one.header(), other.checksums())
    with pytest.raises(InvalidMessage, match="checksums of 511 bytes"):
        _core.RowVerifier(one.header(), one.checksums()[:-1])


def test_rows_of_another_blob_do_not_become_this_one() -> None:
    (one, _), (other, _) = encoded(8), encoded(9)
    rows = [(index, row) for index, row, _ in other.rows(range(40, 72))]
    with pytest.raises(InvalidMessage, match=r"padding|do not have this commitment"):
        _core.Encoding.recover(one.header(), rows)


@given(st.binary(max_size=200))
def test_headers_from_anyone_are_parsed_or_refused(data: bytes) -> None:
    for call in (lambda: _core.RowVerifier(data, b""), lambda: _core.refused_cells(data, [])):
        with pytest.raises(InvalidMessage):
            call()


def test_the_gil_is_free_while_a_blob_is_encoded() -> None:
    blob = Random(10).randbytes(2 * MIB)
    done = threading.Event()
    turns = 0
    seen: list[int] = []

    def encode() -> None:
        seen.append(turns)
        _core.Encoding(blob)
        seen.append(turns)
        done.set()

    # Nobody is made to give the GIL up within the time that encoding takes, so turns are taken only when it is given.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.2)
    try:
        thread = threading.Thread(target=encode)
        thread.start()
        while not done.is_set():
            turns += 1
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert seen[1] > seen[0]


# ── cells ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cell_is_proven_by_sha256_alone() -> None:
    encoding = _core.Encoding(Random(11).randbytes(100_000), (32, 96, 3_136))
    places = [(0, 0), (31, 3), (32, 1), (127, 3)]
    cells = encoding.cells(places)
    assert [len(cell) for _, _, cell, _ in cells] == [1024, 64, 1024, 64]
    assert all(len(path) == 32 * (2 + 7) for *_, path in cells)
    assert _core.refused_cells(encoding.header(), cells) == []


def test_each_wrong_cell_is_named_with_its_reason() -> None:
    encoding = _core.Encoding(Random(12).randbytes(100_000), (32, 96, 3_136))
    [(row, cell, content, path)] = encoding.cells([(5, 2)])
    wrong = [
        (row, cell, flip(content, 0), path),
        (row, 1, content, path),
        (6, cell, content, path),
        (row, 3, content, path),
        (row, 4, content, path),
        (128, cell, content, path),
        (row, cell, content, path + bytes(32)),
        (row, cell, content, b""),
    ]
    moved = "not the committed bytes of this place"
    reasons = [moved, moved, moved, "a cell of 1024 bytes", "cell 4 of 4", "row 128 of 128", moved, moved]
    assert _core.refused_cells(encoding.header(), wrong) == list(enumerate(reasons))


def test_whoever_has_a_row_proves_its_cells() -> None:
    encoding = _core.Encoding(Random(13).randbytes(100_000), (32, 96, 3_136))
    [row] = encoding.rows([77])
    assert _core.row_cells(encoding.header(), row, range(4)) == encoding.cells([(77, cell) for cell in range(4)])
    with pytest.raises(InvalidMessage, match="cell 4 of 4"):
        _core.row_cells(encoding.header(), row, [4])


# ── bundles ─────────────────────────────────────────────────────────────────────────────────────────────────────────

namespaces = st.integers(0, 9).map(lambda number: number.to_bytes(29, "big"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(namespaces, st.binary(min_size=1, max_size=50)), min_size=1, max_size=30), namespaces)
def test_a_namespace_is_proven_complete(blobs: list[tuple[bytes, bytes]], wanted: bytes) -> None:
    bundle = _core.bundle_blobs(blobs)
    index = _core.BundleIndex(bundle, len(bundle))
    entries = _core.check_namespace(bundle[:40], wanted, index.prove(wanted))
    assert entries == index.entries(wanted)
    found = [bundle[offset : offset + length] for _, _, offset, length in entries]
    assert found == [blob for namespace, blob in blobs if namespace == wanted]


def test_a_proof_for_another_namespace_or_bundle_is_refused() -> None:
    names = [number.to_bytes(29, "big") for number in range(4)]
    bundle = _core.bundle_blobs([(name, b"blob") for name in names])
    other = _core.bundle_blobs([(name, b"other") for name in names])
    proof = _core.BundleIndex(bundle, len(bundle)).prove(names[0])
    with pytest.raises(InvalidMessage, match="another root"):
        _core.check_namespace(other, names[0], proof)
    with pytest.raises(InvalidMessage, match="that these are all"):
        _core.check_namespace(bundle, names[3], proof)
    with pytest.raises(ValueError, match="a namespace of 28 bytes"):
        _core.check_namespace(bundle, names[0][1:], proof)


@given(st.binary(max_size=300))
def test_bundles_and_proofs_from_anyone_are_parsed_or_refused(data: bytes) -> None:
    bundle = _core.bundle_blobs([(bytes(29), b"blob")])
    with pytest.raises(InvalidMessage):
        _core.BundleIndex(data, len(data))
    with pytest.raises(InvalidMessage):
        _core.check_namespace(bundle, bytes(29), data)
