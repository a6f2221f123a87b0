"""A small HTTP/1.1 server for bodies as large as blobs: one request at a time on a connection, answered in order.

    bytes ─▶ httptools ─▶ head checked ─▶ body collected, within bounds ─▶ route ─▶ response

Who may store blobs spends this node's coins, so a browser page may not: a request with an Origin is refused, and so is
a Host that is a name which the operator did not allow, against DNS rebinding.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import httptools

from zg_node.errors import InvalidConfig
from zg_node.gateway.budget import Budget
from zg_node.gateway.channel import Channel
from zg_node.rpc.http import JSON, TEXT, host_allowed

log = logging.getLogger("zg.gateway")

HEAD_MAX_BYTES: Final = 16_384
"""Of a request line with headers that is not complete yet, and of what a client sends instead of a body, such as the
trailers after one; what is complete came in READ_BYTES more at most."""
CONNECTIONS_MAX: Final = 128
READ_BYTES: Final = 65_536
WRITE_BYTES: Final = 262_144
"""Of an answer, handed to the connection at once."""
HELD_MAX_BYTES: Final = 512 << 20
"""Bodies that a listener holds, those of answers included, of all its connections together."""
IDLE_S: Final = 120.0
REQUEST_S: Final = 60.0
"""For a request to arrive, and for an answer to be taken."""
LINGER_S: Final = 5.0
"""How long a client that was refused may go on sending, so that it gets to read why; and how long anyone may take over
the end of what was written."""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
OCTETS: Final = b"application/octet-stream"


@dataclass(frozen=True, slots=True)
class Response:
    """What a request is answered with."""

    status: HTTPStatus
    body: bytes
    content_type: bytes = OCTETS

    def head(self, keep_alive: bool) -> bytes:
        """What comes before the body."""
        return b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b\r\n" % (
            self.status,
            self.status.phrase.encode(),
            self.content_type,
            len(self.body),
            b"" if keep_alive else b"connection: close\r\n",
        )


def text(status: HTTPStatus, words: str) -> Response:
    """A sentence for people."""
    return Response(status, words.encode(), TEXT)


def json(body: bytes) -> Response:
    """A document with status 200."""
    return Response(HTTPStatus.OK, body, JSON)


@dataclass(slots=True)
class Request:
    """A whole request."""

    method: bytes = b""
    target: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    """Names in lower case."""
    body: bytearray = field(default_factory=bytearray)
    keep_alive: bool = False


FULL: Final = text(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
BUSY: Final = text(HTTPStatus.SERVICE_UNAVAILABLE, "too many blobs at once: try again in a moment")

Route = Callable[[Request], Awaitable[Response]]
Talk = Callable[[Channel], Awaitable[None]]


class Refused(Exception):
    """A request that is answered before it is read to its end; the connection ends."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.body.decode())
        self.response = response


