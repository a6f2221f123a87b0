"""The library's host with our own negotiation and identify: bounded reads, one round trip, no system tasks that die.

Each connection begins with both sides identifying themselves; a peer that turns out to be of another network is told
of, and nothing that it said is kept. What takes us longer to answer than a peer to ask is taken from its bucket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.host.ping import ID as PING_ID
from libp2p.identity.identify.identify import ID as IDENTIFY_ID
from libp2p.identity.identify.identify import identify_handler_for
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.identity.update import update_peerstore_from_identify
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore, PeerStoreError
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as Noise
from libp2p.transport.upgrader import TransportUpgrader

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.address import Multiaddr, bare
from zg_node.p2p.bucket import PING_COST, QUESTION_COST
from zg_node.p2p.contain import Counts, contained
from zg_node.p2p.muxer import Muxer, Security
from zg_node.p2p.negotiation import accept, confirm
from zg_node.p2p.network import Offence
from zg_node.p2p.reactor import Reactor
from zg_node.p2p.stream import PeerStream
from zg_node.p2p.swarm import LIBRARY_ERRORS, STREAM_TIMEOUT_S, GuardedSwarm, Offend
from zg_node.p2p.topics import is_elsewhere, network_protocol
from zg_node.p2p.varint import take_prefixed

IDENTIFY_MAX_BYTES = 16 * 1024
IDENTIFY_TIMEOUT_S = 10.0
PEERS_REMEMBERED_MAX = 1000
PING_BYTES = 32

Meter = Callable[[ID, int], Awaitable[None]]
"""Takes so many messages from a peer's bucket, and waits as long as the peer has to be slowed down."""


class PeerBook(PeerStore):
    """The library's book of peers, which for lack of room would forget first whose keys we sign with: ours."""

    def __init__(self, keys: KeyPair) -> None:
        super().__init__(max_peers=PEERS_REMEMBERED_MAX)
        self._us = ID.from_pubkey(keys.public_key)
        self.add_key_pair(self._us, keys)

    def shrink(self) -> None:
        """Forget who is too much: the library sees to that only when a peer has addresses."""
        self._enforce_peer_limit()

    def _enforce_peer_limit(self) -> None:
        ours = self.peer_data_map.pop(self._us)
        super()._enforce_peer_limit()
        self.peer_data_map[self._us] = ours


