"""A server on a free loopback port, and a client that speaks bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import orjson
import uvloop
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from tests.rpc.doubles import MemoryChain, make_node
from zg_node.rpc.api import Node
from zg_node.rpc.limits import Limits, Listener
from zg_node.rpc.server import RpcServer

T = TypeVar("T")
TIMEOUT_S = 20
"""Longer than anything here takes; a hang fails instead of hanging the suite."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine on the loop that the node uses."""
    return uvloop.run(asyncio.wait_for(main, TIMEOUT_S))


@asynccontextmanager
async def serving(
    *chains: MemoryChain, limits: Limits | None = None, listener: Listener | None = None, node: Node | None = None
) -> AsyncIterator[RpcServer]:
    """A started server; closed afterwards."""
    node = node or make_node(*(chains or (MemoryChain(),)))
    server = RpcServer(node, limits or Limits(), listener or Listener(port=0))
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop turn until `condition` holds; the test's own timeout bounds it."""
    while not condition():  # noqa: ASYNC110 - the server has no event for what tests want to see
        await asyncio.sleep(0)


def post(body: bytes, path: str = "/", headers: str = "", host: str = "localhost") -> bytes:
    """The bytes of a POST request."""
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def request(method: str, *params: object, request_id: object = 1) -> bytes:
    """A JSON-RPC request."""
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": list(params)})


class Response:
    """A parsed HTTP response."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class HttpClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read(self) -> Response:
        """The next response; raises IncompleteReadError at the end of the stream."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status_line, *lines = head.rstrip("\r\n").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Response(int(status_line.split()[1]), headers, body)

    async def ask(self, data: bytes) -> Response:
        self.send(data)
        return await self.read()

    async def call(self, method: str, *params: object, path: str = "/") -> Any:
        """A JSON-RPC call's whole response object."""
        return (await self.ask(post(request(method, *params), path))).json

    async def ended(self) -> bool:
        """Wait for the server to end the stream; whether nothing more came before that."""
        return await self.reader.read() == b""


@asynccontextmanager
async def connected(server: RpcServer) -> AsyncIterator[HttpClient]:
    """An HTTP client of `server`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=64 * 1024 * 1024)
    try:
        yield HttpClient(reader, writer)
    finally:
        writer.transport.abort()


class WebSocketClient:
    """One WebSocket, with control over its frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.framing = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._text = ""

    def send_event(self, event: Event) -> None:
        self.writer.write(self.framing.send(event))

    def send_text(self, text: bytes) -> None:
        self.send_event(TextMessage(text.decode()))

    async def event(self) -> Event:
        """The next event; the end of the stream is a CloseConnection."""
        while not self._events:
            data = await self.reader.read(65_536)
            self.framing.receive_data(data or None)
            self._events.extend(self.framing.events())
        return self._events.pop(0)

    async def receive(self) -> Any:
        """The next whole message, parsed; pings are answered."""
        while True:
            event = await self.event()
            if isinstance(event, Ping):
                self.send_event(event.response())
                continue
            if isinstance(event, Pong):
                continue
            assert isinstance(event, Message), event
            self._text += str(event.data)
            if event.message_finished:
                text, self._text = self._text, ""
                return orjson.loads(text)

    async def call(self, method: str, *params: object) -> Any:
        """A JSON-RPC call's whole response object; the next message must be it."""
        self.send_text(request(method, *params))
        return await self.receive()

    async def closing(self) -> CloseConnection:
        """Skip to the server's closing frame."""
        while True:
            event = await self.event()
            if isinstance(event, CloseConnection):
                return event


@asynccontextmanager
async def websocket(
    server: RpcServer, path: str = "/", headers: list[tuple[bytes, bytes]] | None = None
) -> AsyncIterator[WebSocketClient]:
    """A WebSocket client of `server`; raises ConnectionRefusedError when the handshake is rejected."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    client = WebSocketClient(reader, writer)
    try:
        client.send_event(Request(host="localhost", target=path, extra_headers=headers or []))
        event = await client.event()
        if isinstance(event, RejectConnection):
            raise ConnectionRefusedError(str(event.status_code))
        assert isinstance(event, AcceptConnection)
        yield client
    finally:
        writer.transport.abort()
