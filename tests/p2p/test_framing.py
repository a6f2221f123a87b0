import pytest
from hypothesis import given
from hypothesis import strategies as st

from zg_node.errors import InvalidMessage
from zg_node.p2p.framing import (
    LENGTH_BYTES,
    PART_HEADER,
    PART_MAX_BYTES,
    PIECE_MIN_BYTES,
    Frame,
    Parts,
    Pieces,
    Splitter,
    number,
    pack,
    prefixed,
    split,
    to_number,
    unpack,
)
from zg_node.p2p.network import DIRECT_MAX_BYTES


def parts_of(message: bytes) -> list[bytes]:
    return [frame[LENGTH_BYTES:] for frame in split(message)]


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(1, 30))
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(bodies: list[bytes], cut: int) -> None:
    stream = b"".join(prefixed(body) for body in bodies)
    splitter = Splitter(50)
    found = [body for at in range(0, len(stream), cut) for body in splitter.feed(stream[at : at + cut])]
    assert found == bodies


@given(st.lists(st.binary(max_size=50)), st.integers(1, 60))
def test_pieces_give_back_what_they_were_given(added: list[bytes], limit: int) -> None:
    pieces = Pieces()
    for data in added:
        pieces.add(memoryview(data))
    taken = []
    while pieces.size > limit:
        taken.append(pieces.take(limit))
        assert len(taken[-1]) <= limit
    assert b"".join(taken) + pieces.join() == b"".join(added)
    assert pieces.size == 0


def test_tiny_pieces_become_larger_ones() -> None:
    pieces = Pieces()
    for _ in range(3 * PIECE_MIN_BYTES):
        pieces.add(b"x")
    assert [len(pieces.take(1 << 20)) for _ in range(3)] == [PIECE_MIN_BYTES] * 3
    assert pieces.size == 0


def test_a_frame_beyond_the_limit_is_refused_before_it_arrives() -> None:
    with pytest.raises(InvalidMessage, match="5 bytes, where 4"):
        Splitter(4).feed(b"\0\0\0\5")


@pytest.mark.parametrize("size", [1, PART_MAX_BYTES, PART_MAX_BYTES + 1, 3 * PART_MAX_BYTES + 17])
def test_a_message_is_put_together_from_its_parts(size: int) -> None:
    message = bytes(index & 0xFF for index in range(size))
    parts, assembly = parts_of(message), Parts()
    assert all(len(part) <= PART_HEADER.size + PART_MAX_BYTES for part in parts)
    assert [assembly.add(part) for part in parts] == [None] * (len(parts) - 1) + [bytearray(message)]
    assert assembly.held_bytes == 0
    assert [assembly.add(part) for part in parts][-1] == bytearray(message)


@pytest.mark.parametrize(
    "part",
    [
        b"",
        PART_HEADER.pack(0, 1),
        PART_HEADER.pack(1, 9) + b"x",
        PART_HEADER.pack(0, DIRECT_MAX_BYTES + 1) + b"x",
        PART_HEADER.pack(0, 1) + b"xx",
    ],
)
def test_a_part_that_nobody_would_send_is_refused(part: bytes) -> None:
    with pytest.raises(InvalidMessage):
        Parts().add(part)


def test_a_part_of_another_message_in_between_is_refused() -> None:
    assembly = Parts()
    assembly.add(PART_HEADER.pack(0, 9) + b"x")
    with pytest.raises(InvalidMessage):
        assembly.add(PART_HEADER.pack(1, 8) + b"x")
    with pytest.raises(InvalidMessage):
        assembly.add(PART_HEADER.pack(0, 9) + b"x")


@given(st.sampled_from(Frame), st.lists(st.binary(max_size=20), max_size=5))
def test_a_packed_frame_is_unpacked(kind: Frame, fields: list[bytes]) -> None:
    (body,) = Splitter(1000).feed(b"".join(pack(kind, *fields)))
    assert unpack(body) == (kind, fields)


@given(st.binary(max_size=40))
def test_unpacking_anything_else_raises_one_error(body: bytes) -> None:
    try:
        kind, fields = unpack(memoryview(body))
    except InvalidMessage:
        return
    assert b"".join(pack(kind, *fields))[LENGTH_BYTES:] == body


def test_a_frame_is_pinned() -> None:
    assert b"".join(pack(Frame.SEND, b"ab", b"c")).hex() == "0000000c" + "05" + "00000002" + "6162" + "00000001" + "63"
    assert next(split(b"xyz")).hex() == "0000000b" + "00000000" + "00000003" + "78797a"


def test_numbers_are_eight_bytes() -> None:
    assert number(258).hex() == "0000000000000102"
    assert to_number(number(2**63)) == 2**63
