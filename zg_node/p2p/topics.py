"""Names on the wire: gossip topics and stream protocols.

    /zg/<network>/<shard>/tx/1      gossip; <network> is the first 8 bytes of the network's hash, in hex
    /zg/direct/1, /zg/bulk/1        small and large messages of `Network.send`
    /zg/blocksync/1 …               requests; each service names its own
    /zg/peers/1                     peer exchange
    /zg/network/<network>           nothing is said on it: a node lists it, so that others know of which network it is

A topic that is not in `allowed_topics` is refused whoever asks for it, so that peers cannot make us keep state for
topics of their own invention.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

TopicKind = Literal["tx"]
TOPIC_KINDS: tuple[TopicKind, ...] = ("tx",)

DIRECT_PROTOCOL = "/zg/direct/1"
BULK_PROTOCOL = "/zg/bulk/1"
PEERS_PROTOCOL = "/zg/peers/1"
MESH_PROTOCOL = "/meshsub/1.1.0"
_NETWORK = "/zg/network/"


def topic(network: str, shard: int, kind: TopicKind) -> str:
    """Topic of a shard; `network` is 16 hex digits."""
    return f"/zg/{network}/{shard}/{kind}/1"


def allowed_topics(network: str, shards: int) -> frozenset[str]:
    """Every topic of a network with so many shards."""
    return frozenset(topic(network, shard, kind) for shard in range(shards) for kind in TOPIC_KINDS)


def network_protocol(network: str) -> str:
    """What a node of a network lists among its protocols."""
    return _NETWORK + network


def is_elsewhere(protocols: Iterable[str], network: str) -> bool:
    """Whether a peer that lists these is of another network. Who names none is not one of our nodes, and is let be."""
    named = [protocol for protocol in protocols if protocol.startswith(_NETWORK)]
    return bool(named) and network_protocol(network) not in named
