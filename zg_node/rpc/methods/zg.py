"""zg_*: the shards of this node."""

from __future__ import annotations

from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Chain, Context, Method
from zg_node.rpc.encoding import document, hex_text
from zg_node.rpc.params import Arguments


def describe(chain: Chain) -> dict[str, object]:
    """One shard as JSON: index, chainId, path, head, pending transactions."""
    head = chain.head
    executable, queued = chain.pool.len()
    return {
        "index": hex(chain.shard),
        "chainId": hex(chain.chain_id),
        "path": f"/shard/{chain.shard}",
        "head": {
            "number": hex(head.number),
            "hash": hex_text(head.hash),
            "timestamp": hex(head.header.timestamp),
            "timestampMs": hex(head.consensus.timestamp_ms),
        },
        "pool": {"pending": hex(executable), "queued": hex(queued)},
    }


def shards(context: Context, arguments: Arguments) -> bytes:
    """Every shard of this node."""
    return document([describe(shard.chain) for shard in context.shards])


def shard(context: Context, arguments: Arguments) -> bytes:
    """The shard of this path, or the one whose index is given."""
    if not arguments.has(0):
        return document(describe(context.shard.chain))
    index = arguments.count(0)
    if index >= len(context.shards):
        raise InvalidRequest(f"no shard {index}: this node runs shards 0 to {len(context.shards) - 1}")
    return document(describe(context.shards[index].chain))


def node_info(context: Context, arguments: Arguments) -> bytes:
    node = context.node
    return document(
        {
            "clientVersion": node.client_version,
            "network": node.network,
            "shards": hex(len(node.chains)),
            "ready": node.ready(),
            "peers": hex(node.peers()),
        }
    )


METHODS = {
    "zg_shards": Method(shards, 0),
    "zg_shard": Method(shard, 1),
    "zg_nodeInfo": Method(node_info, 0),
}
