"""The gateways' HTTP server: bounds, keep-alive, and who is not let in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

import pytest

from tests.gateway.web import ask, send
from zg_node.gateway import http as gateway_http
from zg_node.gateway.http import HttpServer, Request, Response, text

BODY_MAX = 1_000
LONG = bytes(32 << 20)
"""More than the connection takes before the client reads."""


async def echo(request: Request) -> Response:
    """The target and the body again."""
    if request.target == b"/fault":
        raise KeyError("a fault of ours")
    if request.target == b"/long":
        return Response(HTTPStatus.OK, LONG)
    return Response(HTTPStatus.OK, request.target + b" " + bytes(request.body))


def serve(test: Callable[[HttpServer], Awaitable[None]]) -> None:
    async def main() -> None:
        server = HttpServer(echo, BODY_MAX)
        await server.start("127.0.0.1", 0)
        try:
            await test(server)
            assert server.budget.held_bytes == 0
        finally:
            await server.close()

    asyncio.run(main())


def test_a_body_arrives_whole() -> None:
    async def test(server: HttpServer) -> None:
        assert await ask(server.port, "POST", "/put", bytes(BODY_MAX)) == (200, b"/put " + bytes(BODY_MAX))

    serve(test)


def test_requests_in_one_packet_are_answered_in_order() -> None:
    async def test(server: HttpServer) -> None:
        one = b"POST /%d HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi"
        answers = await send(server.port, one % 1 + one % 2)
        assert answers.count(b"200 OK") == 2
        assert answers.index(b"/1 hi") < answers.index(b"/2 hi")

    serve(test)


def test_requests_before_one_with_a_fault_are_answered_first() -> None:
    async def test(server: HttpServer) -> None:
        answers = await send(server.port, b"GET /1 HTTP/1.1\r\nhost: localhost\r\n\r\nnonsense\r\n\r\n")
        assert answers.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 400 " in answers.partition(b"/1 ")[2]

    serve(test)


def test_an_answer_to_head_has_no_body() -> None:
    async def test(server: HttpServer) -> None:
        request = b" /a HTTP/1.1\r\nhost: localhost\r\n\r\n"
        answers = await send(server.port, b"HEAD" + request + b"GET" + request)
        first, second, body = answers.split(b"\r\n\r\n")
        assert first == second
        assert body == b"/a "

    serve(test)


def test_a_chunked_body_is_put_together() -> None:
    async def test(server: HttpServer) -> None:
        raw = b"POST / HTTP/1.1\r\nhost: [::1]:80\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        assert (await send(server.port, raw)).endswith(b"/ abc")

    serve(test)


def test_who_expects_to_be_asked_for_the_body_is_asked() -> None:
    async def test(server: HttpServer) -> None:
        head = b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n"
        assert (await send(server.port, head + b"x")).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")

    serve(test)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxy", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (bytes(range(256)), 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\ncontent-length: 9999999999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n" + bytes(1001), 413),
        (b"GET /" + b"a" * 20_000, 431),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 20_000, 431),
        (b"GET / HTTP/1.1\r\norigin: https://example.org\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\nhost: rebound.example.org\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", 501),
    ],
)
def test_what_is_not_served_is_refused_and_the_connection_ends(raw: bytes, status: int) -> None:
    async def test(server: HttpServer) -> None:
        answer = await send(server.port, raw)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close" in answer

    serve(test)


def test_a_fault_of_ours_is_an_internal_error_without_its_words() -> None:
    async def test(server: HttpServer) -> None:
        assert await ask(server.port, "GET", "/fault") == (500, b"internal error")

    serve(test)


def test_bodies_of_all_connections_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_http, "HELD_MAX_BYTES", 700)

    async def test(server: HttpServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 600\r\n\r\n" + bytes(599))
        while server.budget.held_bytes < 599:  # noqa: ASYNC110  the server tells nobody
            await asyncio.sleep(0)
        assert (await ask(server.port, "POST", "/", bytes(200)))[0] == 503
        writer.write(b"\0")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        assert (await ask(server.port, "POST", "/", bytes(200)))[0] == 200

    serve(test)


def test_answers_that_clients_have_yet_to_take_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_http, "HELD_MAX_BYTES", len(LONG) + 100)

    async def test(server: HttpServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /long HTTP/1.1\r\nconnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert (await ask(server.port, "GET", "/long"))[0] == 503
        assert await ask(server.port, "GET", "/") == (200, b"/ ")
        assert await reader.read() == LONG
        writer.close()
        assert await ask(server.port, "GET", "/long") == (200, LONG)

    serve(test)


async def _undrained(writer: asyncio.StreamWriter) -> None:
    """As if the connection took everything that is written."""


def test_a_client_that_does_not_take_the_end_of_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_http, "LINGER_S", 0.05)
    monkeypatch.setattr(asyncio.StreamWriter, "drain", _undrained)

    async def test(server: HttpServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /long HTTP/1.1\r\nconnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        while server._connections:  # noqa: ASYNC110  the server tells nobody
            await asyncio.sleep(0)
        with suppress(ConnectionResetError):
            assert len(await reader.read()) < len(LONG)
        writer.close()

    serve(test)


def test_a_client_that_leaves_in_the_middle_leaves_nothing_held() -> None:
    async def test(server: HttpServer) -> None:
        raw = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 600\r\n\r\n" + bytes(599)
        assert await send(server.port, raw) == b""

    serve(test)


CHUNKED = b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("trailers", [b"a: " + bytes([97]) * 200_000, b"a: b\r\n" * 40_000])
def test_what_follows_a_chunked_body_is_bounded(trailers: bytes) -> None:
    async def test(server: HttpServer) -> None:
        assert (await send(server.port, CHUNKED + b"1\r\nx\r\n0\r\n" + trailers)).startswith(b"HTTP/1.1 431 ")

    serve(test)


def test_a_body_in_many_chunks_is_no_overlong_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_http, "HEAD_MAX_BYTES", 200)
    monkeypatch.setattr(gateway_http, "READ_BYTES", 3)

    async def test(server: HttpServer) -> None:
        answer = await send(server.port, CHUNKED + b"2\r\nab\r\n" * 200 + b"0\r\n\r\n")
        assert answer.endswith(b"/ " + b"ab" * 200)

    serve(test)


def test_a_body_that_comes_too_slowly_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_http, "REQUEST_S", 0.05)

    async def test(server: HttpServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nslow")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()

    serve(test)


def test_text_is_for_people() -> None:
    answer = text(HTTPStatus.NOT_FOUND, "no")
    head = b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n\r\n"
    assert (answer.head(True), answer.body) == (head, b"no")


def test_a_client_that_does_not_wait_for_its_answer_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        if request.target == b"/slow":
            asked.set()
            await gone.wait()
        return Response(HTTPStatus.OK, b"x" * 1_000_000)

    async def main() -> None:
        server = HttpServer(slow, BODY_MAX)
        await server.start("127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /slow HTTP/1.1\r\n\r\n")
        await asked.wait()
        writer.transport.abort()
        gone.set()
        assert (await ask(server.port, "GET", "/"))[0] == 200
        await server.close()

    asyncio.run(main())
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")]


def test_connections_past_the_bound_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_http, "CONNECTIONS_MAX", 1)

    async def test(server: HttpServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /first HTTP/1.1\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert b"too many connections" in await send(server.port, b"")
        writer.close()

    serve(test)
