"""`zg-node status`: how a running node does, from its own JSON-RPC."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from zg_node.cli.client import RpcClient
from zg_node.cli.options import DEFAULT_URL, client, json_option
from zg_node.cli.output import show
from zg_node.errors import Unavailable

WAIT_S = 0.25
COME_UP_S = 30.0
"""How long --wait waits for a node that does not listen yet."""


@click.command()
@click.option("--rpc", metavar="URL", default=DEFAULT_URL, show_default=True, help="The node to ask.")
@click.option(
    "--wait", is_flag=True, help="Wait until the node is there and has caught up with the others, with a progress bar."
)
@json_option
def status(rpc: str, wait: bool, as_json: bool) -> None:
    """Show how a running node does.

    Its version, network, peers and addresses; whether it follows the network or, when it has only been started, what it
    is doing; for each shard the chain id, the epoch, the newest block and its age, the waiting transactions, and while
    it is behind the block that it is catching up to.
    """
    node = client(rpc, 0)
    if wait:
        _wait(node)
    record = _look(node)
    if not as_json and record["starting"] is not None:
        record["starting"] = record["starting"]["stage"]
    show(record, as_json)


def _look(node: RpcClient) -> dict[str, Any]:
    """What there is to say now. Raises Unavailable."""
    info, shards = node.call("zg_nodeInfo"), node.call("zg_shards")
    now_ms = time.time_ns() // 1_000_000
    try:
        return {
            "node": node.url,
            "version": str(info["clientVersion"]),
            "network": str(info["network"]),
            "ready": bool(info["ready"]),
            "starting": _starting(info["starting"]) if info["starting"] is not None else None,
            "peers": int(info["peers"], 16),
            "addresses": [str(address) for address in info["addresses"]],
            "shards": [_shard(shard, now_ms) for shard in shards],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"{node.url} is not a zg_node, or one of another version: {error!r} in its answer") from error


def _wait(node: RpcClient) -> None:
    """Return once the node is ready, and no shard is behind. Raises Unavailable."""
    with click.progressbar(length=1, label="waiting for the node", show_pos=True, file=sys.stderr) as bar:
        _await_answer(node)
        while True:
            seen = _look(node)
            shards, starting = seen["shards"], seen["starting"]
            bar.label = starting["stage"] if starting else "catching up"
            done = starting["done"] if starting else sum(shard["block"] for shard in shards)
            total = starting["total"] if starting else sum(shard["target"] or shard["block"] for shard in shards)
            bar.length = total or 1
            bar.update(done - bar.pos)
            if seen["ready"] and all(shard["target"] is None for shard in shards):
                return
            time.sleep(WAIT_S)


def _await_answer(node: RpcClient) -> None:
    """Return once the node answers. Raises Unavailable when it refuses connections for COME_UP_S, and at once when
    something else is wrong."""
    until = time.monotonic() + COME_UP_S
    while True:
        try:
            node.call("zg_nodeInfo")
            return
        except Unavailable as error:
            if not isinstance(error.__cause__, ConnectionRefusedError) or time.monotonic() >= until:
                raise
        time.sleep(WAIT_S)


def _starting(starting: dict[str, Any]) -> dict[str, object]:
    """What the node does before its shards are open. Raises as `_shard`."""
    return {"stage": str(starting["stage"]), "done": int(starting["done"], 16), "total": int(starting["total"], 16)}


def _shard(shard: dict[str, Any], now_ms: int) -> dict[str, object]:
    """A line of the table. Raises KeyError, TypeError, ValueError when `shard` is not zg_shards' description."""
    head, pool, syncing = shard["head"], shard["pool"], shard["syncing"]
    return {
        "shard": int(shard["index"], 16),
        "chain_id": int(shard["chainId"], 16),
        "path": str(shard["path"]),
        "block": int(head["number"], 16),
        "hash": str(head["hash"]),
        "age_ms": max(0, now_ms - int(head["timestampMs"], 16)),
        "pending": int(pool["pending"], 16),
        "queued": int(pool["queued"], 16),
        "epoch": int(shard["epoch"], 16),
        "target": int(syncing["target"], 16) if syncing else None,
    }
