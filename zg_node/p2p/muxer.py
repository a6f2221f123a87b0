"""What a connection is made of: Noise and nothing else, then our Yamux, or the library's with the checks that it lacks.

The library would read a protocol name of any length, and answer any number of them, from peers that nobody knows yet.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from libp2p.abc import IMuxedConn, IRawConnection, ISecureConn, ISecureTransport
from libp2p.custom_types import TProtocol
from libp2p.io.exceptions import IOException
from libp2p.peer.id import ID
from libp2p.protocol_muxer.exceptions import MultiselectError
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.security_multistream import SecurityMultistream
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID, Yamux

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.negotiation import Connection, agree
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


class Security(SecurityMultistream):
    """Offers Noise and nothing else."""

    async def select_transport_and_protocol(
        self, conn: IRawConnection, is_initiator: bool
    ) -> tuple[TProtocol, ISecureTransport]:
        """Agree on Noise. Raises MultiselectError."""
        await _agree(conn, is_initiator, NOISE_ID)
        return NOISE_ID, self.transports[NOISE_ID]


class Muxer(MuxerMultistream):
    """Offers Yamux and nothing else."""

    def __init__(self, reactor: Reactor | None, on_invalid: Callable[[ID], None]) -> None:
        """`reactor` runs our Yamux; without one it is the library's."""
        super().__init__({TProtocol(PROTOCOL_ID): Yamux})
        self._reactor = reactor
        self._on_invalid = on_invalid

    async def new_conn(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        """Agree on Yamux, and run it. Raises MultiselectError."""
        await _agree(conn, conn.is_initiator, PROTOCOL_ID)
        if self._reactor is not None:
            socket = conn.conn.read_writer.read_write_closer.stream  # type: ignore[attr-defined]
            records = NoiseRecords(conn)
            return FastYamux(conn, records, socket, self._reactor, peer_id, conn.is_initiator, self._on_invalid)
        muxed = BoundedYamux(conn, peer_id, conn.is_initiator)
        muxed.on_invalid = self._on_invalid
        return muxed


async def _agree(connection: Connection, opens: bool, protocol: str) -> None:
    try:
        await agree(connection, opens, protocol)
    except (InvalidMessage, Unavailable, IOException) as error:
        raise MultiselectError(str(error)) from error
