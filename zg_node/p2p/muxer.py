"""Which Yamux a connection gets: ours, or the library's with the checks that it lacks."""

from __future__ import annotations

from collections.abc import Callable

import trio
from libp2p.abc import IMuxedConn, ISecureConn
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID, Yamux

from zg_node.errors import InvalidMessage
from zg_node.p2p.noise import NoiseRecords
from zg_node.p2p.reactor import Reactor
from zg_node.p2p.yamux import FastYamux

UNREAD_MAX_BYTES = 32 * 1024 * 1024
"""Unread data of one connection in the library's Yamux."""
STREAMS_MAX = 512


class BoundedYamux(Yamux):
    """The library's Yamux, which by itself takes any number of unread bytes and streams."""

    on_invalid: Callable[[ID], None] = staticmethod(lambda _: None)

    async def _read_data_body(self, length: int) -> bytes:
        unread = sum(map(len, self.stream_buffers.values()))
        if unread + length > UNREAD_MAX_BYTES or len(self.streams) > STREAMS_MAX:
            self.on_invalid(self.peer_id)
            raise trio.TooSlowError("the library closes the connection on this error alone")
        return await super()._read_data_body(length)


class Muxer(MuxerMultistream):
    """Offers Yamux and nothing else."""

    def __init__(self, reactor: Reactor | None, on_invalid: Callable[[ID], None], negotiate_timeout: int) -> None:
        """`reactor` runs our Yamux; without one it is the library's."""
        super().__init__({TProtocol(PROTOCOL_ID): Yamux}, negotiate_timeout)
        self._reactor = reactor
        self._on_invalid = on_invalid

    async def new_conn(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        """Agree on Yamux, and run it. Raises MultiselectError."""
        try:
            await self._selector.select(conn, conn.is_initiator, self.negotiate_timeout)
        except UnicodeDecodeError as error:
            raise InvalidMessage("a protocol name that is not text") from error
        if self._reactor is not None:
            socket = conn.conn.read_writer.read_write_closer.stream  # type: ignore[attr-defined]
            records = NoiseRecords(conn)
            return FastYamux(conn, records, socket, self._reactor, peer_id, conn.is_initiator, self._on_invalid)
        muxed = BoundedYamux(conn, peer_id, conn.is_initiator)
        muxed.on_invalid = self._on_invalid
        return muxed
