"""Gossip by our own machine (`mesh`): the shell that reads and writes its frames, signs, and turns its clock."""

from __future__ import annotations

import random
import time
from functools import lru_cache

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from zg_node.errors import Unavailable
from zg_node.p2p.basic import GuardedHost
from zg_node.p2p.beat import next_beat
from zg_node.p2p.contain import Counts, kept
from zg_node.p2p.gossip import HEARTBEAT_S, RPC_MAX_BYTES, Deliver
from zg_node.p2p.lane import Lane
from zg_node.p2p.mesh import Count, Effect, Mesh, Offend, Send
from zg_node.p2p.mesh import Deliver as DeliverEffect
from zg_node.p2p.outgoing import keep_writing, write_batches
from zg_node.p2p.peers import Connected, Peers
from zg_node.p2p.signature import SIGNING_PREFIX, Verifier
from zg_node.p2p.stream import PeerStream
from zg_node.p2p.topics import MESH_PROTOCOL
from zg_node.p2p.varint import encode_varint, take_prefixed

QUEUE_MAX_BYTES = 8 * 1024 * 1024
"""Frames that wait for a peer."""
READERS_PER_PEER_MAX = 4
NAMES_MAX = 1024
RETRY_MAX_S = 30.0


class FastGossip:
    """`Gossip` by `Mesh`."""

    def __init__(
        self,
        host: GuardedHost,
        peers: Peers,
        nursery: trio.Nursery,
        counts: Counts,
        topics: frozenset[str],
        deliver: Deliver,
        identity: bytes,
    ) -> None:
        """`identity` is the Ed25519 seed behind our peer id."""
        self._host = host
        self._peers = peers
        self._nursery = nursery
        self._counts = counts
        self._deliver = deliver
        self._key = Ed25519PrivateKey.from_private_bytes(identity)
        self._me = host.get_id().to_bytes()
        self._sequence = time.time_ns()
        self._mesh = Mesh(self._me, topics, Verifier().verify, random.Random())  # noqa: S311 — whom, not what
        self._lanes: dict[bytes, Lane] = {}
        self._scopes: dict[bytes, trio.CancelScope] = {}
        self._readers: dict[bytes, int] = {}
        host.set_stream_handler(TProtocol(MESH_PROTOCOL), self._read)
        peers.on_peer(self._on_peer)
        peers.on_moved(self._on_moved)

    async def run(self) -> None:
        """Turn the machine's clock."""
        while True:
            self._perform(self._mesh.heartbeat(trio.current_time()))
            await next_beat(HEARTBEAT_S)

    def subscribe(self, topic: str) -> None:
        """Follow a topic."""
        self._perform(self._mesh.subscribe(topic, trio.current_time()))

    def publish(self, topic: str, message: bytes) -> None:
        """Sign and send."""
        self._sequence += 1
        signed = rpc_pb2.Message(
            from_id=self._me, seqno=self._sequence.to_bytes(8, "big"), data=message, topicIDs=[topic]
        )
        signed.signature = self._key.sign(SIGNING_PREFIX + signed.SerializeToString())
        self._perform(self._mesh.publish(signed, trio.current_time()))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(peer, frame):
                    lane = self._lanes.get(peer)
                    if lane is not None and not lane.put(encode_varint(len(frame)), frame):
                        self._counts["dropped"] += 1
                case DeliverEffect(topic, source, message):
                    name = _name(source)
                    if not self._peers.is_banned(name):
                        self._deliver(topic, name, message)
                case Offend(peer, offence):
                    self._peers.offend(ID(peer), offence)
                case Count(name):
                    self._counts[name] += 1

    # ── streams ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_peer(self, peer: ID, entry: Connected, connected: bool) -> None:
        key = peer.to_bytes()
        if connected:
            scope = self._scopes[key] = trio.CancelScope()
            lane = self._lanes[key] = Lane(QUEUE_MAX_BYTES)
            self._nursery.start_soon(self._write, peer, scope, lane)
            return
        scope_of_peer = self._scopes.pop(key, None)
        if scope_of_peer is not None:
            scope_of_peer.cancel()
        self._lanes.pop(key, None)
        self._mesh.remove_peer(key)

    def _on_moved(self, peer: ID) -> None:
        lane = self._lanes.get(peer.to_bytes())
        if lane is not None:
            lane.move()

    async def _write(self, peer: ID, scope: trio.CancelScope, lane: Lane) -> None:
        """Write what waits for a peer until it disconnects."""

        def greet() -> None:
            self._perform(self._mesh.add_peer(peer.to_bytes()))

        arguments = self._host, self._counts, peer, MESH_PROTOCOL, lane, write_batches, RETRY_MAX_S, greet
        with scope:
            await kept(self._counts, keep_writing, *arguments)

    async def _read(self, stream: INetStream) -> None:
        """Read frames of a peer until the stream ends. Raises InvalidMessage, Unavailable.

        Who passes on too much is slowed down and not to blame for it, and of a protected peer the rest is dropped:
        its votes come over the same connection."""
        assert isinstance(stream, PeerStream)
        peer = stream.muxed_conn.peer_id
        key, name, buffer = peer.to_bytes(), peer.to_base58(), bytearray()

        def take(data: bytes | memoryview) -> float:
            nonlocal buffer
            buffer += data
            pause_s, is_vital = self._peers.count_messages(peer, 0, own=False), self._peers.is_protected(name)
            while (frame := take_prefixed(buffer, RPC_MAX_BYTES)) is not None:
                if key not in self._scopes or (is_vital and pause_s > 0):
                    self._counts["dropped"] += 1
                    continue
                worth, effects = self._mesh.receive(key, frame, trio.current_time())
                self._perform(effects)
                pause_s = self._peers.count_messages(peer, worth, own=False)
            return 0.0 if is_vital else pause_s

        self._readers[key] = self._readers.get(key, 0) + 1
        try:
            if self._readers[key] > READERS_PER_PEER_MAX:
                raise Unavailable("too many gossip streams")
            await stream.consume(take)
        finally:
            self._readers[key] -= 1
            if not self._readers[key]:
                del self._readers[key]


@lru_cache(maxsize=NAMES_MAX)
def _name(source: bytes) -> str:
    """A peer's id in base58, which takes longer than a hash."""
    return str(ID(source).to_base58())
