"""Codecs of block sync: what is written is read, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from tests.consensus.signed_chain import EPOCH_BLOCKS, SignedChain
from zg_node.consensus.sync_messages import (
    CHUNKS_MAX,
    EPOCHS_MAX,
    PART_MAX_BYTES,
    RANGE_MAX_BLOCKS,
    BlocksRequest,
    CandidateRequest,
    ChunkRequest,
    EpochsRequest,
    Manifest,
    Part,
    PartRequest,
    Piece,
    Range,
    Request,
    ShardStatus,
    SnapshotRequest,
    Status,
    StatusRequest,
    cut,
    decode_epochs,
    decode_request,
    encode_epochs,
)
from zg_node.consensus.sync_server import range_of
from zg_node.errors import InvalidMessage
from zg_node.types.hashing import keccak

hashes = st.binary(min_size=32, max_size=32)
shards = st.integers(0, 2**16 - 1)
heights = st.integers(0, 2**63 - 1)

requests = st.one_of(
    st.builds(StatusRequest, hashes),
    st.builds(BlocksRequest, shards, heights, st.integers(1, RANGE_MAX_BLOCKS), heights),
    st.builds(PartRequest, shards, heights, st.sampled_from(Piece), heights),
    st.builds(CandidateRequest, shards, heights, hashes, heights),
    st.builds(EpochsRequest, shards, heights, st.integers(1, EPOCHS_MAX)),
    st.builds(SnapshotRequest, shards),
    st.builds(ChunkRequest, shards, heights, st.integers(0, CHUNKS_MAX - 1)),
)
rows = st.builds(
    lambda shard, first, more, block_hash, view: ShardStatus(shard, first + more, block_hash, view, first),
    shards, st.integers(0, 2**62), st.integers(0, 2**62 - 1), hashes, heights,
)  # fmt: skip

SAMPLE: tuple[Request, ...] = (
    StatusRequest(bytes(range(32))),
    BlocksRequest(3, 65, 64, 1 << 20),
    PartRequest(1, 9, Piece.RECEIPTS, 4096),
    CandidateRequest(2, 300, bytes(range(32)), 0),
    EpochsRequest(0, 5, 16),
    SnapshotRequest(7),
    ChunkRequest(0, 2000, 12),
)


@given(requests)
def test_requests_survive_encoding(request: Request) -> None:
    assert decode_request(request.encode()) == request


def test_the_wire_format_of_requests_is_pinned() -> None:
    encoded = b"".join(request.encode() for request in SAMPLE)
    assert keccak(encoded).hex() == "769548e284c01c92bcac7a0d816f52365c256c693b1c03e801129331aec96d75"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    try:
        request = decode_request(data)
    except InvalidMessage:
        return
    assert request.encode() == data


@pytest.mark.parametrize(
    "request_",
    [
        StatusRequest(bytes(31)),
        BlocksRequest(0, 1, 0, 1),
        BlocksRequest(0, 1, RANGE_MAX_BLOCKS + 1, 1),
        BlocksRequest(1 << 16, 1, 1, 1),
        BlocksRequest(0, 1 << 63, 1, 1),
        CandidateRequest(0, 1, bytes(20), 0),
        EpochsRequest(0, 0, EPOCHS_MAX + 1),
        ChunkRequest(0, 1, CHUNKS_MAX),
    ],
)
def test_requests_beyond_their_bounds_are_refused(request_: Request) -> None:
    with pytest.raises(InvalidMessage):
        decode_request(request_.encode())


@pytest.mark.parametrize("data", [b"", b"\x00\xc0", b"\x08\xc1\x01", b"\x01", b"\x06\xc1\xc0", b"\x06\xc2\x01\x02"])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_request(data)


@given(hashes, st.lists(rows, max_size=5, unique_by=lambda row: row.shard))
def test_a_status_survives_encoding(network: bytes, shards: list[ShardStatus]) -> None:
    status = Status(network, tuple(sorted(shards, key=lambda row: row.shard)))
    assert Status.decode(status.encode()) == status


@pytest.mark.parametrize(
    "row", [[0, 5, bytes(32), 1, 6], [0, 5, bytes(31), 1, 0], [0, 5, bytes(32), 1], [1 << 16, 5, bytes(32), 1, 0]]
)
def test_a_status_that_contradicts_itself_is_refused(row: list[object]) -> None:
    with pytest.raises(InvalidMessage):
        Status.decode(rlp.encode([bytes(32), [row]]))


@pytest.mark.parametrize("shards", [(0, 0), (1, 0)])
def test_a_status_tells_of_a_shard_once(shards: tuple[int, ...]) -> None:
    with pytest.raises(InvalidMessage):
        Status.decode(Status(bytes(32), tuple(ShardStatus(shard, 5, bytes(32), 1, 0) for shard in shards)).encode())


@given(st.integers(0, 2**20), st.binary(max_size=300))
def test_a_part_survives_encoding(more: int, data: bytes) -> None:
    part = Part(len(data) + more, data)
    assert Part.decode(part.encode()) == part


@pytest.mark.parametrize("decode", [Status.decode, Part.decode, Manifest.decode, Range.decode, decode_epochs])
@given(data=st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_refused(decode: Callable[[bytes], object], data: bytes) -> None:
    with suppress(InvalidMessage):
        decode(data)


def test_a_part_longer_than_the_whole_is_refused() -> None:
    with pytest.raises(InvalidMessage):
        Part.decode(Part(2, b"abc").encode())


def test_parts_cover_the_whole() -> None:
    whole = bytes(range(256)) * 40_000
    first, second, third = (cut(whole, PART_MAX_BYTES * index) for index in range(3))
    assert first.data + second.data + third.data == whole
    assert cut(whole, len(whole)).data == b""
    with pytest.raises(InvalidMessage):
        cut(whole, len(whole) + 1)


@given(heights, hashes, st.lists(hashes, min_size=1, max_size=20))
def test_a_manifest_survives_encoding(number: int, block_hash: bytes, chunks: list[bytes]) -> None:
    manifest = Manifest(number, block_hash, tuple(chunks))
    assert Manifest.decode(manifest.encode()) == manifest


@pytest.mark.parametrize("fields", [[1, bytes(32), b""], [1, bytes(32), bytes(33)], [1, bytes(31), bytes(32)]])
def test_a_manifest_of_another_shape_is_refused(fields: list[object]) -> None:
    with pytest.raises(InvalidMessage):
        Manifest.decode(rlp.encode(fields))


CHAIN = SignedChain(2 * EPOCH_BLOCKS)
RANGE = range_of(CHAIN, BlocksRequest(0, 5, 3, 1 << 20))


def test_a_range_survives_encoding() -> None:
    assert Range.decode(RANGE.encode()) == RANGE


@pytest.mark.parametrize(
    "changed",
    [
        replace(RANGE, headers=()),
        replace(RANGE, headers=RANGE.headers[:-1]),
        replace(RANGE, bodies=(*RANGE.bodies, b"")),
        replace(RANGE, body_size=7),
        replace(RANGE, bodies=(), body_size=1 << 30),
        replace(RANGE, headers=RANGE.headers * RANGE_MAX_BLOCKS * 4),
    ],
)
def test_a_range_that_contradicts_itself_is_refused(changed: Range) -> None:
    with pytest.raises(InvalidMessage):
        Range.decode(changed.encode())


def test_headers_with_a_strangers_consensus_header_are_refused() -> None:
    first, second, third = RANGE.headers
    mixed = replace(RANGE, headers=(first, replace(second, consensus=third.consensus), third))
    with pytest.raises(InvalidMessage, match="extraData"):
        Range.decode(mixed.encode())


@given(st.data())
def test_no_damage_to_a_range_goes_beyond_a_refusal(data: st.DataObject) -> None:
    encoded = bytearray(RANGE.encode())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        Range.decode(bytes(encoded))
    except InvalidMessage:
        return


def test_epoch_proofs_survive_encoding() -> None:
    proofs = [CHAIN.blocks.epochs[0], CHAIN.blocks.epochs[1]]
    assert [proof.encode() for proof in decode_epochs(encode_epochs(proofs))] == proofs
    with pytest.raises(InvalidMessage):
        decode_epochs(encode_epochs([proofs[0][:-1]]))
    with pytest.raises(InvalidMessage):
        decode_epochs(rlp.encode([[b""]]))
