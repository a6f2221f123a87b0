"""HTTP/1.1 keep-alive connections with as little Python per request as possible.

The load generator shares the cores with the server that it measures, so requests are rendered before the clock starts
and a response costs one search for its length. Only what JSON-RPC servers send is understood: a status line, headers
with Content-Length, a body.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from zg_node.errors import InvalidConfig, Unavailable

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
LENGTH_DIGITS_MAX = 9
"""A block's receipts may take many megabytes; a gigabyte is a broken server."""
HEAD_MAX_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a shard's JSON-RPC is served."""

    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Raises InvalidConfig unless the URL is http://HOST[:PORT][/PATH]."""
        parts = urlsplit(url)
        try:
            port = parts.port or 80
        except ValueError as error:
            raise InvalidConfig(f"{url}: {error}") from error
        if parts.scheme != "http" or not parts.hostname:
            raise InvalidConfig(f"{url} is not a URL of the form http://HOST:PORT/PATH")
        return cls(parts.hostname, port, parts.path or "/")

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}{self.path}"

    def shard(self, index: int) -> Endpoint:
        """The path at which this project's node serves a shard."""
        return Endpoint(self.host, self.port, f"{self.path.rstrip('/')}/shard/{index}")

    def render_post(self, body: bytes) -> bytes:
        """A whole request."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def render_get(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n\r\n".encode()


class Connection(asyncio.Protocol):
    """One connection with at most one request under way; `on_response` gets each body, `on_lost` a reason."""

    def __init__(self, on_response: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        self._on_response = on_response
        self._on_lost = on_lost
        self._buffer = bytearray()
        self._wanted = (
            0  # bytes from the start of the buffer to the end of the response; 0 while the head is incomplete
        )
        self._transport: asyncio.Transport | None = None

    async def open(self, endpoint: Endpoint) -> None:
        """Raises Unavailable when nobody listens."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, endpoint.host, endpoint.port)
        except OSError as error:
            raise Unavailable(f"{endpoint.url}: {error.strerror or error}") from error

    def send(self, request: bytes) -> None:
        if self._transport is None:
            raise Unavailable("the connection is closed")
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._on_lost = lambda _: None
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost(str(exc) if exc else "the server closed the connection")

    def data_received(self, data: bytes) -> None:
        if self._buffer:  # most responses come in one piece, and are never copied here
            self._buffer += data
            if len(self._buffer) < self._wanted:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        end = data.find(b"\r\n\r\n")
        if end < 0 and len(data) <= HEAD_MAX_BYTES:
            self._buffer += data
            self._wanted = 0
            return
        length = LENGTH.search(data, 0, end + 2)
        if length is None or len(length[1]) > LENGTH_DIGITS_MAX:
            self._fail(f"a response without a usable Content-Length: {data[:80]!r}")
            return
        body_at = end + 4
        self._wanted = body_at + int(length[1])
        if len(data) < self._wanted:
            self._buffer += data
        else:
            self._buffer += data[self._wanted :]
            self._on_response(data[body_at : self._wanted])

    def _fail(self, reason: str) -> None:
        on_lost = self._on_lost
        self.close()
        on_lost(reason)


class Requester:
    """Request and response with `await`, over one connection, in order."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._connection = Connection(self._answered, self._lost)
        self._lock = asyncio.Lock()
        self._waiting: deque[asyncio.Future[bytes]] = deque()

    async def open(self) -> None:
        await self._connection.open(self.endpoint)

    def close(self) -> None:
        self._connection.close()

    async def request(self, rendered: bytes) -> bytes:
        """The response's body. Raises Unavailable when the connection is lost."""
        async with self._lock:
            future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                self._connection.send(rendered)
            except Unavailable:
                self._waiting.remove(future)
                raise
            return await future

    async def post(self, body: bytes) -> bytes:
        return await self.request(self.endpoint.render_post(body))

    def _answered(self, body: bytes) -> None:
        if self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(body)

    def _lost(self, reason: str) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(Unavailable(f"{self.endpoint.url}: {reason}"))