class GuardedHost(BasicHost):
    """Streams of peers find their handlers here."""

    def __init__(self, swarm: GuardedSwarm, book: PeerBook, network: str, counts: Counts, meter: Meter) -> None:
        """`network` is 16 hex digits, as in topics."""
        super().__init__(swarm, negotiate_timeout=int(STREAM_TIMEOUT_S), disable_identify_address_discovery=True)
        self._book = book
        self._counts = counts
        self._meter = meter
        self._our_network = network
        self.swarm = swarm
        self.on_elsewhere: Callable[[ID], None] = lambda peer: None
        """The peer is of another network."""
        self.on_identified: Callable[[ID, Sequence[Multiaddr]], None] = lambda peer, addresses: None
        """(peer, the addresses that it says it listens on)."""
        handlers = self.multiselect.handlers
        handlers.clear()
        self._introduce = identify_handler_for(self)
        self.set_stream_handler(IDENTIFY_ID, self._answer_identify)
        self.set_stream_handler(PING_ID, self._answer_pings)
        self.set_stream_handler(TProtocol(network_protocol(network)), INetStream.reset)

    @classmethod
    def create(
        cls,
        identity: bytes,
        network: str,
        reactor: Reactor | None,
        nursery: trio.Nursery,
        counts: Counts,
        offend: Offend,
        admit: Callable[[ID], bool],
        meter: Meter,
    ) -> GuardedHost:
        """A host that speaks TCP, Noise and Yamux, and nothing else. `identity` is an Ed25519 seed; `reactor` runs our
        own Yamux, and without one it is the library's."""
        keys = create_new_key_pair(identity)
        noise = Noise(keys, noise_privkey=create_noise_key_pair().private_key)
        upgrader = TransportUpgrader({}, {})
        upgrader.security_multistream = Security({NOISE_ID: noise})
        upgrader.muxer_multistream = Muxer(reactor, lambda peer: offend(peer, Offence.MALFORMED))
        peer_id, book = ID.from_pubkey(keys.public_key), PeerBook(keys)
        swarm = GuardedSwarm(peer_id, book, upgrader, nursery, counts, offend, admit)
        return cls(swarm, book, network, counts, meter)

    async def open_stream(self, peer: ID, protocol: str) -> PeerStream:
        """Open a stream and agree on its protocol. Raises Unavailable, InvalidMessage, StreamReset,
        TooSlowError."""
        stream = await self.swarm.open_stream(peer, protocol)
        try:
            with trio.fail_after(STREAM_TIMEOUT_S):
                await confirm(stream.unread, stream.read_more, protocol)
        except (Unavailable, InvalidMessage, trio.TooSlowError, *LIBRARY_ERRORS):
            await contained(self._counts, stream.reset)
            raise
        stream.set_protocol(TProtocol(protocol))
        return stream

    async def new_stream(self, peer_id: ID, protocol_ids: Sequence[TProtocol]) -> PeerStream:
        """Open a stream for a service of the library, to a connected peer: it would dial whom a peer names. Raises
        SwarmException."""
        try:
            return await self.open_stream(peer_id, protocol_ids[0])
        except (Unavailable, InvalidMessage, trio.TooSlowError, *LIBRARY_ERRORS) as error:
            raise SwarmException(str(error)) from error

    def addresses_of(self, peer: ID) -> list[Multiaddr]:
        """Where a peer said that it listens; often nowhere."""
        try:
            return [bare(address) for address in self.peerstore.addrs(peer)]
        except PeerStoreError:
            return []

    async def _swarm_stream_handler(self, net_stream: INetStream) -> None:
        assert isinstance(net_stream, PeerStream)
        handlers = self.multiselect.handlers
        known = [protocol for protocol in handlers if protocol is not None]
        with trio.fail_after(STREAM_TIMEOUT_S):
            protocol = TProtocol(await accept(net_stream.unread, net_stream.read_more, net_stream.write, known))
        net_stream.set_protocol(protocol)
        handler = handlers[protocol]
        assert handler is not None
        await handler(net_stream)

    async def _answer_identify(self, stream: INetStream) -> None:
        await self._meter(stream.muxed_conn.peer_id, QUESTION_COST)
        await self._introduce(stream)

    async def _answer_pings(self, stream: INetStream) -> None:
        """Send back what comes. Raises StreamReset, StreamClosed."""
        assert isinstance(stream, PeerStream)
        while ping := await stream.read_some(PING_BYTES):
            await self._meter(stream.muxed_conn.peer_id, PING_COST)
            await stream.write(ping)

    def _has_cached_protocols(self, peer_id: ID) -> bool:
        # Who was identified once may come back as a node of another network.
        return False

    async def _identify_task_entry(self, peer_id: ID, reason: str) -> None:
        # The library runs this as a system task, where an exception ends the process.
        try:
            await contained(self._counts, self._identify, peer_id)
        finally:
            self._identify_inflight.discard(peer_id)

    async def _identify(self, peer: ID) -> None:
        """Ask a peer for its addresses and protocols; it may have none to tell."""
        try:
            with trio.fail_after(IDENTIFY_TIMEOUT_S):
                stream = await self.open_stream(peer, IDENTIFY_ID)
                try:
                    message = Identify.FromString(await read_prefixed(stream, IDENTIFY_MAX_BYTES))
                finally:
                    await contained(self._counts, stream.reset)
        except (InvalidMessage, DecodeError):
            self.swarm.offend(peer, Offence.MALFORMED)
            return
        except (Unavailable, trio.TooSlowError, *LIBRARY_ERRORS):
            return
        if is_elsewhere(message.protocols, self._our_network):
            self.on_elsewhere(peer)
            return
        await update_peerstore_from_identify(self._book, peer, message)
        self._book.shrink()
        self.on_identified(peer, self.addresses_of(peer))


async def read_prefixed(stream: PeerStream, limit: int) -> bytes:
    """A message behind a varint of its length. Raises InvalidMessage, StreamReset."""
    buffer = bytearray()
    while (message := take_prefixed(buffer, limit)) is None:
        data = await stream.read_some()
        if not data:
            raise InvalidMessage("the stream ended within a message")
        buffer += data
    return message
