"""net_*: the network. Version is the chain id, as on every chain since Ethereum's fork."""

from __future__ import annotations

from zg_node.rpc.api import Context, Method
from zg_node.rpc.encoding import TRUE, document, quantity
from zg_node.rpc.params import Arguments


def version(context: Context, arguments: Arguments) -> bytes:
    return document(str(context.shard.chain.chain_id))


def listening(context: Context, arguments: Arguments) -> bytes:
    return TRUE


def peer_count(context: Context, arguments: Arguments) -> bytes:
    return quantity(context.node.peers())


METHODS = {
    "net_version": Method(version, 0),
    "net_listening": Method(listening, 0),
    "net_peerCount": Method(peer_count, 0),
}
