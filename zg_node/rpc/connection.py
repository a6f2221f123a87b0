"""One client connection: HTTP/1.1 with keep-alive and pipelining, until it asks to become a WebSocket.

    bytes ─▶ httptools ─▶ head checked ─▶ Exchange queued ─▶ dispatcher … ─▶ Exchange.finish ─▶ written in order

A request head that was seen before, byte for byte, is not parsed again: clients repeat theirs thousands of times.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import httptools
from wsproto.frame_protocol import CloseReason

from zg_node.rpc.api import Context
from zg_node.rpc.encoding import failure
from zg_node.rpc.errors import SERVER_ERROR, error_object
from zg_node.rpc.http import JSON, Action, Head, Refusal, read_head, response
from zg_node.rpc.methods.da import take_piece
from zg_node.rpc.websocket import WebSocket

if TYPE_CHECKING:
    from zg_node.rpc.server import RpcServer

log = logging.getLogger(__name__)

KNOWN_HEAD_MAX_BYTES: Final = 2_048
WRITE_HIGH_BYTES: Final = 262_144
"""Above this many unsent bytes the server stops reading from the client."""
LINGER_S: Final = 5
"""How long a connection that is being ended may keep sending before it is cut."""
CHUNKING_SLACK_BYTES: Final = 65_536
TURN_MAX_BYTES: Final = 65_536
"""What one client has looked at in a turn of the event loop; then the others and the blocks have theirs."""
FRAMES_TURN_MAX_BYTES: Final = 8_192
"""The same of a WebSocket, whose frames may be tiny."""
HOP_HEADERS: Final = (b"upgrade", b"connection", b"http2-settings")
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """One request and the place of its response among the connection's responses."""

    __slots__ = ("_connection", "close", "extra", "response")

    def __init__(self, connection: Connection, extra: bytes, close: bool) -> None:
        self._connection = connection
        self.extra = extra
        self.close = close
        self.response: bytes | None = None

    def finish(self, body: bytes) -> None:
        """The JSON-RPC answer, with status 200 as JSON-RPC has it."""
        self.respond(200, JSON, body)

    def respond(self, status: int, content_type: bytes, body: bytes) -> None:
        if self.response is not None:
            raise AssertionError("a request is answered once")
        self.response = response(status, content_type, body, extra=self.extra, close=self.close)
        self._connection.answered(len(self.response))


