"""Names on the wire: gossip topics and stream protocols.

    /zg/<network>/<shard>/tx/1      gossip; <network> is the first 8 bytes of the network's hash, in hex
    /zg/direct/1, /zg/bulk/1        small and large messages of `Network.send`
    /zg/blocksync/1 …               requests; each service names its own
    /zg/peers/1                     peer exchange

A topic that is not in `allowed_topics` is refused whoever asks for it, so that peers cannot make us keep state for
topics of their own invention.
"""

from __future__ import annotations

from typing import Literal

TopicKind = Literal["tx"]
TOPIC_KINDS: tuple[TopicKind, ...] = ("tx",)

DIRECT_PROTOCOL = "/zg/direct/1"
BULK_PROTOCOL = "/zg/bulk/1"
PEERS_PROTOCOL = "/zg/peers/1"
MESH_PROTOCOL = "/meshsub/1.1.0"


def topic(network: str, shard: int, kind: TopicKind) -> str:
    """Topic of a shard; `network` is 16 hex digits."""
    return f"/zg/{network}/{shard}/{kind}/1"


def allowed_topics(network: str, shards: int) -> frozenset[str]:
    """Every topic of a network with so many shards."""
    return frozenset(topic(network, shard, kind) for shard in range(shards) for kind in TOPIC_KINDS)
