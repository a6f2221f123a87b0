"""A WebSocket on a connection that HTTP has let go of: JSON-RPC messages in, answers and notifications out. RFC 6455"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsproto.connection import Connection as Framing
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import generate_accept_token

from zg_node.rpc.http import Head
from zg_node.rpc.session import Session

if TYPE_CHECKING:
    from zg_node.rpc.connection import Connection

PENDING_MAX: Final = 256
"""Unanswered messages before the server stops reading from the client."""
PING_AFTER_S: Final = 30
"""Silence after which the client is asked whether it is still there."""
SILENCE_MAX_S: Final = 90


def text_frame(text: bytes) -> bytes:
    """One unmasked final text frame. RFC 6455, section 5.2"""
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class WebSocket:
    """Frames of one client. It is also the `Reply` of its requests: answers leave as they get ready."""

    __slots__ = ("_connection", "_context", "_framing", "_heard_s", "_message", "_pending", "_pinged", "_session")

    def __init__(self, connection: Connection, head: Head) -> None:
        server = connection.server
        self._connection = connection
        self._framing = Framing(ConnectionType.SERVER)
        self._session = Session(self.send, connection.transport.abort, server.limits.subscriptions_max)
        self._context = server.context(
            head.shard, connection.local and not head.forwarded, connection.lane, self._session
        )
        self._message = bytearray()
        self._pending = 0
        self._pinged = False
        self._heard_s = server.now_s
        accept = generate_accept_token(head.websocket_key)
        connection.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            b"sec-websocket-accept: " + accept + b"\r\n" + head.extra + b"\r\n"
        )

    @property
    def reads(self) -> bool:
        """Whether there is room for more requests."""
        return self._pending < PENDING_MAX

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        self._heard_s = self._connection.server.now_s
        self._pinged = False
        self._framing.receive_data(data)
        for event in self._framing.events():
            if self._connection.ending:
                return
            match event:
                case TextMessage(data=str(text), message_finished=finished):
                    self._collect(text.encode(), finished)
                case BytesMessage(data=part, message_finished=finished):
                    self._collect(bytes(part), finished)
                case Ping():
                    self._connection.write(self._framing.send(event.response()))
                case CloseConnection(code=code):
                    self.close(code, "")
                case _:
                    assert isinstance(event, Pong)

    def finish(self, body: bytes) -> None:
        """A request is answered; an empty body answers notifications, with nothing."""
        self._pending -= 1
        if body:
            self.send(body)
        self._connection.update_reading()

    def send(self, text: bytes) -> None:
        """One message to the client."""
        if not self._connection.ending and self._framing.state is ConnectionState.OPEN:
            self._connection.write(text_frame(text))

    def sweep(self) -> None:
        """Ping a silent client, and give up on one that does not answer."""
        silent_s = self._connection.server.now_s - self._heard_s
        if silent_s > SILENCE_MAX_S:
            self._connection.transport.abort()
        elif silent_s > PING_AFTER_S and not self._pinged:
            self._pinged = True
            self._connection.write(self._framing.send(Ping()))

    def close(self, code: int, reason: str) -> None:
        """Send the closing frame and end the connection."""
        if self._connection.ending:
            return
        self._session.close()
        if self._framing.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            self._connection.write(self._framing.send(CloseConnection(code=code, reason=reason)))
        self._connection.end()

    def lost(self) -> None:
        """The connection is gone."""
        self._session.close()

    def _collect(self, part: bytes, finished: bool) -> None:
        """Take a piece of a message; run the message when it is whole."""
        server = self._connection.server
        if len(self._message) + len(part) > server.limits.body_max_bytes:
            self._message.clear()
            self.close(CloseReason.MESSAGE_TOO_BIG, f"a message has at most {server.limits.body_max_bytes} bytes")
            return
        if not finished:
            self._message += part
            return
        if self._message:
            part = bytes(self._message + part)
            self._message.clear()
        self._pending += 1
        server.dispatcher.handle(part, self._context, self)
        self._connection.update_reading()
