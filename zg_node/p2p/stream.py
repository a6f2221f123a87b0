"""A stream to a peer: the library's without its locks, and with room for bytes that negotiation read too far."""

from __future__ import annotations

from typing import Any

import trio
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.stream.exceptions import StreamClosed, StreamEOF, StreamReset
from libp2p.network.stream.net_stream import NetStream
from libp2p.stream_muxer.exceptions import MuxedConnError, MuxedStreamEOF, MuxedStreamError

from zg_node.p2p.sockets import READ_BYTES
from zg_node.p2p.yamux_stream import Consumer, FastStream


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

    async def read_some(self, limit: int = READ_BYTES) -> bytes:
        """What has come, at most `limit` bytes; b"" at the end. Raises StreamReset."""
        try:
            return await self.read(limit)
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

    async def consume(self, consumer: Consumer) -> None:
        """Hand over everything that comes until the peer closes its side. Raises what the consumer raises, and
        StreamReset."""
        unread, self.unread = bytes(self.unread), bytearray()
        if unread:
            await _pause(consumer(unread))
        muxed = self.muxed_stream
        if isinstance(muxed, FastStream):
            try:
                await muxed.consume(consumer)
            except (MuxedStreamError, MuxedConnError) as error:
                raise StreamReset from error
            return
        while data := await self.read_some():
            await _pause(consumer(data))

    async def write(self, data: bytes | memoryview) -> None:
        """Everything, as the peer's window opens. Raises StreamClosed."""
        muxed = self.muxed_stream
        try:
            if isinstance(muxed, FastStream):
                await muxed.write(data)
            else:
                await muxed.write(bytes(data))
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

    async def finish(self) -> None:
        """Close our side when nobody reads any more. The library's own streams share one bound on unread bytes."""
        muxed = self.muxed_stream
        if isinstance(muxed, FastStream):
            await muxed.finish()

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


async def _pause(pause_s: float) -> None:
    if pause_s > 0:
        await trio.sleep(pause_s)
