"""Responses are put together however the network cuts them up."""

from __future__ import annotations

import pytest

from zg_node.bench.http import Connection

RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 4\r\n\r\nbody"


class Transport:
    """As much of a transport as a connection uses."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def connection() -> tuple[Connection, list[bytes], list[str], Transport]:
    bodies: list[bytes] = []
    reasons: list[str] = []
    made = Connection(bodies.append, reasons.append)
    transport = Transport()
    made.connection_made(transport)  # type: ignore[arg-type]
    return made, bodies, reasons, transport


@pytest.mark.parametrize("cut", range(1, len(RESPONSE)))
def test_a_response_in_two_pieces_is_one_body(cut: int) -> None:
    made, bodies, _, _ = connection()
    made.data_received(RESPONSE[:cut])
    assert bodies == []
    made.data_received(RESPONSE[cut:])
    assert bodies == [b"body"]
    made.data_received(RESPONSE)
    assert bodies == [b"body", b"body"]


@pytest.mark.parametrize(
    "head",
    [b"Transfer-Encoding: chunked", b"Content-Length: ten", b"Content-Length: -1", b"Content-Length: 9" + b"9" * 20],
)
def test_a_response_without_a_usable_length_ends_the_connection(head: bytes) -> None:
    made, bodies, reasons, transport = connection()
    made.data_received(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nbody")
    assert bodies == []
    assert len(reasons) == 1
    assert "Content-Length" in reasons[0]
    assert transport.closed


def test_a_lost_connection_is_told_unless_we_closed_it() -> None:
    made, _, reasons, _ = connection()
    made.connection_lost(None)
    assert reasons == ["the server closed the connection"]
    made, _, reasons, _ = connection()
    made.close()
    made.connection_lost(None)
    assert reasons == []
