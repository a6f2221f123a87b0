"""zg_*: the shards of this node."""

from __future__ import annotations

from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Chain, Context, Method, Progress, Starting
from zg_node.rpc.encoding import document, hex_text
from zg_node.rpc.params import Arguments


def describe(chain: Chain, progress: Progress | None) -> dict[str, object]:
    """One shard as JSON: index, chainId, path, head, pending transactions, and how far it is in catching up."""
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
        "epoch": hex(head.consensus.epoch),
        "syncing": _progress(progress),
    }


def _progress(progress: Progress | None) -> dict[str, object] | None:
    if progress is None:
        return None
    return {"target": hex(progress.target), "blocksPerSecond": round(progress.blocks_per_s, 1)}


def shards(context: Context, arguments: Arguments) -> bytes:
    """Every shard of this node."""
    return document([_describe(context, shard.chain) for shard in context.shards])


def shard(context: Context, arguments: Arguments) -> bytes:
    """The shard of this path, or the one whose index is given."""
    if not arguments.has(0):
        return document(_describe(context, context.shard.chain))
    index = arguments.count(0)
    if index >= len(context.shards):
        raise InvalidRequest(f"no shard {index}: this node runs shards 0 to {len(context.shards) - 1}")
    return document(_describe(context, context.shards[index].chain))


def _describe(context: Context, chain: Chain) -> dict[str, object]:
    return describe(chain, context.node.progress(chain.shard))


def node_info(context: Context, arguments: Arguments) -> bytes:
    node = context.node
    return document(
        {
            "clientVersion": node.client_version,
            "network": node.network,
            "shards": hex(len(node.chains)),
            "ready": node.ready(),
            "starting": None if node.chains else _starting(node.starting()),
            "peers": hex(node.peers()),
            "addresses": list(node.addresses()),
        }
    )


def _starting(starting: Starting) -> dict[str, object]:
    return {"stage": starting.stage, "done": hex(starting.done), "total": hex(starting.total)}


METHODS = {
    "zg_shards": Method(shards, 0),
    "zg_shard": Method(shard, 1),
    "zg_nodeInfo": Method(node_info, 0),
}
