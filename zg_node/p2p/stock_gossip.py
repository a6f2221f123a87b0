"""Gossip by the library's own Pubsub and GossipSub, contained: the slow path that `fast_path = false` switches to."""

from __future__ import annotations

from typing import Any

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import RpcQueue

from zg_node.p2p.basic import GuardedHost
from zg_node.p2p.contain import ContainedManager, Counts, contained, kept
from zg_node.p2p.gossip import HEARTBEAT_S, MESH_DEGREE, MESH_HIGH, MESH_LOW, RPC_MAX_BYTES, Deliver
from zg_node.p2p.mesh import is_well_formed
from zg_node.p2p.network import Offence
from zg_node.p2p.peers import Peers
from zg_node.p2p.signature import Verifier
from zg_node.p2p.topics import MESH_PROTOCOL

QUEUE_MAX = 256
"""Frames that wait for a peer."""


class _Router(GossipSub):
    """The library's router, its tasks contained."""

    contained: ContainedManager

    @property
    def manager(self) -> Any:
        return self.contained


class _Pubsub(Pubsub):
    """The library's Pubsub: tasks contained, peers scored, messages handed over at once."""

    contained: ContainedManager
    counts: Counts
    peers_: Peers
    verifier: Verifier
    deliver: Deliver

    @property
    def manager(self) -> Any:
        return self.contained

    async def push_msg(self, msg_forwarder: ID, msg: rpc_pb2.Message) -> None:
        if msg_forwarder != self.my_id:
            await self.peers_.take_messages(msg_forwarder, 1)
            if self._is_msg_seen(msg):
                self.counts["gossip_duplicates"] += 1
                return
            if not is_well_formed(msg) or not self.verifier.verify(msg):
                self.counts["gossip_rejected"] += 1
                self.peers_.offend(msg_forwarder, Offence.BAD_SIGNATURE)
                return
        await super().push_msg(msg_forwarder, msg)

    def notify_subscriptions(self, publish_message: rpc_pb2.Message) -> None:
        source = ID(publish_message.from_id)
        if source == self.my_id or self.peers_.is_banned(source.to_base58()):
            return
        self.counts["gossip_received"] += 1
        for topic in publish_message.topicIDs:
            if topic in self.topic_ids:
                self.deliver(topic, source.to_base58(), publish_message.data)

    def _handle_dead_peer(self, peer_id: ID) -> None:
        """Open another stream to a peer that is still connected. What it follows is still true: it says so at the
        start of its own stream alone, and the library forgets it at the end of ours."""
        followed = [topic for topic, peers in self.peer_topics.items() if peer_id in peers]
        super()._handle_dead_peer(peer_id)
        if self._peer_is_connected(peer_id):
            for topic in followed:
                self.handle_subscription(peer_id, rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic))

    async def handle_sending_messages(self, peer_id: ID, stream: INetStream, queue: RpcQueue) -> None:
        queue._queue.max_size = QUEUE_MAX
        await super().handle_sending_messages(peer_id, stream, queue)


class StockGossip:
    """`Gossip` by the library."""

    def __init__(
        self,
        host: GuardedHost,
        peers: Peers,
        nursery: trio.Nursery,
        counts: Counts,
        topics: frozenset[str],
        deliver: Deliver,
    ) -> None:
        manager = ContainedManager(nursery, counts)
        self._nursery = nursery
        self._router = _Router(
            protocols=[TProtocol(MESH_PROTOCOL)],
            degree=MESH_DEGREE,
            degree_low=MESH_LOW,
            degree_high=MESH_HIGH,
            heartbeat_interval=HEARTBEAT_S,
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
        )
        self._router.contained = manager
        self._pubsub = _Pubsub(host, self._router, max_inbound_rpc_size=RPC_MAX_BYTES, allowed_topics=topics)
        self._pubsub.contained = manager
        self._pubsub.counts = counts
        self._pubsub.peers_ = peers
        self._pubsub.verifier = Verifier()
        self._pubsub.deliver = deliver
        self._counts = counts
        peers.on_moved(self._on_moved)

    def _on_moved(self, peer: ID) -> None:
        stream = self._pubsub.peers.get(peer)
        if stream is not None:
            self._pubsub._handle_dead_peer(peer)
            self._nursery.start_soon(contained, self._counts, stream.close)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept, self._counts, self._pubsub.run)
            nursery.start_soon(kept, self._counts, self._router.run)

    def subscribe(self, topic: str) -> None:
        self._nursery.start_soon(contained, self._counts, self._pubsub.subscribe, topic)

    def publish(self, topic: str, message: bytes) -> None:
        self._nursery.start_soon(contained, self._counts, self._pubsub.publish, topic, message)
