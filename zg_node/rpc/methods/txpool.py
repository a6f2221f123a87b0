"""txpool_*: what waits in the pool."""

from __future__ import annotations

from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.encoding import document
from zg_node.rpc.params import Arguments


def status(context: Context, arguments: Arguments) -> bytes:
    executable, queued = context.shard.chain.pool.len()
    return document({"pending": hex(executable), "queued": hex(queued)})


def content(context: Context, arguments: Arguments) -> Result:
    return context.shard.workers.run(context.shard.chain.pool.content_json)


def content_from(context: Context, arguments: Arguments) -> Result:
    """One account's part of the content."""
    return context.shard.workers.run(context.shard.chain.pool.content_json, arguments.address(0))


def inspect(context: Context, arguments: Arguments) -> Result:
    """The content as one readable line a transaction."""
    return context.shard.workers.run(context.shard.chain.pool.inspect_json)


METHODS = {
    "txpool_status": Method(status, 0),
    "txpool_content": Method(content, 0),
    "txpool_contentFrom": Method(content_from, 1),
    "txpool_inspect": Method(inspect, 0),
}
