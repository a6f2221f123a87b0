"""A WebSocket on a gateway's connection: whole messages in, texts out. RFC 6455"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from wsproto.connection import Connection as Framing
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import generate_accept_token

from zg_node.gateway.budget import Budget

READ_BYTES: Final = 65_536
MESSAGE_S: Final = 60.0
"""For the rest of a message to arrive."""
SEND_S: Final = 30.0
"""For a message to be taken by the client."""


class Channel:
    """Both directions of one client. `send` may be called by several tasks."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        key: bytes,
        rest: bytes,
        max_bytes: int,
        budget: Budget,
    ) -> None:
        """`key` is the handshake's, `rest` what followed it, `max_bytes` a client's message; all messages of both
        directions share `budget`."""
        self._reader = reader
        self._writer = writer
        self._max_bytes = max_bytes
        self._budget = budget
        self._held_bytes = 0
        self._framing = Framing(ConnectionType.SERVER, trailing_data=rest)
        self._message = bytearray()
        self._whole: deque[bytes] = deque()
        self._sending = asyncio.Lock()
        self._write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            b"sec-websocket-accept: " + generate_accept_token(key) + b"\r\n\r\n"
        )

    async def receive(self) -> bytes | None:
        """The next message; None at the end. It counts as held until `release`. Raises OSError."""
        deadline: float | None = None
        while not self._whole:
            self._look()
            await self._taken()
            if self._whole:
                break
            if self._framing.state is not ConnectionState.OPEN:
                return None
            if self._message and deadline is None:
                deadline = asyncio.get_running_loop().time() + MESSAGE_S
            async with asyncio.timeout_at(deadline):
                data = await self._reader.read(READ_BYTES)
            self._framing.receive_data(data or None)
        return self._whole.popleft()

    def release(self, message: bytes) -> None:
        """A message that was received is done with."""
        self._held_bytes -= len(message)
        self._budget.give(len(message))

    def end(self, code: int) -> None:
        """Say that the connection ends, unless it is said already."""
        if self._framing.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            self._write(self._framing.send(CloseConnection(code=code)))

    def close(self) -> None:
        """The connection ends: nothing is held any more."""
        self._budget.give(self._held_bytes)
        self._held_bytes = 0

    async def send(self, text: bytes) -> None:
        """One message, after those before it are taken. Raises OSError; a client that does not take it, or for whose
        message there is no room, is disconnected."""
        if not self._budget.take(len(text)):
            self.end(CloseReason.TRY_AGAIN_LATER)
            return
        try:
            async with self._sending:
                if self._framing.state is ConnectionState.OPEN:
                    self._write(self._framing.send(TextMessage(text.decode())))
                    await self._taken()
        finally:
            self._budget.give(len(text))

    async def _taken(self) -> None:
        """Wait until the client has taken most of what was written. Raises OSError."""
        try:
            async with asyncio.timeout(SEND_S):
                await self._writer.drain()
        except TimeoutError:
            self._writer.transport.abort()
            raise

    def _look(self) -> None:
        """Take what the framing has understood so far."""
        for event in self._framing.events():
            match event:
                case TextMessage(data=text, message_finished=finished):
                    self._collect(str(text).encode(), finished)
                case BytesMessage(data=part, message_finished=finished):
                    self._collect(bytes(part), finished)
                case Ping() if self._framing.state is ConnectionState.OPEN:
                    self._write(self._framing.send(event.response()))
                case CloseConnection(code=code):
                    self.end(code)
                case _:
                    pass

    def _collect(self, part: bytes, finished: bool) -> None:
        if self._framing.state is not ConnectionState.OPEN:
            return
        if len(self._message) + len(part) > self._max_bytes:
            self.end(CloseReason.MESSAGE_TOO_BIG)
            return
        if not self._budget.take(len(part)):
            self.end(CloseReason.TRY_AGAIN_LATER)
            return
        self._held_bytes += len(part)
        self._message += part
        if finished:
            self._whole.append(bytes(self._message))
            self._message.clear()

    def _write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)
