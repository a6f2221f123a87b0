"""The codecs of blocks: what is encoded comes back, nothing else is taken, and the hashes stay what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from tests.consensus.blocks import GENESIS, make_block
from tests.db.damage import flip
from zg_node.errors import InvalidMessage
from zg_node.types.block import (
    BODY_MAX_BYTES,
    CONSENSUS_HEADER_MAX_BYTES,
    HEADER_MAX_BYTES,
    REVEAL_BYTES,
    Block,
    ConsensusHeader,
    Header,
)
from zg_node.types.hashing import EMPTY_CODE_HASH, EMPTY_TRIE_ROOT, EMPTY_UNCLES_HASH, keccak

hashes = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 2**63 - 1)
reveals = st.just(b"") | st.binary(min_size=REVEAL_BYTES, max_size=REVEAL_BYTES)
consensus_headers = st.builds(
    ConsensusHeader, hashes, numbers, numbers, numbers, hashes, hashes, numbers, numbers, numbers, hashes, reveals
)
SAMPLE = ConsensusHeader(b"\1" * 32, 2, 3, 4_000, b"\5" * 32, b"\6" * 32, 7, 8, 9, b"\x0a" * 32, b"\x0b" * REVEAL_BYTES)
BLOCK = make_block(b"\1" * 32, 2, 3, 4)
FIELDS = rlp.decode(BLOCK.header.raw)
DEEP = b"\xf8\x80" * 40_000
"""Lists in lists, far deeper than Python may recurse; each announces more than there is."""


def nested(depth: int) -> bytes:
    """A list in a list in a list …, well formed."""
    out = b"\xc0"
    for _ in range(depth):
        size = len(out)
        head = bytes([0xC0 + size]) if size < 56 else b"\xf9" + size.to_bytes(2, "big")
        out = head + out
    return out


# ── pinned ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_hashes_of_nothing_are_ethereums() -> None:
    assert EMPTY_CODE_HASH.hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert EMPTY_TRIE_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    assert EMPTY_UNCLES_HASH.hex() == "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"


def test_the_wire_forms_are_pinned() -> None:
    assert SAMPLE.hash().hex() == "571d998cb143401530de041bd51dfb18b6c70b815536c8b15ed294fb506c6c4f"
    assert BLOCK.hash.hex() == "7735bc2c8f74682716a09f0321253f2ecb934865ab567ca797d940b01d6ad4ac"
    assert keccak(BLOCK.encode()).hex() == "36a46850a139b0086a207da7cc3b9cddbbd132f7c9424566e2c1173aa92c79e3"


# ── consensus header ────────────────────────────────────────────────────────────────────────────────────────────────


@given(consensus_headers)
def test_a_consensus_header_comes_back(header: ConsensusHeader) -> None:
    encoded = header.encode()
    assert len(encoded) <= CONSENSUS_HEADER_MAX_BYTES
    assert ConsensusHeader.decode(encoded) == header


@given(consensus_headers, consensus_headers)
def test_consensus_headers_that_differ_have_different_hashes(one: ConsensusHeader, other: ConsensusHeader) -> None:
    assert (one == other) == (one.hash() == other.hash())


@pytest.mark.parametrize(
    "change",
    [
        {"network": bytes(31)},
        {"set_hash": bytes(33)},
        {"next_set_hash": b""},
        {"epoch": 2**63},
        {"view": 2**64},
        {"timestamp_ms": 2**63},
        {"fee_excess": 2**100},
        {"gas_level": 2**63},
        {"reveal": bytes(REVEAL_BYTES - 1)},
        {"reveal": bytes(REVEAL_BYTES + 1)},
    ],
)
def test_a_field_out_of_range_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidMessage, match="out of range"):
        ConsensusHeader.decode(replace(SAMPLE, **change).encode())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "items",
    [[], [b""] * 10, [b""] * 12, b"string", [[b""]] * 11],
)
def test_another_shape_is_no_consensus_header(items: object) -> None:
    with pytest.raises(InvalidMessage, match="11 strings"):
        ConsensusHeader.decode(rlp.encode(items))


def test_a_number_with_leading_zeros_is_not_canonical() -> None:
    items = rlp.decode(SAMPLE.encode())
    items[2] = b"\0" + items[2]
    with pytest.raises(InvalidMessage, match="not canonical"):
        ConsensusHeader.decode(rlp.encode(items))


# ── header and block ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_header_says_what_was_encoded() -> None:
    header = Header.decode(BLOCK.header.raw)
    assert (header.number, header.parent_hash, header.gas_limit) == (2, b"\1" * 32, 500_000_000)
    assert header.extra_data == BLOCK.consensus.hash()
    assert header.hash == keccak(header.raw)


@pytest.mark.parametrize(
    ("index", "value"),
    [(0, bytes(31)), (2, bytes(21)), (3, b""), (6, bytes(255)), (13, bytes(33)), (19, bytes(20)), (20, b"")],
)
def test_a_header_field_of_the_wrong_length_is_refused(index: int, value: bytes) -> None:
    fields = [*FIELDS[:index], value, *FIELDS[index + 1 :]]
    with pytest.raises(InvalidMessage, match="wrong length"):
        Header.decode(rlp.encode(fields))


@pytest.mark.parametrize("index", [8, 9, 10, 11, 15])
def test_a_header_number_out_of_range_is_refused(index: int) -> None:
    fields = [*FIELDS[:index], (2**63).to_bytes(8, "big"), *FIELDS[index + 1 :]]
    with pytest.raises(InvalidMessage, match="out of range"):
        Header.decode(rlp.encode(fields))


@pytest.mark.parametrize("count", [0, 20, 22])
def test_a_header_of_another_fork_is_refused(count: int) -> None:
    with pytest.raises(InvalidMessage, match="21 strings"):
        Header.decode(rlp.encode([*FIELDS, b""][:count]))


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 1000), st.binary(max_size=300))
def test_a_block_comes_back(number: int, view: int, salt: int, body: bytes) -> None:
    block = replace(make_block(b"\1" * 32, number, view, salt), body=body)
    assert Block.decode(block.encode()) == block


def test_a_block_with_another_consensus_header_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="extraData is not the consensus header's hash"):
        Block.decode(replace(BLOCK, consensus=GENESIS.consensus).encode())


def test_a_block_with_a_bit_flipped_is_another_block_or_none() -> None:
    encoded = BLOCK.encode()
    for bit in range(0, 8 * len(encoded), 5):
        try:
            block = Block.decode(flip(encoded, bit))
        except InvalidMessage:
            continue
        assert block != BLOCK


# ── hostile bytes, for every decoder ────────────────────────────────────────────────────────────────────────────────

DECODERS = [
    pytest.param(ConsensusHeader.decode, SAMPLE.encode(), id="consensus header"),
    pytest.param(Header.decode, BLOCK.header.raw, id="header"),
    pytest.param(Block.decode, BLOCK.encode(), id="block"),
]
Decoder = Callable[[bytes], object]


@pytest.mark.parametrize(("decode", "encoded"), DECODERS)
def test_every_truncation_is_refused(decode: Decoder, encoded: bytes) -> None:
    for end in range(len(encoded)):
        with pytest.raises(InvalidMessage):
            decode(encoded[:end])


@pytest.mark.parametrize(("decode", "encoded"), DECODERS)
@given(more=st.binary(min_size=1, max_size=20))
def test_anything_behind_the_end_is_refused(decode: Decoder, encoded: bytes, more: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode(encoded + more)


@pytest.mark.parametrize(("decode", "encoded"), DECODERS)
@given(data=st.binary(max_size=2_000))
def test_arbitrary_bytes_are_refused(decode: Decoder, encoded: bytes, data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode(data)


@pytest.mark.parametrize(("decode", "encoded"), DECODERS)
@pytest.mark.parametrize("data", [DEEP, DEEP[:400], nested(300), nested(20_000)], ids=["deep", "shallow", "300", "20k"])
def test_deeply_nested_lists_are_refused(decode: Decoder, encoded: bytes, data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode(data)


@pytest.mark.parametrize(
    ("decode", "size"),
    [
        (ConsensusHeader.decode, CONSENSUS_HEADER_MAX_BYTES),
        (Header.decode, HEADER_MAX_BYTES),
        (Block.decode, BODY_MAX_BYTES + HEADER_MAX_BYTES + CONSENSUS_HEADER_MAX_BYTES + 32),
    ],
    ids=["consensus header", "header", "block"],
)
def test_what_is_too_large_is_refused_unread(decode: Decoder, size: int) -> None:
    with pytest.raises(InvalidMessage, match=f"of {size + 1} bytes"):
        decode(bytes(size + 1))
