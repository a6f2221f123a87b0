"""txpool_*: what waits in the pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.encoding import document
from zg_node.rpc.params import Arguments

Content = dict[str, dict[str, dict[str, Mapping[str, Any]]]]
"""pending | queued → address → nonce → transaction object."""


def status(context: Context, arguments: Arguments) -> bytes:
    executable, queued = context.shard.chain.pool.len()
    return document({"pending": hex(executable), "queued": hex(queued)})


def content(context: Context, arguments: Arguments) -> Result:
    return context.shard.workers.run(context.shard.chain.pool.content_json)


def content_from(context: Context, arguments: Arguments) -> Result:
    """One account's part of the content."""
    address = "0x" + arguments.address(0).hex()
    pool = context.shard.chain.pool

    def run() -> bytes:
        whole: Content = orjson.loads(pool.content_json())
        return document({group: _of(senders, address) for group, senders in whole.items()})

    return context.shard.workers.run(run)


def _of(senders: Mapping[str, Mapping[str, Mapping[str, Any]]], address: str) -> Mapping[str, Mapping[str, Any]]:
    """The entry of `address`, whatever the letters' case in the keys."""
    return next((found for sender, found in senders.items() if sender.lower() == address), {})


def inspect(context: Context, arguments: Arguments) -> Result:
    """The content as one readable line a transaction."""
    pool = context.shard.chain.pool

    def run() -> bytes:
        whole: Content = orjson.loads(pool.content_json())
        return document(
            {
                group: {
                    sender: {nonce: summary(transaction) for nonce, transaction in by_nonce.items()}
                    for sender, by_nonce in senders.items()
                }
                for group, senders in whole.items()
            }
        )

    return context.shard.workers.run(run)


def summary(transaction: Mapping[str, Any]) -> str:
    """`0xTo: value wei + gas gas * price wei`."""
    value, gas = int(transaction["value"], 16), int(transaction["gas"], 16)
    price = int(transaction.get("maxFeePerGas") or transaction["gasPrice"], 16)
    target = transaction["to"] or "contract creation"
    return f"{target}: {value} wei + {gas} gas * {price} wei"


METHODS = {
    "txpool_status": Method(status, 0),
    "txpool_content": Method(content, 0),
    "txpool_contentFrom": Method(content_from, 1),
    "txpool_inspect": Method(inspect, 0),
}
