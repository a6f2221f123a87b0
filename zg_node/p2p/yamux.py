"""Yamux, written for throughput: the specification's frames, without the library's locks and events.

    read   socket ─▶ many Noise packets ─▶ many frames ─▶ stream buffers          one task a connection
    write  frames of all streams ─▶ one plaintext ─▶ Noise packets ─▶ socket      one task a connection

A writer puts frames into the connection's queue and waits while that is long, so a stream with megabytes to send has
at most `QUEUE_BYTES` before everybody else. Receive windows are enforced: a peer that sends beyond what it was
granted is cut off. A stream is granted 256 KiB at first and 4 MiB once it is read steadily, within a bound for the
whole connection.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import trio
from cryptography.exceptions import InvalidTag
from libp2p.abc import IMuxedConn, IMuxedStream, ISecureConn
from libp2p.connection_types import ConnectionType
from libp2p.io.exceptions import IOException
from libp2p.peer.id import ID
from libp2p.security.noise.io import MAX_PLAINTEXT_LENGTH
from libp2p.stream_muxer.exceptions import (
    MuxedConnUnavailable,
    MuxedStreamEOF,
    MuxedStreamError,
    MuxedStreamReset,
)

from zg_node.errors import InvalidMessage
from zg_node.p2p.contain import log

if TYPE_CHECKING:
    from zg_node.p2p.address import Multiaddr

HEADER = struct.Struct(">BBHII")
"""version, type, flags, stream, length."""
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8

WINDOW_BYTES = 256 * 1024
"""What the specification grants every stream at first."""
WINDOW_MAX_BYTES = 4 * 1024 * 1024
GRANTED_MAX_BYTES = 32 * 1024 * 1024
"""Windows beyond the first grants, of one connection together."""
FRAME_MAX_BYTES = 64 * 1024
"""Payload of the frames that we send."""
SEND_WINDOW_MAX = 1 << 31
QUEUE_BYTES = 256 * 1024
"""Frames waiting for the socket, before writers wait."""
CONTROL_MAX_BYTES = 1024 * 1024
"""Frames waiting for the socket, before a peer that only makes us answer is cut off."""
STREAMS_MAX = 512
ACCEPT_MAX = 128
"""Streams that the peer opened and nobody has taken up."""
WRITE_TIMEOUT_S = 60.0
"""How long a peer may keep its window shut."""
PING_INTERVAL_S = 2.0
SILENCE_MAX_S = 6.0
"""A connection that brings nothing for so long, not even an answer to our pings, is dead."""


class FastStream(IMuxedStream):
    """One stream."""

    muxed_conn: FastYamux

    def __init__(self, stream_id: int, conn: FastYamux) -> None:
        self.stream_id = stream_id
        self.muxed_conn = conn
        self._buffer = bytearray()
        self._readable = trio.Event()
        self._writable = trio.Event()
        self._send_window = WINDOW_BYTES
        self._window = WINDOW_BYTES
        """What the peer may still send."""
        self._grant = WINDOW_BYTES
        """The window when nothing is unread."""
        self._consumed = 0
        self._send_closed = False
        self._receive_closed = False
        self._reset = False

    async def write(self, data: bytes) -> None:
        """Send everything. Raises MuxedStreamReset, and MuxedStreamError when our side is closed or the peer keeps
        its window shut."""
        view, offset, total = memoryview(data), 0, len(data)
        while True:
            if self._reset:
                raise MuxedStreamReset("reset")
            if self._send_closed:
                raise MuxedStreamError("closed for writing")
            if offset == total:
                return
            size = min(self._send_window, total - offset, FRAME_MAX_BYTES)
            if size <= 0:
                await self._wait_for_window()
                continue
            self._send_window -= size
            self.muxed_conn.queue(HEADER.pack(0, DATA, 0, self.stream_id, size), bytes(view[offset : offset + size]))
            offset += size
            await self.muxed_conn.wait_for_room()

    def write_now(self, data: bytes) -> bool:
        """Send everything in one frame if that takes no waiting; returns whether it does not."""
        size = len(data)
        if self._send_closed or size > self._send_window or size > FRAME_MAX_BYTES or not self.muxed_conn.has_room:
            return False
        self._send_window -= size
        self.muxed_conn.queue(HEADER.pack(0, DATA, 0, self.stream_id, size), data)
        return True

    async def read(self, n: int | None = None) -> bytes:
        """At least one byte and at most `n`. Raises MuxedStreamEOF, MuxedStreamReset."""
        while not self._buffer:
            if self._reset:
                raise MuxedStreamReset("reset")
            if self._receive_closed:
                raise MuxedStreamEOF("end of stream")
            self._readable = trio.Event()
            await self._readable.wait()
        size = len(self._buffer) if n is None or n < 0 else min(n, len(self._buffer))
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        self._credit(size)
        return data

    async def close(self) -> None:
        """Close our side; what the peer still sends can be read."""
        if not self._send_closed and not self._reset:
            self._send_closed = True
            self.muxed_conn.queue(HEADER.pack(0, WINDOW_UPDATE, FIN, self.stream_id, 0))
        self._forget_when_done()

    async def reset(self) -> None:
        """End both sides at once."""
        if not self._reset and not (self._send_closed and self._receive_closed):
            self.muxed_conn.queue(HEADER.pack(0, WINDOW_UPDATE, RST, self.stream_id, 0))
        self.abort()

    def abort(self) -> None:
        """Both sides are over, for whatever reason."""
        self._reset = self._send_closed = self._receive_closed = True
        self._buffer = bytearray()
        self._wake()
        self.muxed_conn.forget(self)

    def set_deadline(self, ttl: int) -> None:
        """Deadlines are the callers' cancel scopes."""
        raise NotImplementedError

    def get_remote_address(self) -> tuple[str, int] | None:
        """(IP address, port) of the peer."""
        return self.muxed_conn.get_remote_address()

    async def __aenter__(self) -> FastStream:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.close()

    # ── for the connection ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def extra_grant(self) -> int:
        """Window beyond the first grant."""
        return self._grant - WINDOW_BYTES

    def take(self, payload: memoryview) -> None:
        """Data of the peer. Raises InvalidMessage beyond the window."""
        self._window -= len(payload)
        if self._window < 0:
            raise InvalidMessage("data beyond the receive window")
        if not self._reset:
            self._buffer += payload
            self._readable.set()

    def open_window(self, increment: int) -> None:
        """The peer reads."""
        self._send_window = min(SEND_WINDOW_MAX, self._send_window + increment)
        self._writable.set()

    def flags(self, flags: int) -> None:
        """FIN or RST of the peer."""
        if flags & RST:
            self.abort()
        elif flags & FIN:
            self._receive_closed = True
            self._readable.set()
            self._forget_when_done()

    def _credit(self, size: int) -> None:
        """Grant what was read again, in large steps."""
        self._consumed += size
        if self._receive_closed or self._consumed < self._grant // 2:
            return
        increment, self._consumed = self._consumed, 0
        if self._grant == WINDOW_BYTES and self.muxed_conn.may_grant(WINDOW_MAX_BYTES - WINDOW_BYTES):
            increment += WINDOW_MAX_BYTES - WINDOW_BYTES
            self._grant = WINDOW_MAX_BYTES
        self._window += increment
        self.muxed_conn.queue(HEADER.pack(0, WINDOW_UPDATE, 0, self.stream_id, increment))

    async def _wait_for_window(self) -> None:
        self._writable = trio.Event()
        with trio.move_on_after(WRITE_TIMEOUT_S) as scope:
            await self._writable.wait()
        if scope.cancelled_caught:
            raise MuxedStreamError("the peer keeps its window shut")

    def _forget_when_done(self) -> None:
        if self._send_closed and self._receive_closed:
            self.muxed_conn.forget(self)

    def _wake(self) -> None:
        self._readable.set()
        self._writable.set()


