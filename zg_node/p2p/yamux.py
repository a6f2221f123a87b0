"""Yamux, written for throughput: the specification's frames, without the library's locks, events and tasks.

    read   socket ─▶ Noise records ─▶ frames ─▶ a stream's buffer, or its consumer      one callback of the reactor
    write  frames of all streams ─▶ one plaintext ─▶ Noise records ─▶ socket            when the callbacks have run

A writer puts frames into the connection's queue and waits while that is long, so a stream with megabytes to send has
at most `QUEUE_BYTES` before everybody else. Receive windows are enforced: a peer that sends beyond what it was
granted is cut off. A stream is granted 256 KiB at first and 4 MiB once it is read steadily, within a bound for the
whole connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio
from cryptography.exceptions import InvalidTag
from libp2p.abc import IMuxedConn, ISecureConn
from libp2p.connection_types import ConnectionType
from libp2p.io.exceptions import IOException
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable, MuxedStreamError, MuxedStreamReset

from zg_node.errors import InvalidMessage
from zg_node.p2p.beat import next_beat
from zg_node.p2p.channel import Channel
from zg_node.p2p.contain import log
from zg_node.p2p.framing import Buffer
from zg_node.p2p.noise import Records
from zg_node.p2p.reactor import Reactor
from zg_node.p2p.sockets import MeteredSocket
from zg_node.p2p.yamux_frame import ACK, HEADER, PING, RST, SYN, WINDOW_UPDATE, FrameReader
from zg_node.p2p.yamux_stream import FastStream

if TYPE_CHECKING:
    from zg_node.p2p.address import Multiaddr

GRANTED_MAX_BYTES = 32 * 1024 * 1024
"""Windows beyond the first grants, of one connection together."""
QUEUE_BYTES = 256 * 1024
"""Frames waiting for the socket, before writers wait."""
CONTROL_MAX_BYTES = 1024 * 1024
"""Frames waiting for the socket, before a peer that only makes us answer is cut off."""
STREAMS_MAX = 512
FRAME_COST_BYTES = 1024
"""What a frame counts for in the peer's bucket beside its bytes, and a record: their number is what takes us time."""
STREAM_COST_BYTES = 32 * 1024
"""The same for a stream that the peer opens, even if it resets it at once."""
ACCEPT_MAX = 128
"""Streams that the peer opened and nobody has taken up."""
PING_INTERVAL_S = 2.0
SILENCE_MAX_S = 6.0
"""A connection that brings nothing for so long, not even an answer to our pings, is dead."""


