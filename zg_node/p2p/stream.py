"""What the host reads from and writes to: a metered socket below, streams with a push-back buffer above.

`MeteredSocket` is where a peer's bucket is taken from: every byte that it sends passes here, before decryption.
`PeerStream` is the library's stream without its locks, and with room for bytes that negotiation read too far.
"""

from __future__ import annotations

from typing import Any

import trio
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.stream.exceptions import StreamClosed, StreamEOF, StreamReset
from libp2p.network.stream.net_stream import NetStream
from libp2p.stream_muxer.exceptions import MuxedConnError, MuxedStreamEOF, MuxedStreamError

from zg_node.p2p.bucket import BYTES_BURST, BYTES_PER_S, Bucket
from zg_node.p2p.contain import Counts
from zg_node.p2p.sockets import receive, send_all
from zg_node.p2p.yamux import FastStream

READ_BYTES = 256 * 1024
PAUSE_MAX_S = 5.0


class MeteredSocket(ReadWriteCloser):
    """A TCP connection that is read no faster than its bucket allows."""

    def __init__(self, socket: trio.SocketStream, counts: Counts) -> None:
        self._socket = socket
        self._counts = counts
        self._ahead = b""
        self._bucket = Bucket.full(BYTES_PER_S, BYTES_BURST, trio.current_time())
        self._remote: tuple[str, int] | None = None
        name = socket.socket.getpeername()
        if isinstance(name, tuple):
            self._remote = (str(name[0]), int(name[1]))

    async def read(self, n: int | None = None) -> bytes:
        """At most `n` bytes, b"" at the end. Raises ConnectionClosedError."""
        data = self._ahead
        if not data:
            data = await self._receive()
        if n is None or n >= len(data):
            self._ahead = b""
            return data
        self._ahead = data[n:]
        return data[:n]

    async def write(self, data: bytes) -> None:
        """Everything, however long it takes. Raises ConnectionClosedError."""
        try:
            await send_all(self._socket, data)
        except (OSError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError(str(error), transport="tcp") from error

    async def close(self) -> None:
        """Close without waiting for the other side."""
        await trio.aclose_forcefully(self._socket)

    def get_remote_address(self) -> tuple[str, int] | None:
        """(IP address, port) of the peer."""
        return self._remote

    async def _receive(self) -> bytes:
        try:
            data = await receive(self._socket, READ_BYTES)
        except (OSError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError(str(error), transport="tcp") from error
        self._counts["bytes_received"] += len(data)
        pause_s = self._bucket.take(len(data), trio.current_time())
        if pause_s > 0:
            self._counts["throttled"] += 1
            await trio.sleep(min(pause_s, PAUSE_MAX_S))
        return data


class PeerStream(NetStream):
    """A stream over a multiplexed connection."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.unread = bytearray()
        """Read already, and to be read again."""

    async def read(self, n: int | None = None) -> bytes:
        """At most `n` bytes. Raises StreamEOF at the end, StreamReset."""
        unread = self.unread
        if unread:
            size = len(unread) if n is None or n < 0 else n
            data = bytes(unread[:size])
            del unread[:size]
            return data
        try:
            return await self.muxed_stream.read(n)
        except MuxedStreamEOF as error:
            raise StreamEOF from error
        except (MuxedStreamError, MuxedConnError) as error:
            raise StreamReset from error

    async def read_some(self) -> bytes:
        """What has come; b"" at the end. Raises StreamReset."""
        try:
            return await self.read(READ_BYTES)
        except StreamEOF:
            return b""

    async def read_more(self) -> bytes:
        """What comes next, past the push-back buffer; b"" at the end. Raises StreamReset."""
        try:
            return await self.muxed_stream.read(READ_BYTES)
        except MuxedStreamEOF:
            return b""
        except (MuxedStreamError, MuxedConnError) as error:
            raise StreamReset from error

    async def write(self, data: bytes) -> None:
        """Everything, as the peer's window opens. Raises StreamClosed."""
        try:
            await self.muxed_stream.write(data)
        except (MuxedStreamError, MuxedConnError, ConnectionClosedError) as error:
            raise StreamClosed from error

    def write_now(self, data: bytes) -> bool:
        """Write a little without waiting; returns whether that was possible."""
        muxed = self.muxed_stream
        return isinstance(muxed, FastStream) and muxed.write_now(data)

    async def close(self) -> None:
        """Close our side; the library calls it when it is done with the stream."""
        await self.muxed_stream.close()
        await self.remove()

    async def close_write(self) -> None:
        """Say that nothing more will be written."""
        await self.muxed_stream.close()

    async def reset(self) -> None:
        """End both sides at once."""
        await self.muxed_stream.reset()
        await self.remove()

    async def remove(self) -> None:
        """Forget the stream."""
        if self.swarm_conn is not None:
            self.swarm_conn.remove_stream(self)