class Connection(asyncio.Protocol):
    """The protocol object of one socket; all of it runs on the event loop."""

    __slots__ = (
        "_body",
        "_context",
        "_context_key",
        "_due_bytes",
        "_exchanges",
        "_fields",
        "_head",
        "_head_bytes",
        "_held",
        "_in_head",
        "_parser",
        "_prefix",
        "_raw_bytes",
        "_reading",
        "_replay",
        "_since",
        "_stalled_since",
        "_target",
        "_turn_due",
        "_unsent_bytes",
        "ending",
        "idle",
        "lane",
        "local",
        "server",
        "transport",
        "websocket",
    )

    def __init__(self, server: RpcServer, lane: int) -> None:
        self.server = server
        self.lane = lane
        self.websocket: WebSocket | None = None
        self.ending = False
        """No further requests are taken; what the client still sends is thrown away."""
        self._exchanges: deque[Exchange] = deque()
        self.idle = True
        """The parser stands between two requests."""
        self._in_head = False
        self._reading = True
        self._held = b""
        """Received, and waiting for its turn."""
        self._turn_due = False
        self._due_bytes = 0
        """Responses that wait for those before them."""
        self._unsent_bytes = 0
        """What the transport still held when it was last looked at, while the client takes nothing."""
        self._replay = False
        self._since = server.now_s
        """When the current state began: idle, receiving a request, ending."""
        self._stalled_since: int | None = None
        """When the client stopped taking what it asked for."""
        self._head: Head | None = None
        self._body: bytes | bytearray | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._target = b""
        self._prefix: bytes | None = None
        self._head_bytes = 0
        self._raw_bytes = 0
        self._context: Context | None = None
        self._context_key: tuple[int, bool] | None = None

    # Transport callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(WRITE_HIGH_BYTES)
        self._parser = httptools.HttpRequestParser(self)
        self.local = is_loopback(transport.get_extra_info("peername"))
        if not self.server.admit(self):
            self._refuse(Refusal(503, "too many connections"))

    def connection_lost(self, error: Exception | None) -> None:
        self.ending = True
        self._exchanges.clear()
        self._held = b""
        self._due_bytes = self.server.budget.change(self._due_bytes, 0)
        self._unsent_bytes = self.server.budget.change(self._unsent_bytes, 0)
        self.server.forget(self)
        if self.websocket is not None:
            self.websocket.lost()

    def pause_writing(self) -> None:
        self._stalled_since = self.server.now_s
        self.update_reading()

    def resume_writing(self) -> None:
        self._stalled_since = None
        self._unsent_bytes = self.server.budget.change(self._unsent_bytes, 0)
        self.update_reading()

    def eof_received(self) -> bool:
        """A client may end its half and still wait for answers: true keeps ours open until they are sent."""
        self.ending = True
        if not self._exchanges:
            return False
        self._exchanges[-1].close = True
        return True

    def data_received(self, data: bytes) -> None:
        most = TURN_MAX_BYTES if self.websocket is None else FRAMES_TURN_MAX_BYTES
        if len(data) <= most:
            self._look_at(data)
            return
        self._held = data[most:]
        self._look_at(data[:most])
        self.update_reading()

    def _take_turn(self) -> None:
        """Go on with what was received and held."""
        self._turn_due = False
        held, self._held = self._held, b""
        self.data_received(held)
        self.update_reading()

    def _look_at(self, data: bytes) -> None:
        """Bytes that come next in the stream."""
        if self.ending:
            return
        if self.websocket is not None:
            self.websocket.receive(data)
            return
        if self.idle:
            end = data.find(b"\r\n\r\n") + 4
            self._prefix = data[:end] if 4 < end <= KNOWN_HEAD_MAX_BYTES else None
            if self._prefix is not None:
                head = self.server.known_heads.get(self._prefix)
                if head is not None and len(data) - end == head.length:
                    self._take(head, data[end:])
                    return
        self._parse(data)

    # Parser callbacks

    def _parse(self, data: bytes) -> None:
        self._raw_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            log.error("connection handler failed", exc_info=error.__context__ or error)
            self.transport.abort()
        except httptools.HttpParserError as error:
            self._refuse(Refusal(400, f"malformed HTTP request: {error}"))
        if self._in_head and self._raw_bytes > self.server.limits.head_max_bytes:
            self._refuse(Refusal(431, "request head too large"))
        elif self._raw_bytes > 2 * self.server.limits.body_max_bytes + CHUNKING_SLACK_BYTES:
            self._refuse_body()

    def on_message_begin(self) -> None:
        self.idle = False
        self._in_head = True
        self._since = self.server.now_s
        self._fields = []
        self._target = b""
        self._head_bytes = 0
        self._head = None
        self._body = None

    def on_url(self, part: bytes) -> None:
        self._target += part
        self._count_head(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value))
        self._count_head(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        prefix, self._prefix = self._prefix, None
        if self.ending:
            return
        server = self.server
        keep_alive = self._parser.should_keep_alive() and self._parser.get_http_version() == "1.1"
        head = read_head(
            self._parser.get_method(), self._target, self._fields, keep_alive, server.listener, len(server.node.chains)
        )
        if isinstance(head, Refusal):
            self._refuse(head)
        elif head.length is not None and head.length > server.limits.body_max_bytes:
            self._refuse_body()
        elif head.action is Action.WEBSOCKET and not self._parser.should_upgrade():
            self._refuse(Refusal(426, "a WebSocket handshake needs Connection: Upgrade"))
        else:
            self._head = head
            upgrades = self._parser.should_upgrade()
            self._replay = upgrades and head.action is not Action.WEBSOCKET
            if head.expects_continue and not self._exchanges:
                self.transport.write(CONTINUE)
            if prefix is not None and not upgrades and self._repeats(head):
                server.remember_head(prefix, head)

    def on_body(self, part: bytes) -> None:
        if self.ending:
            return
        if self._body is None:
            self._body = part
        else:
            if type(self._body) is bytes:
                self._body = bytearray(self._body)
            self._body += part
        if len(self._body) > self.server.limits.body_max_bytes:
            self._refuse_body()

    def on_message_complete(self) -> None:
        self.idle = True
        self._raw_bytes = 0
        head, self._head = self._head, None
        if head is None or self.ending or self._replay or head.action is Action.WEBSOCKET:
            self._head = head
            return
        body, self._body = self._body, None
        self._take(head, bytes(body) if body is not None else b"")

    @staticmethod
    def _repeats(head: Head) -> bool:
        """Whether the same head, seen again, may skip the parser."""
        return head.action is Action.RPC and head.keep_alive and head.length is not None and not head.expects_continue

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.server.limits.head_max_bytes:
            self._refuse(Refusal(431, "request head too large"))

    # Requests

    def _take(self, head: Head, body: bytes) -> None:
        """A whole request has arrived."""
        exchange = Exchange(self, head.extra, not head.keep_alive)
        self._exchanges.append(exchange)
        if not head.keep_alive:
            self.ending = True
        if len(self._exchanges) == self.server.limits.pipeline_max:
            self.update_reading()
        if head.action is Action.RPC:
            self.server.dispatcher.handle(body, self._context_for(head.shard, head.forwarded), exchange)
        elif head.piece is not None:
            exchange.finish(take_piece(self._context_for(head.shard, head.forwarded), *head.piece, body))
        else:
            exchange.respond(*self.server.page(head.action))

    def _context_for(self, shard: int, forwarded: bool) -> Context:
        key = (shard, forwarded)
        if key != self._context_key or self._context is None:
            self._context = self.server.context(shard, self.local and not forwarded, self.lane, None)
            self._context_key = key
        return self._context

    def _upgrade(self, rest: bytes) -> None:
        """The parser stopped at an Upgrade header: a WebSocket begins, or an upgrade nobody here speaks is ignored."""
        head, self._head = self._head, None
        if head is None or self.ending:
            return
        if head.action is Action.WEBSOCKET:
            if self._exchanges:
                self._refuse(Refusal(400, "a WebSocket handshake must not be pipelined"))
                return
            self.websocket = WebSocket(self, head)
            self.websocket.receive(rest)
            return
        self._replay = False
        fields = [b"%b: %b\r\n" % field for field in self._fields if field[0] not in HOP_HEADERS]
        again = b"%b %b HTTP/1.1\r\n%b\r\n" % (self._parser.get_method(), self._target, b"".join(fields))
        self._parser = httptools.HttpRequestParser(self)
        self._parse(again + rest)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer a request that will not be read, after those before it, and end the connection."""
        if self.ending:
            return
        self.ending = True
        self._in_head = False
        exchange = Exchange(self, b"", True)
        self._exchanges.append(exchange)
        body = failure(b"null", error_object(SERVER_ERROR, refusal.message))
        exchange.respond(refusal.status, JSON, body)

    def _refuse_body(self) -> None:
        self._refuse(Refusal(413, f"request body too large, at most {self.server.limits.body_max_bytes} bytes"))

    # Responses

    def answered(self, size_bytes: int) -> None:
        """One more request has its response, of `size_bytes`."""
        self._due_bytes = self.server.budget.change(self._due_bytes, self._due_bytes + size_bytes)
        self._flush()
        if self._due_bytes and self.server.budget.exceeded:
            self._give_up("its answers wait behind others")

    def _flush(self) -> None:
        """Write the responses that are ready and whose turn it is."""
        exchanges = self._exchanges
        while exchanges and exchanges[0].response is not None:
            exchange = exchanges.popleft()
            assert exchange.response is not None
            self._due_bytes = self.server.budget.change(self._due_bytes, self._due_bytes - len(exchange.response))
            self.write(exchange.response)
            if exchange.close:
                self.end()
                return
        self._since = self.server.now_s
        if not self._reading:
            self.update_reading()

    def write(self, data: bytes) -> None:
        """Send, unless the client already leaves too much untaken: then it is disconnected."""
        if self.transport.is_closing():
            return
        if (
            self._stalled_since is not None
            and self.transport.get_write_buffer_size() > self.server.limits.write_buffer_max_bytes
        ):
            self._give_up("it does not read its answers")
            return
        self.transport.write(data)
        if self._stalled_since is not None:
            unsent_bytes = self.transport.get_write_buffer_size()
            self._unsent_bytes = self.server.budget.change(self._unsent_bytes, unsent_bytes)
            if self.server.budget.exceeded:
                self._give_up("it does not read its answers, and others need the memory")

    def _give_up(self, reason: str) -> None:
        log.info("client disconnected: %s", reason)
        self.transport.abort()

    def end(self) -> None:
        """Send what is written, then our end of the stream; a client that was still sending gets to read it."""
        self.ending = True
        self._exchanges.clear()
        self._due_bytes = self.server.budget.change(self._due_bytes, 0)
        self._since = self.server.now_s
        self.update_reading()
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def shut(self) -> None:
        """The server stops: say so to a WebSocket, close either way."""
        if self.websocket is not None:
            self.websocket.close(CloseReason.GOING_AWAY, "the node is stopping")
        self.ending = True
        self.transport.close()

    def update_reading(self) -> None:
        """Read only from a client that takes its answers and has not too many requests open."""
        wanted = self.ending or (
            self._stalled_since is None
            and len(self._exchanges) < self.server.limits.pipeline_max
            and (self.websocket is None or self.websocket.reads)
        )
        if wanted and self._held and not self._turn_due:
            self._turn_due = True
            self.server.loop.call_soon(self._take_turn)
        reading = wanted and not self._held
        if reading == self._reading or self.transport.is_closing():
            return
        self._reading = reading
        if reading:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def sweep(self) -> None:
        """Called every second: end what lasts too long."""
        limits, now_s = self.server.limits, self.server.now_s
        lasted = now_s - self._since
        if self._stalled_since is not None and now_s - self._stalled_since > limits.request_timeout_s:
            self.transport.abort()
        elif self.ending:
            if not self._exchanges and lasted > LINGER_S:
                self.transport.abort()
        elif self.websocket is not None:
            self.websocket.sweep()
        elif not self.idle:
            if lasted > limits.request_timeout_s:
                self._refuse(Refusal(408, "the request did not arrive in time"))
        elif not self._exchanges and lasted > limits.keep_alive_s:
            self.transport.close()


def is_loopback(peer: object) -> bool:
    """Whether a socket address is this machine's own."""
    if type(peer) is not tuple or not peer:
        return False
    try:
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
