from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.negotiation import MULTISTREAM, PROPOSALS_MAX, accept, agree, confirm, opening, take_token, token


class Wire:
    """A peer that has sent `incoming`, `cut` bytes at a time, and reads what is written."""

    def __init__(self, incoming: bytes, cut: int = 1_000) -> None:
        self._incoming = incoming
        self._cut = cut
        self.written = b""

    async def read(self) -> bytes:
        data, self._incoming = self._incoming[: self._cut], self._incoming[self._cut :]
        return data

    async def write(self, data: bytes) -> None:
        self.written += data


def accepted(wire: Wire, *known: str) -> tuple[str, bytes]:
    """(protocol, what was read too far)."""
    buffer = bytearray()
    return asyncio.run(accept(buffer, wire.read, wire.write, known)), bytes(buffer)


@given(st.integers(1, 60))
def test_an_opening_is_accepted_with_the_data_behind_it(cut: int) -> None:
    wire = Wire(opening("/zg/a/1") + b"data", cut)
    protocol, rest = accepted(wire, "/zg/b/1", "/zg/a/1")
    assert protocol == "/zg/a/1"
    assert wire.written == token(MULTISTREAM) + token("/zg/a/1")
    assert b"data".startswith(rest)


def test_an_unknown_protocol_is_refused_and_the_next_one_taken() -> None:
    wire = Wire(opening("/unknown/1") + token("/zg/a/1"), 30)
    assert accepted(wire, "/zg/a/1")[0] == "/zg/a/1"
    assert wire.written == token(MULTISTREAM) + token("na") + token("/zg/a/1")


def test_an_opener_that_waits_for_the_first_answer_gets_it() -> None:
    wire = Wire(token(MULTISTREAM))
    with pytest.raises(Unavailable):
        accepted(wire, "/zg/a/1")
    assert wire.written == token(MULTISTREAM)


def test_an_opener_that_tries_on_and_on_is_cut_off() -> None:
    wire = Wire(token(MULTISTREAM) + token("/no") * (PROPOSALS_MAX + 1))
    with pytest.raises(InvalidMessage):
        accepted(wire, "/zg/a/1")


@pytest.mark.parametrize(
    "incoming",
    [
        token("/multistream/2.0.0"),
        b"\x00",
        b"\xff\xff\xff",
        b"\x03abc",
        b"\x02\xff\n",
        b"\x80\x7f",
        b"GET / HTTP/1.1\r\n\r\n" * 20,
    ],
)
def test_garbage_is_refused(incoming: bytes) -> None:
    with pytest.raises(InvalidMessage):
        accepted(Wire(incoming), "/zg/a/1")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_token_or_one_error(data: bytes) -> None:
    buffer = bytearray(data)
    try:
        text = take_token(buffer)
    except InvalidMessage:
        return
    if text is None:
        assert buffer == data
    else:
        assert len(buffer) < len(data)


def confirmed(incoming: bytes) -> bytes:
    buffer = bytearray()
    asyncio.run(confirm(buffer, Wire(incoming).read, "/zg/a/1"))
    return bytes(buffer)


def test_the_opener_reads_both_answers_and_no_further() -> None:
    assert confirmed(token(MULTISTREAM) + token("/zg/a/1") + b"answer") == b"answer"


def test_the_opener_tells_a_refusal_from_nonsense() -> None:
    with pytest.raises(Unavailable):
        confirmed(token(MULTISTREAM) + token("na"))
    with pytest.raises(Unavailable):
        confirmed(token(MULTISTREAM))
    with pytest.raises(InvalidMessage):
        confirmed(token(MULTISTREAM) + token("/zg/b/1"))
    with pytest.raises(InvalidMessage):
        confirmed(token("hello"))


def test_long_tokens_have_a_length_of_two_bytes() -> None:
    encoded = token("/" + "x" * 199)
    assert encoded[:2] == b"\xc9\x01"
    assert take_token(bytearray(encoded)) == "/" + "x" * 199


class Line:
    """A connection without streams."""

    def __init__(self, incoming: bytes) -> None:
        self.incoming = incoming
        self.written = b""

    async def read(self, n: int | None = None) -> bytes:
        data, self.incoming = self.incoming[:n], self.incoming[n:] if n is not None else b""
        return data

    async def write(self, data: bytes) -> None:
        self.written += data


@pytest.mark.parametrize("opens", [True, False])
def test_agreeing_on_a_connection_reads_nothing_of_what_follows(opens: bool) -> None:
    line = Line(opening("/noise") + b"a handshake")
    asyncio.run(agree(line, opens, "/noise"))
    assert line.written == opening("/noise")
    assert line.incoming == b"a handshake"


@pytest.mark.parametrize(
    "incoming", [b"\xff\xff\xff\x7f", token(MULTISTREAM) + token("ls") * 1_000], ids=["long", "many"]
)
def test_a_connection_that_proposes_without_end_is_given_up(incoming: bytes) -> None:
    line = Line(incoming + bytes(1_000))
    with pytest.raises(InvalidMessage):
        asyncio.run(agree(line, False, "/noise"))
    assert len(incoming) + 1_000 - len(line.incoming) < 100
    assert len(line.written) < 100
