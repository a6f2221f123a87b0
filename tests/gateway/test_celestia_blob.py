"""Celestia's shares and commitments, against its own published vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zg_node.errors import InvalidMessage, InvalidRequest
from zg_node.gateway.celestia_blob import (
    CelestiaBlob,
    mountain_sizes,
    namespace_of,
    subtree_width,
    to_base64,
)

NAMESPACE = bytes(19) + b"\x01" * 10
SIGNER = b"\x01" * 20
TWO_SHARES = 478 + 482
"""Bytes of data in two shares of version 0."""


def two_leaf_root(blob: CelestiaBlob) -> str:
    """The root that Celestia's test of commitments puts over two subtrees in place of the real one."""
    left, right = blob.subtree_roots()
    return sha256(sha256(left).digest() + sha256(right).digest()).hexdigest()


def test_subtree_roots_are_those_of_celestias_own_test() -> None:
    blob = CelestiaBlob(NAMESPACE, b"\xff" * TWO_SHARES)
    assert two_leaf_root(blob) == "31f5156d5db9a7f5b43b297a14c070c2cc4ef3d69d87ed08addd216d9b9fa118"


def test_subtree_roots_with_a_signer_are_those_of_celestias_own_test() -> None:
    blob = CelestiaBlob(NAMESPACE, b"\xff" * (TWO_SHARES - 20), 1, SIGNER)
    assert two_leaf_root(blob) == "883c74064e8e2627ad5808389f1f1924194c1ae23c7df962c8d56df062a92b2b"


@pytest.mark.parametrize(
    ("shares", "width", "sizes"),
    [(11, 4, [4, 4, 2, 1]), (2, 64, [2]), (64, 8, [8] * 8), (19, 8, [8, 8, 2, 1])],
)
def test_mountains_are_those_of_celestias_own_test(shares: int, width: int, sizes: list[int]) -> None:
    assert list(mountain_sizes(shares, width)) == sizes


@pytest.mark.parametrize(("shares", "width"), [(1, 1), (2, 1), (64, 1), (65, 2), (128, 2), (129, 4), (4096, 64)])
def test_trees_are_as_few_as_the_threshold_allows(shares: int, width: int) -> None:
    assert subtree_width(shares) == width
    assert len(list(mountain_sizes(shares, width))) <= 64 + 6


def test_a_single_share_has_the_root_of_one_leaf() -> None:
    blob = CelestiaBlob(NAMESPACE, b"a")
    ((root),) = blob.subtree_roots()
    assert len(root) == 90
    assert blob.commitment() == sha256(b"\0" + root).digest()


@given(st.binary(min_size=1, max_size=3000), st.booleans())
def test_a_record_gives_its_blob_back(data: bytes, signed: bool) -> None:
    blob = CelestiaBlob(NAMESPACE, data, int(signed), SIGNER if signed else b"")
    assert CelestiaBlob.of_record(NAMESPACE, blob.record()) == blob
    assert all(len(share) == 512 for share in blob.shares())


@given(st.binary(max_size=30))
def test_any_bytes_are_a_record_or_refused(record: bytes) -> None:
    try:
        assert CelestiaBlob.of_record(NAMESPACE, record).record() == record
    except InvalidMessage:
        assert len(record) < 2 or record[0] > 1 or (record[0] == 1 and len(record) < 22)


def test_json_gives_its_blob_back() -> None:
    blob = CelestiaBlob(NAMESPACE, b"data", 1, SIGNER)
    assert CelestiaBlob.of_json(blob.to_json(b"c" * 32, 0)) == (blob, b"c" * 32)


@pytest.mark.parametrize(
    "namespace",
    [
        bytes(28) + b"\x01",  # Celestia's transactions
        b"\xff" * 28 + b"\xfe",  # its tail padding
        bytes(18) + b"\x01" * 11,  # eleven bytes of its own
        bytes(18) + b"\x01" * 10,  # 28 bytes
        bytes(29),
    ],
)
def test_namespaces_that_no_user_has_are_refused(namespace: bytes) -> None:
    with pytest.raises(InvalidRequest):
        namespace_of(to_base64(namespace))


@pytest.mark.parametrize(
    "change",
    [
        {"data": ""},
        {"data": "*"},
        {"data": 5},
        {"namespace": None},
        {"share_version": 2},
        {"share_version": 1},
        {"share_version": "0"},
        {"share_version": 1.0, "signer": to_base64(SIGNER)},
        {"signer": to_base64(SIGNER)},
        {"commitment": 1},
    ],
)
def test_a_blob_with_a_fault_is_refused(change: dict[str, object]) -> None:
    value = CelestiaBlob(NAMESPACE, b"data").to_json(b"", 0)
    CelestiaBlob.of_json(value)
    with pytest.raises(InvalidRequest):
        CelestiaBlob.of_json({**value, **change})
