"""Connections: the library's swarm with our own admission, and no task that a peer can bring down.

    accept ─▶ per-address limit ─▶ 5 s: multistream, Noise, Yamux ─▶ admit(peer id)? ─▶ GuardedConn ─▶ notifees
    dial   ─▶ 5 s: the same                                         ─┘

The library is asked for the handshakes and for little else: its own admission releases no slot of an inbound
connection, its own limits close either of two connections of a peer, and its dialler waits a quarter of a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import IMuxedConn, IMuxedStream, INetConn, IPeerStore, IRawConnection
from libp2p.exceptions import ParseError
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import IOException, MessageTooLarge
from libp2p.io.trio import TrioTCPStream
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedConnError, MuxedStreamError
from libp2p.transport.tcp.tcp import TCP
from libp2p.transport.upgrader import TransportUpgrader

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.address import Multiaddr, neighbourhood
from zg_node.p2p.contain import ContainedManager, Counts, contained, counted, log, log_contained
from zg_node.p2p.negotiation import opening
from zg_node.p2p.network import Offence
from zg_node.p2p.sockets import MeteredSocket
from zg_node.p2p.stream import PeerStream

HANDSHAKE_TIMEOUT_S = 5.0
STREAM_TIMEOUT_S = 5.0
"""For agreeing on a protocol."""
SOCKETS_MAX = 128
"""Connections and handshakes together; who stays is decided among at most so many."""
INBOUND_PER_HOST_MAX = 96
"""Of those, from one neighbourhood: the others may connect, too."""
HANDSHAKES_PER_ADDRESS_MAX = 16
STREAMS_PER_CONNECTION_MAX = 128
"""Streams that a peer may have open with us."""

LIBRARY_ERRORS = (IOException, MuxedConnError, MuxedStreamError, SwarmException, trio.ClosedResourceError)
"""What the library raises when a peer goes away."""

Offend = Callable[[ID, Offence], None]


class GuardedConn(SwarmConn):
    """A connection whose streams end alone."""

    swarm: GuardedSwarm

    def __init__(self, muxed_conn: IMuxedConn, swarm: GuardedSwarm, direction: str) -> None:
        super().__init__(muxed_conn, swarm, direction=direction)
        self.introduced = trio.Event()
        """Everybody knows of the peer: before that, nobody could say what to do with its streams."""

    async def _handle_muxed_stream(self, muxed_stream: IMuxedStream) -> None:
        counts, peer = self.swarm.counts, self.muxed_conn.peer_id
        if len(self.streams) >= STREAMS_PER_CONNECTION_MAX:
            await contained(counts, muxed_stream.reset)
            return
        stream = await self._add_stream(muxed_stream)
        try:
            await self.introduced.wait()
            await self.swarm.common_stream_handler(stream)
        except (InvalidMessage, DecodeError, ParseError, MessageTooLarge) as error:
            log.debug("malformed peer=%s protocol=%s error=%s", peer, stream.protocol_id, error)
            self.swarm.offend(peer, Offence.MALFORMED)
            await contained(counts, stream.reset)
        except (Unavailable, trio.TooSlowError, *LIBRARY_ERRORS):
            await contained(counts, stream.reset)
        except Exception as error:  # noqa: BLE001
            counts["guarded"] += 1
            log_contained(error, str(stream.protocol_id))
            await contained(counts, stream.reset)
        finally:
            await stream.finish()
            self.remove_stream(stream)

    async def _add_stream(self, muxed_stream: IMuxedStream) -> PeerStream:
        stream = PeerStream(muxed_stream, self, None)
        self.streams.add(stream)
        return stream

    async def new_stream(self) -> PeerStream:
        """Open a stream without agreeing on a protocol yet."""
        return await self._add_stream(await self.muxed_conn.open_stream())


class GuardedSwarm(Swarm):
    """The library's swarm, with our own ways in."""

    def __init__(
        self,
        peer_id: ID,
        peerstore: IPeerStore,
        upgrader: TransportUpgrader,
        nursery: trio.Nursery,
        counts: Counts,
        offend: Offend,
        admit: Callable[[ID], bool],
    ) -> None:
        """`admit` says whether a peer may connect; `offend` hears what peers do wrong."""
        config = ConnectionConfig(
            max_connections=SOCKETS_MAX,
            min_connections=0,
            low_watermark=0,
            high_watermark=SOCKETS_MAX,
            max_connections_per_peer=SOCKETS_MAX,
            inbound_upgrade_timeout=HANDSHAKE_TIMEOUT_S,
            outbound_upgrade_timeout=HANDSHAKE_TIMEOUT_S,
            outbound_stream_protocol_negotiation_timeout=STREAM_TIMEOUT_S,
            inbound_stream_protocol_negotiation_timeout=STREAM_TIMEOUT_S,
        )
        retry = RetryConfig(max_retries=0)
        super().__init__(peer_id, peerstore, upgrader, [TCP()], retry_config=retry, connection_config=config)
        self.counts = counts
        self.offend = offend
        self._admit = admit
        self._contained = ContainedManager(nursery, counts)
        self._handshakes: Counter[str] = Counter()
        self._inbound: Counter[str] = Counter()
        """Sockets by neighbourhood."""
        self.background_nursery = nursery
        self.transport_manager.set_background_nursery(nursery)
        self.transport_manager.set_swarm(self)
        self.event_background_nursery_created.set()

    @property
    def manager(self) -> Any:
        """What the library starts tasks with."""
        return self._contained

    # ── in and out ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _handle_inbound_connection(self, read_write_closer: ReadWriteCloser, maddr: Multiaddr) -> None:
        assert isinstance(read_write_closer, TrioTCPStream)
        try:
            socket = MeteredSocket(read_write_closer.stream, self.counts)
        except OSError:  # gone already
            return
        address = (socket.get_remote_address() or ("", 0))[0]
        host = neighbourhood(address)
        open_sockets = len(self.get_connections()) + self._handshakes.total()
        crowded = self._inbound[host] >= INBOUND_PER_HOST_MAX or self._handshakes[address] >= HANDSHAKES_PER_ADDRESS_MAX
        if crowded or open_sockets >= SOCKETS_MAX:
            self.counts["refused"] += 1
            return
        with counted(self._inbound, host):
            try:
                with counted(self._handshakes, address):
                    muxed = await self.upgrade_inbound_raw_conn(RawConnection(socket, False), maddr)
            except Exception as error:  # noqa: BLE001
                self.counts["handshakes_failed"] += 1
                log.debug("handshake failed address=%s error=%r", address, error)
                return
            # The listener closes the socket when this returns.
            await muxed.event_closed.wait()  # type: ignore[attr-defined]

    async def upgrade_outbound_raw_conn(
        self, raw_conn: IRawConnection, peer_id: ID, pre_scope: Any = None
    ) -> SwarmConn:
        assert isinstance(raw_conn, RawConnection)
        assert isinstance(raw_conn.stream, TrioTCPStream)
        raw_conn.stream = MeteredSocket(raw_conn.stream.stream, self.counts)
        return await super().upgrade_outbound_raw_conn(raw_conn, peer_id, pre_scope)

    async def add_conn(self, muxed_conn: IMuxedConn, direction: str = "unknown") -> GuardedConn:
        """Take a connection whose peer has proved its identity. Raises SwarmException."""
        peer = muxed_conn.peer_id
        if peer == self.self_id or not self._admit(peer):
            self.counts["refused"] += 1
            await contained(self.counts, muxed_conn.close)
            raise SwarmException("not admitted")
        conn = GuardedConn(muxed_conn, self, direction)
        conn.set_transport_info(muxed_conn.get_transport_addresses(), muxed_conn.get_connection_type())
        self.connections.setdefault(peer, []).append(conn)  # first: it may end before the next line, which removes it
        self._contained.run_task(muxed_conn.start)
        await muxed_conn.event_started.wait()
        self._contained.run_task(conn.start)
        await conn.event_started.wait()
        if conn.is_closed:
            raise SwarmException("the connection ended at once")
        self.counts["connections"] += 1
        try:
            await self.notify_connected(conn)
        finally:
            conn.introduced.set()
        return conn

    async def dial(self, address: Multiaddr, peer: ID) -> None:
        """Connect. Raises Unavailable."""
        try:
            with trio.fail_after(HANDSHAKE_TIMEOUT_S):
                await self.dial_addr(address, peer)
        except trio.TooSlowError:
            raise Unavailable(f"{address} did not answer in {HANDSHAKE_TIMEOUT_S:.0f} s") from None
        except SwarmException as error:
            raise Unavailable(f"{address} cannot be reached: {error}") from error

    async def open_stream(self, peer: ID, protocol: str, first: bytes = b"") -> PeerStream:
        """Open a stream on the newest connection, or the one that `Peers` has put last, and send `first` on it; the
        caller reads the agreement (`negotiation.confirm`). Raises Unavailable."""
        for conn in reversed(self.connections.get(peer, ())):
            if conn.is_closed:
                continue
            try:
                assert isinstance(conn, GuardedConn)
                stream = await conn.new_stream()
                await stream.write(opening(protocol) + first)
            except LIBRARY_ERRORS as error:
                raise Unavailable("the connection closes") from error
            return stream
        raise Unavailable(f"{peer} is not connected")

    async def notify_disconnected(self, conn: INetConn) -> None:
        """Tell the notifees."""
        await self._notify("disconnected", conn)
