"""`zg-node status`: how a running node does, from its own JSON-RPC."""

from __future__ import annotations

import time
from typing import Any

import click

from zg_node.cli.options import DEFAULT_URL, client, json_option
from zg_node.cli.output import show
from zg_node.errors import Unavailable


@click.command()
@click.option("--rpc", metavar="URL", default=DEFAULT_URL, show_default=True, help="The node to ask.")
@json_option
def status(rpc: str, as_json: bool) -> None:
    """Show how a running node does.

    Its version and network; for each shard the chain id, the newest block and its age, and the waiting transactions.
    """
    node = client(rpc, 0)
    info, shards = node.call("zg_nodeInfo"), node.call("zg_shards")
    now_ms = time.time_ns() // 1_000_000
    try:
        record = {
            "node": rpc,
            "version": str(info["clientVersion"]),
            "network": str(info["network"]),
            "ready": bool(info["ready"]),
            "shards": [_shard(shard, now_ms) for shard in shards],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"{rpc} is not a zg_node, or one of another version: {error!r} in its answer") from error
    show(record, as_json)


def _shard(shard: dict[str, Any], now_ms: int) -> dict[str, object]:
    """A line of the table. Raises KeyError, TypeError, ValueError when `shard` is not zg_shards' description."""
    head, pool = shard["head"], shard["pool"]
    return {
        "shard": int(shard["index"], 16),
        "chain_id": int(shard["chainId"], 16),
        "path": str(shard["path"]),
        "block": int(head["number"], 16),
        "hash": str(head["hash"]),
        "age_ms": max(0, now_ms - int(head["timestampMs"], 16)),
        "pending": int(pool["pending"], 16),
        "queued": int(pool["queued"], 16),
    }