class FastYamux(IMuxedConn):
    """One connection."""

    def __init__(
        self,
        conn: ISecureConn,
        records: Records,
        socket: MeteredSocket,
        reactor: Reactor,
        peer_id: ID,
        is_initiator: bool = False,
        on_invalid: Callable[[ID], None] = lambda _: None,
    ) -> None:
        """`records` and `socket` are what lies below `conn`; `on_invalid` hears that the peer broke the protocol."""
        self.secured_conn: Any = conn
        self.peer_id = peer_id
        self.event_started = trio.Event()
        self.event_closed = trio.Event()
        self.on_close: Callable[[], Any] | None = None
        self._initiator = is_initiator
        self._on_invalid = on_invalid
        self._records = records
        self._socket = socket
        self._channel = Channel(reactor, socket.descriptor, self)
        self._frames = FrameReader(self)
        self._next_id = 1 if is_initiator else 2
        self._streams: dict[int, FastStream] = {}
        self._granted = 0
        self._accept_send, self._accept_receive = trio.open_memory_channel[FastStream](ACCEPT_MAX)
        self._queue: list[bytes | memoryview] = []
        self._queue_bytes = 0
        self._room: trio.Event | None = None
        """Set when the queue is short again; there is one while somebody waits."""
        self._closing = False
        self._heard_at = trio.current_time()
        self._work_bytes = 0
        """What the last bytes of the socket cost beside their number."""
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
        return self._socket.get_remote_address()

    async def start(self) -> None:
        """Run the connection until it ends."""
        try:
            with self._scope:
                self.event_started.set()
                self._channel.open()
                self._take(self._socket.take_ahead(), self.secured_conn._drain(None))
                await self._ping_loop()
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

    def queue(self, *frames: bytes | memoryview) -> None:
        """Send frames soon."""
        for frame in frames:
            self._queue.append(frame)
            self._queue_bytes += len(frame)
        self._channel.flush_soon()

    @property
    def has_room(self) -> bool:
        """Whether the queue is short, and the connection goes on."""
        return self._queue_bytes <= QUEUE_BYTES and not self._closing

    async def wait_for_room(self) -> None:
        """Return when the queue is short. Raises MuxedStreamReset when the connection ends."""
        if self._queue_bytes > QUEUE_BYTES:
            self._channel.flush()
        while self._queue_bytes > QUEUE_BYTES:
            if self._closing:
                raise MuxedStreamReset("the connection ended")
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def may_grant(self, extra: int) -> bool:
        """Whether a stream may have a larger window; it has it then."""
        if self._granted + extra > GRANTED_MAX_BYTES:
            return False
        self._granted += extra
        return True

    def pause(self, pause_s: float) -> None:
        """Read nothing for a while."""
        self._channel.pause(pause_s)

    def forget(self, stream: FastStream) -> None:
        """The stream is over."""
        if self._streams.pop(stream.stream_id, None) is not None:
            self._granted -= stream.extra_grant

    # ── for the channel ─────────────────────────────────────────────────────────────────────────────────────────────

    def received(self, data: bytes) -> float:
        """Bytes of the socket; returns how long its bucket wants no more."""
        self._heard_at = trio.current_time()
        self._work_bytes = 0
        self._take(data)
        return self._socket.account(len(data), self._heard_at, self._work_bytes)

    def ended(self) -> None:
        """The socket is of no more use."""
        self._scope.cancel()

    def output(self) -> list[Buffer]:
        """All frames that wait, encrypted."""
        if not self._queue:
            return []
        frames, self._queue, self._queue_bytes = self._queue, [], 0
        self._make_room()
        return self._records.seal(b"".join(frames))

    # ── its life ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _ping_loop(self) -> None:
        """Ask a peer that says nothing whether it is there, until it is not."""
        count = 0
        while True:
            slept_at = trio.current_time()
            await next_beat(PING_INTERVAL_S)
            now = trio.current_time()
            quiet_s = now - self._heard_at
            slept_in_time = now - slept_at < 2 * PING_INTERVAL_S  # else it was we who stood still
            if slept_in_time and quiet_s > SILENCE_MAX_S:
                log.debug("silent peer=%s", self.peer_id)
                return
            if quiet_s >= PING_INTERVAL_S:
                count += 1
                self.queue(HEADER.pack(0, PING, SYN, 0, count & 0xFFFFFFFF))

    async def _finish(self) -> None:
        if self.event_closed.is_set():
            return
        self._closing = True
        self.event_closed.set()
        for stream in tuple(self._streams.values()):
            stream.abort()
        self._channel.flush()
        self._channel.close()
        self._make_room()
        self._accept_send.close()
        await self.secured_conn.close()
        if self.on_close is not None:
            await self.on_close()

    # ── frames ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, data: bytes, before: bytes = b"") -> None:
        """Handle bytes as they came, and before them what was decrypted already."""
        try:
            if before:
                self._frames.feed(before)
            for record in self._records.open(data):
                frames = self._frames.feed(record)
                self._work_bytes += FRAME_COST_BYTES * (1 + frames)
        except IOException:
            self._give_up()
        except (InvalidMessage, InvalidTag) as error:
            log.debug("malformed peer=%s error=%r", self.peer_id, error)
            self._give_up()
            self._on_invalid(self.peer_id)

    def _give_up(self) -> None:
        self._channel.close()
        self._scope.cancel()

    def begin_data(self, stream_id: int, flags: int) -> FastStream | None:
        """Data follow; returns the stream that takes them."""
        return self._stream(stream_id, flags)

    def control(self, kind: int, flags: int, stream_id: int, value: int) -> None:
        """A frame without data. Raises InvalidMessage, and IOException when the peer says goodbye."""
        if kind == WINDOW_UPDATE:
            stream = self._stream(stream_id, flags)
            if stream is not None:
                if value:
                    stream.open_window(value)
                stream.flags(flags)
        elif kind == PING:
            if flags & SYN:
                self._refuse_flood("pings")
                self.queue(HEADER.pack(0, PING, ACK, 0, value))
        else:
            raise IOException("the peer says goodbye")

    def _refuse_flood(self, what: str) -> None:
        """A peer that makes us answer has to read the answers. Raises InvalidMessage."""
        if self._queue_bytes > CONTROL_MAX_BYTES:
            raise InvalidMessage(f"{what} faster than it takes our answers")

    def _stream(self, stream_id: int, flags: int) -> FastStream | None:
        """The stream that a frame is for, opened if it asks for that; None when it is over. Raises InvalidMessage."""
        if not flags & SYN:
            return self._streams.get(stream_id)
        if stream_id % 2 == self._next_id % 2 or not stream_id or stream_id in self._streams:
            raise InvalidMessage("a stream that is not the peer's to open")
        self._refuse_flood("streams")
        self._work_bytes += STREAM_COST_BYTES
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