class HttpServer:
    """One listener. Create, start and close it on the event loop."""

    def __init__(
        self, route: Route, body_max_bytes: int, hosts: Sequence[str] = ("localhost",), talk: Talk | None = None
    ) -> None:
        """`route` answers a request, `talk` a WebSocket until it ends; they raise nothing that a client could cause.
        `hosts` are the names that a Host header may carry beside IP addresses."""
        self.route = route
        self.talk = talk
        self.body_max_bytes = body_max_bytes
        self.hosts = hosts
        self.budget = Budget(HELD_MAX_BYTES)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` 0 takes a free one. Raises InvalidConfig when the address cannot be had."""
        try:
            self._server = await asyncio.start_server(self._accept, host, port, limit=READ_BYTES)
        except (OSError, OverflowError) as error:
            code = getattr(error, "errno", None) or 0
            reason = os.strerror(code) if code > 0 else str(error)
            raise InvalidConfig(f"cannot listen on {host}:{port}: {reason}; choose another port or address") from error

    @property
    def port(self) -> int:
        """The port that is listened on, also where the system chose it."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end the connections."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._connected(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("gateway connection failed", exc_info=error)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._connections) > CONNECTIONS_MAX:
                writer.write(FULL.head(False) + FULL.body)
            else:
                await _Connection(self, reader, writer).serve()
            writer.close()
            async with asyncio.timeout(LINGER_S):
                await writer.wait_closed()
        except OSError as error:  # a timeout is one
            log.debug("client lost: %s", error)
        finally:
            writer.transport.abort()


class _Connection:
    """One client: the parser's callbacks fill in a request, `serve` answers it."""

    def __init__(self, server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._whole: list[Request] = []
        self._begun = False
        self._advanced = False
        self._stalled_bytes = 0
        """Since the request advanced: its head was complete, or a piece of its body came."""
        self._rest: bytes | None = None
        """What follows a request that asks for another protocol."""
        self._refused: Refused | None = None
        """What comes after the whole requests."""
        self._held_bytes = 0

    async def serve(self) -> None:
        """Answer requests until either side ends the connection. Raises OSError."""
        try:
            while await self._receive():
                requests, self._whole = self._whole, []
                for request in requests:
                    if self._rest is not None and request is requests[-1]:
                        await self._upgrade(request, self._rest)
                        return
                    answer = await self._answer(request)
                    self._give(len(request.body))
                    await self._send(answer, request)
                    if not request.keep_alive:
                        return
        except Refused as refused:
            await self._send(refused.response, Request())
            await self._discard()
        finally:
            self._give(self._held_bytes)

    async def _receive(self) -> bool:
        """Read until at least one request is whole; False at the end of the stream. Raises Refused."""
        deadline: float | None = None
        loop = asyncio.get_running_loop()
        while not self._whole:
            if self._refused is not None:
                raise self._refused
            if self._begun and deadline is None:
                deadline = loop.time() + REQUEST_S
            async with asyncio.timeout_at(deadline if deadline is not None else loop.time() + IDLE_S):
                data = await self._reader.read(READ_BYTES)
            if not data:
                return False
            self._feed(data)
        return True

    def _feed(self, data: bytes) -> None:
        self._advanced = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._rest = data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, Refused):
                raise
            self._refused = error.__context__
        except httptools.HttpParserError as error:
            self._refused = Refused(text(HTTPStatus.BAD_REQUEST, f"malformed HTTP request: {error}"))
        self._stalled_bytes = self._stalled_bytes + len(data) if self._begun and not self._advanced else 0
        if self._stalled_bytes > HEAD_MAX_BYTES:
            self._refused = Refused(
                text(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request head or trailers too large")
            )

    async def _upgrade(self, request: Request, rest: bytes) -> None:
        """Speak what the request asks for. Raises Refused."""
        key = request.headers.get(b"sec-websocket-key", b"")
        asked = request.headers.get(b"upgrade", b"").lower(), request.headers.get(b"sec-websocket-version"), bool(key)
        server = self._server
        if server.talk is None or asked != (b"websocket", b"13", True):
            raise Refused(text(HTTPStatus.NOT_IMPLEMENTED, "another protocol than is spoken here"))
        channel = Channel(self._reader, self._writer, key, rest, server.body_max_bytes, server.budget)
        try:
            await server.talk(channel)
        finally:
            channel.close()
        await self._discard()

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._server.route(request)
        except Exception:  # a fault of ours ends this request, and is written down
            log.exception("gateway request failed")
            return text(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")

    async def _send(self, answer: Response, request: Request) -> None:
        """A piece at a time: nothing is copied for a client that takes its time. Raises OSError."""
        if self._writer.is_closing():
            raise ConnectionResetError("the client is gone")
        size = len(answer.body)
        if not self._server.budget.take(size):
            answer, size = BUSY, 0
        try:
            self._writer.write(answer.head(request.keep_alive))
            body = memoryview(b"" if request.method == b"HEAD" else answer.body)
            async with asyncio.timeout(REQUEST_S):
                for at in range(0, len(body), WRITE_BYTES):
                    self._writer.write(body[at : at + WRITE_BYTES])
                    await self._writer.drain()
        finally:
            self._server.budget.give(size)

    async def _discard(self) -> None:
        """Read on without looking, for a while."""
        if self._writer.is_closing():
            return
        self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while await self._reader.read(READ_BYTES):
                    pass

    def _give(self, size: int) -> None:
        self._held_bytes -= size
        self._server.budget.give(size)

    # Parser callbacks

    def on_message_begin(self) -> None:
        self._request = Request()
        self._begun = True

    def on_url(self, part: bytes) -> None:
        self._request.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._advanced = True
        request, server = self._request, self._server
        request.method = self._parser.get_method()
        request.keep_alive = self._parser.should_keep_alive() and self._parser.get_http_version() == "1.1"
        if b"origin" in request.headers or not host_allowed(request.headers.get(b"host", b"127.0.0.1"), server.hosts):
            raise Refused(text(HTTPStatus.FORBIDDEN, "not for pages of a browser: call by address, without an Origin"))
        length = request.headers.get(b"content-length", b"0")
        if len(length) > 18 or int(length) > server.body_max_bytes:
            raise Refused(self._too_large())
        if request.headers.get(b"expect", b"").lower() == b"100-continue" and not self._writer.is_closing():
            self._writer.write(CONTINUE)

    def on_body(self, part: bytes) -> None:
        self._advanced = True
        if len(self._request.body) + len(part) > self._server.body_max_bytes:
            raise Refused(self._too_large())
        if not self._server.budget.take(len(part)):
            raise Refused(BUSY)
        self._held_bytes += len(part)
        self._request.body += part

    def on_message_complete(self) -> None:
        self._begun = False
        self._whole.append(self._request)

    def _too_large(self) -> Response:
        most = self._server.body_max_bytes
        return text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"request body too large: at most {most} bytes")
