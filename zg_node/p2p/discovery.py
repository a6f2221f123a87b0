"""Finding peers that no bootstrap address names: a Kademlia table, and multicast DNS on a local network.

Both only tell the dialler who may be where; whom to connect to is its decision. The table serves and asks for peers
alone: values and provider records, which cost memory and serve nobody here, are switched off.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence

import trio
from libp2p.abc import INetStream
from libp2p.kad_dht import peer_routing
from libp2p.kad_dht.common import PROTOCOL_ID
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.id import ID
from zeroconf import ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf

from zg_node.errors import Unavailable
from zg_node.p2p.address import Multiaddr, endpoint, parse_peer_address
from zg_node.p2p.basic import GuardedHost
from zg_node.p2p.bucket import QUESTION_COST
from zg_node.p2p.contain import Counts, contained, log
from zg_node.p2p.peers import Peers
from zg_node.p2p.stream import PeerStream
from zg_node.p2p.varint import encode_varint, take_prefixed

Found = Callable[[ID, Sequence[Multiaddr]], None]
"""(peer, where it may listen)."""

LOOKUP_FIRST_S = 2.0
LOOKUP_INTERVAL_S = 30.0
LOOKUP_TIMEOUT_S = 20.0
LOOKUP_PEERS = 20
PEERS_ENOUGH = 32
STREAM_TIMEOUT_S = 30.0
"""How long a peer may hold one of the table's few streams."""
MESSAGE_MAX_BYTES = 32 * 1024
"""Largest question and answer; twenty peers with their signed records take a third of it."""
TARGET_BYTES = 32
MDNS_WAIT_MS = 1_000


class Table:
    """The Kademlia table."""

    def __init__(self, host: GuardedHost, peers: Peers, counts: Counts, found: Found) -> None:
        self._host = host
        self._peers = peers
        self._counts = counts
        self._found = found
        # The library takes 4 MiB, and a time that grows with the square of the peers in it.
        peer_routing.MAX_DHT_MESSAGE_SIZE = MESSAGE_MAX_BYTES  # type: ignore[attr-defined]
        self._dht = KadDHT(host, DHTMode.SERVER, enable_providers=False, enable_values=False)
        host.set_stream_handler(PROTOCOL_ID, self._serve)

    async def _serve(self, stream: INetStream) -> None:
        assert isinstance(stream, PeerStream)
        with trio.move_on_after(STREAM_TIMEOUT_S):
            await self._dht.handle_stream(_Questions(stream, self._peers))

    async def run(self) -> None:
        """Ask the network for peers near random points while there are few."""
        pause_s = LOOKUP_FIRST_S
        while True:
            await trio.sleep(pause_s)
            if 0 < len(self._peers.table) < PEERS_ENOUGH:
                pause_s = LOOKUP_INTERVAL_S
                with trio.move_on_after(LOOKUP_TIMEOUT_S):
                    await contained(self._counts, self._look_up)

    async def _look_up(self) -> None:
        for peer in tuple(self._peers.table):
            await self._dht.add_peer(peer)
        target = secrets.token_bytes(TARGET_BYTES)
        for peer in await self._dht.peer_routing.find_closest_peers_network(target, LOOKUP_PEERS):
            if peer not in self._peers.table:
                self._found(peer, self._host.addresses_of(peer))


class _Questions(PeerStream):
    """A stream as the table reads it, which would go on for as long as there is something to read: each question is
    small, and taken from its peer's bucket before the table sees a byte of it."""

    def __init__(self, stream: PeerStream, peers: Peers) -> None:
        super().__init__(stream.muxed_stream, stream.swarm_conn, stream.protocol_id)
        self._stream = stream
        self._peers = peers
        self._ahead = bytearray()
        self._question = b""
        """What has not been read of the current one, with its length before it."""

    async def read(self, n: int | None = None) -> bytes:
        """At most `n` bytes; b"" at the end. Raises InvalidMessage, StreamReset."""
        while not self._question:
            question = take_prefixed(self._ahead, MESSAGE_MAX_BYTES)
            if question is not None:
                await self._peers.take_messages(self.muxed_conn.peer_id, QUESTION_COST)
                self._question = encode_varint(len(question)) + question
            elif more := await self._stream.read_some():
                self._ahead += more
            else:
                return b""
        data, self._question = self._question[:n], self._question[n:] if n is not None else b""
        return data


class LocalNetwork:
    """Multicast DNS: says where we listen, and hears where others of the same network do."""

    def __init__(self, host: GuardedHost, network: str, found: Found) -> None:
        """`network` is 16 hex digits; its first half names the service."""
        self._host = host
        self._found = found
        self._type = f"_zg-{network[:8]}._udp.local."
        self._token = trio.lowlevel.current_trio_token()

    async def run(self) -> None:
        """Until cancelled; a machine without multicast has nobody to find."""
        try:
            zeroconf = await trio.to_thread.run_sync(Zeroconf)
        except OSError as error:
            log.warning("mdns is off error=%s", error)
            return
        try:
            await trio.to_thread.run_sync(zeroconf.register_service, self._service())
            ServiceBrowser(zeroconf, self._type, handlers=[self._on_change])
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(zeroconf.close)

    def _service(self) -> ServiceInfo:
        addresses = [str(address) for address in self._host.get_addrs()]
        host, port = endpoint(self._host.get_transport_addrs()[0])
        properties = {f"dnsaddr{index}": address for index, address in enumerate(addresses)}
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        name = f"{self._host.get_id().to_base58()[-20:]}.{self._type}"
        packed = [socket.inet_pton(family, host)]
        return ServiceInfo(self._type, name, port, properties=properties, addresses=packed)

    def _on_change(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        """A service came; on a thread of zeroconf's."""
        if state_change is not ServiceStateChange.Added:
            return
        info = zeroconf.get_service_info(service_type, name, MDNS_WAIT_MS)
        if info is None:
            return
        for address in info.decoded_properties.values():
            try:
                bare, peer = parse_peer_address(address or "")
                trio.from_thread.run_sync(self._found, peer, [bare], trio_token=self._token)
            except (Unavailable, trio.RunFinishedError):
                continue