class FastYamux(IMuxedConn):
    """One connection."""

    def __init__(
        self,
        conn: ISecureConn,
        peer_id: ID,
        is_initiator: bool = False,
        on_invalid: Callable[[ID], None] = lambda _: None,
    ) -> None:
        """`on_invalid` hears that the peer broke the protocol."""
        self.secured_conn: Any = conn
        self.peer_id = peer_id
        self.event_started = trio.Event()
        self.event_closed = trio.Event()
        self.on_close: Callable[[], Any] | None = None
        self._initiator = is_initiator
        self._on_invalid = on_invalid
        self._next_id = 1 if is_initiator else 2
        self._streams: dict[int, FastStream] = {}
        self._granted = 0
        self._accept_send, self._accept_receive = trio.open_memory_channel[FastStream](ACCEPT_MAX)
        self._queue: list[bytes] = []
        self._queue_bytes = 0
        self._wake = trio.Event()
        self._room = trio.Event()
        self._closing = False
        self._heard_at = trio.current_time()
        self._scope = trio.CancelScope()

    @property
    def is_initiator(self) -> bool:
        return self._initiator

    @property
    def is_established(self) -> bool:
        return self.event_started.is_set() and not self._closing

    @property
    def is_closed(self) -> bool:
        return self.event_closed.is_set()

    def get_transport_addresses(self) -> list[Multiaddr]:
        return list(self.secured_conn.get_transport_addresses())

    def get_connection_type(self) -> ConnectionType:
        return ConnectionType(self.secured_conn.get_connection_type())

    def get_remote_address(self) -> tuple[str, int] | None:
        """(IP address, port) of the peer."""
        address: tuple[str, int] | None = self.secured_conn.get_remote_address()
        return address

    async def start(self) -> None:
        """Run the connection until it ends."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write_loop, nursery.cancel_scope)
                    nursery.start_soon(self._ping_loop, nursery.cancel_scope)
                    self.event_started.set()
                    await self._read_loop()
                    nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await self._finish()

    async def close(self) -> None:
        """End the connection; safe to call again, and from its own tasks."""
        self._closing = True
        self._scope.cancel()
        if not self.event_started.is_set():
            await self._finish()

    async def open_stream(self) -> FastStream:
        """Open a stream. Raises MuxedStreamError."""
        if self._closing or len(self._streams) >= STREAMS_MAX:
            raise MuxedStreamError("no more streams")
        stream = FastStream(self._next_id, self)
        self._next_id += 2
        self._streams[stream.stream_id] = stream
        self.queue(HEADER.pack(0, WINDOW_UPDATE, SYN, stream.stream_id, 0))
        return stream

    async def accept_stream(self) -> FastStream:
        """The next stream of the peer. Raises MuxedConnUnavailable at the end."""
        try:
            return await self._accept_receive.receive()
        except trio.EndOfChannel:
            raise MuxedConnUnavailable("the connection ended") from None

    # ── for the streams ─────────────────────────────────────────────────────────────────────────────────────────────

    def queue(self, *frames: bytes) -> None:
        """Send frames soon."""
        self._queue += frames
        self._queue_bytes += sum(map(len, frames))
        self._wake.set()

    @property
    def has_room(self) -> bool:
        """Whether the queue is short, and the connection goes on."""
        return self._queue_bytes <= QUEUE_BYTES and not self._closing

    async def wait_for_room(self) -> None:
        """Return when the queue is short. Raises MuxedStreamReset when the connection ends."""
        while self._queue_bytes > QUEUE_BYTES:
            if self._closing:
                raise MuxedStreamReset("the connection ended")
            await self._room.wait()

    def may_grant(self, extra: int) -> bool:
        """Whether a stream may have a larger window; it has it then."""
        if self._granted + extra > GRANTED_MAX_BYTES:
            return False
        self._granted += extra
        return True

    def forget(self, stream: FastStream) -> None:
        """The stream is over."""
        if self._streams.pop(stream.stream_id, None) is not None:
            self._granted -= stream.extra_grant

    # ── tasks ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _write_loop(self, connection: trio.CancelScope) -> None:
        encrypt = self.secured_conn.conn.noise_state.noise_protocol.cipher_state_encrypt.encrypt_with_ad
        raw = self.secured_conn.conn.read_writer.read_write_closer
        try:
            while True:
                while not self._queue:
                    self._wake = trio.Event()
                    await self._wake.wait()
                plain = b"".join(self._queue)
                self._queue, self._queue_bytes = [], 0
                room, self._room = self._room, trio.Event()
                room.set()
                packets: list[bytes] = []
                for offset in range(0, len(plain), MAX_PLAINTEXT_LENGTH):
                    packet = encrypt(None, plain[offset : offset + MAX_PLAINTEXT_LENGTH])
                    packets += (len(packet).to_bytes(2, "big"), packet)
                await raw.write(b"".join(packets))
        except IOException:
            connection.cancel()

    async def _ping_loop(self, connection: trio.CancelScope) -> None:
        count = 0
        while True:
            asked_at = trio.current_time()
            count += 1
            self.queue(HEADER.pack(0, PING, SYN, 0, count & 0xFFFFFFFF))
            await trio.sleep(PING_INTERVAL_S)
            now = trio.current_time()
            slept_in_time = now - asked_at < 2 * PING_INTERVAL_S  # else it was we who stood still
            if slept_in_time and now - self._heard_at > SILENCE_MAX_S:
                log.debug("silent peer=%s", self.peer_id)
                connection.cancel()

    async def _read_loop(self) -> None:
        decrypt = self.secured_conn.conn.noise_state.noise_protocol.cipher_state_decrypt.decrypt_with_ad
        raw = self.secured_conn.conn.read_writer.read_write_closer
        plain = bytearray(self.secured_conn._drain(None))
        cipher = bytearray()
        try:
            while True:
                self._take_frames(plain)
                data = await raw.read()
                if not data:
                    return
                self._heard_at = trio.current_time()
                cipher += data
                _decrypt_packets(cipher, plain, decrypt)
        except IOException:
            return
        except (InvalidMessage, InvalidTag) as error:
            log.debug("malformed peer=%s error=%r", self.peer_id, error)
            self._on_invalid(self.peer_id)

    async def _finish(self) -> None:
        if self.event_closed.is_set():
            return
        self._closing = True
        self.event_closed.set()
        for stream in tuple(self._streams.values()):
            stream.abort()
        self._room.set()
        self._accept_send.close()
        await self.secured_conn.close()
        if self.on_close is not None:
            await self.on_close()

    # ── frames ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_frames(self, plain: bytearray) -> None:
        """Handle the frames that are whole and remove them. Raises InvalidMessage, IOException when the peer says
        goodbye."""
        position, end = 0, len(plain)
        view = memoryview(plain)
        try:
            while end - position >= HEADER.size:
                version, kind, flags, stream_id, length = HEADER.unpack_from(plain, position)
                if version or kind > GO_AWAY:
                    raise InvalidMessage("not a Yamux frame")
                body = position + HEADER.size
                if kind == DATA:
                    if length > WINDOW_MAX_BYTES:
                        raise InvalidMessage("a frame larger than any window")
                    if end - body < length:
                        break
                    self._take_data(stream_id, flags, view[body : body + length])
                    position = body + length
                    continue
                position = body
                if kind == WINDOW_UPDATE:
                    self._take_window(stream_id, flags, length)
                elif kind == PING:
                    self._take_ping(flags, length)
                else:
                    raise IOException("the peer says goodbye")
        finally:
            view.release()
        if position:
            del plain[:position]

    def _take_data(self, stream_id: int, flags: int, payload: memoryview) -> None:
        stream = self._stream(stream_id, flags)
        if stream is not None:
            if payload:
                stream.take(payload)
            stream.flags(flags)

    def _take_window(self, stream_id: int, flags: int, increment: int) -> None:
        stream = self._stream(stream_id, flags)
        if stream is not None:
            if increment:
                stream.open_window(increment)
            stream.flags(flags)

    def _take_ping(self, flags: int, value: int) -> None:
        if flags & SYN:
            if self._queue_bytes > CONTROL_MAX_BYTES:
                raise InvalidMessage("pings faster than it takes our answers")
            self.queue(HEADER.pack(0, PING, ACK, 0, value))

    def _stream(self, stream_id: int, flags: int) -> FastStream | None:
        """The stream that a frame is for, opened if it asks for that; None when it is over. Raises InvalidMessage."""
        if not flags & SYN:
            return self._streams.get(stream_id)
        if stream_id % 2 == self._next_id % 2 or not stream_id or stream_id in self._streams:
            raise InvalidMessage("a stream that is not the peer's to open")
        if self._queue_bytes > CONTROL_MAX_BYTES:
            raise InvalidMessage("streams faster than it takes our answers")
        stream = FastStream(stream_id, self)
        try:
            if len(self._streams) >= STREAMS_MAX:
                raise trio.WouldBlock
            self._accept_send.send_nowait(stream)
        except trio.WouldBlock:
            self.queue(HEADER.pack(0, WINDOW_UPDATE, RST, stream_id, 0))
            return None
        self._streams[stream_id] = stream
        self.queue(HEADER.pack(0, WINDOW_UPDATE, ACK, stream_id, 0))
        return stream


def _decrypt_packets(cipher: bytearray, plain: bytearray, decrypt: Callable[[None, bytes], bytes]) -> None:
    """Move the packets that are whole from `cipher` to `plain`. Raises InvalidTag."""
    position, end = 0, len(cipher)
    while end - position >= 2:
        body = position + 2
        length = cipher[position] << 8 | cipher[position + 1]
        if end - body < length:
            break
        plain += decrypt(None, bytes(memoryview(cipher)[body : body + length]))
        position = body + length
    if position:
        del cipher[:position]
