"""eth_*: blocks and their headers, receipts and counts. An unknown block is null."""

from __future__ import annotations

from typing import Final

import orjson

from zg_node import _core
from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.blocks import find_block
from zg_node.rpc.encoding import NULL, document, quantity
from zg_node.rpc.params import Arguments, BlockId, Tag
from zg_node.types.block import StoredBlock

INLINE_BODY_MAX: Final = 16_384
"""Bytes of body up to which JSON is made on the event loop: a thread hop would cost more."""
EMPTY_BODY: Final = b"\xc0"


def transaction_count(block: StoredBlock) -> int:
    return len(block.senders) // 20


def _block(context: Context, block_id: BlockId, full: bool) -> Result:
    if block_id is Tag.PENDING:
        return _pending_block(context)
    block = find_block(context.shard.chain, block_id)
    if block is None:
        return NULL
    if len(block.body) <= INLINE_BODY_MAX:
        return _core.block_json(block.header.raw, block.body, block.senders, full)
    return context.shard.workers.run(_core.block_json, block.header.raw, block.body, block.senders, full)


def _pending_block(context: Context) -> bytes:
    """The next block's environment without transactions; what it cannot know yet is null."""
    block = orjson.loads(_core.block_json(context.shard.chain.pending_header(), EMPTY_BODY, b"", False))
    return document(block | {"hash": None, "nonce": None, "miner": None})


def get_block_by_number(context: Context, arguments: Arguments) -> Result:
    return _block(context, arguments.block_number(0), arguments.flag(1))


def get_block_by_hash(context: Context, arguments: Arguments) -> Result:
    return _block(context, arguments.hash(0), arguments.flag(1))


def _header(block: StoredBlock | None) -> bytes:
    return NULL if block is None else _core.header_json(block.header.raw)


def get_header_by_number(context: Context, arguments: Arguments) -> bytes:
    return _header(find_block(context.shard.chain, arguments.block_number(0)))


def get_header_by_hash(context: Context, arguments: Arguments) -> bytes:
    return _header(find_block(context.shard.chain, arguments.hash(0)))


def get_block_receipts(context: Context, arguments: Arguments) -> Result:
    block = find_block(context.shard.chain, arguments.block(0))
    if block is None:
        return NULL
    parts = (block.header.raw, block.body, block.senders, block.receipts)
    if len(block.body) <= INLINE_BODY_MAX:
        return _core.receipts_json(*parts)
    return context.shard.workers.run(_core.receipts_json, *parts)


def _count(context: Context, block_id: BlockId) -> bytes:
    if block_id is Tag.PENDING:
        return quantity(0)
    block = find_block(context.shard.chain, block_id)
    return NULL if block is None else quantity(transaction_count(block))


def get_transaction_count_by_number(context: Context, arguments: Arguments) -> bytes:
    return _count(context, arguments.block_number(0))


def get_transaction_count_by_hash(context: Context, arguments: Arguments) -> bytes:
    return _count(context, arguments.hash(0))


def _uncle_count(context: Context, block_id: BlockId) -> bytes:
    return NULL if find_block(context.shard.chain, block_id) is None else quantity(0)


def get_uncle_count_by_number(context: Context, arguments: Arguments) -> bytes:
    return _uncle_count(context, arguments.block_number(0))


def get_uncle_count_by_hash(context: Context, arguments: Arguments) -> bytes:
    return _uncle_count(context, arguments.hash(0))


def get_uncle(context: Context, arguments: Arguments) -> bytes:
    """Null: a chain with finality has no uncles."""
    return NULL


METHODS = {
    "eth_getBlockByNumber": Method(get_block_by_number, 2),
    "eth_getBlockByHash": Method(get_block_by_hash, 2),
    "eth_getHeaderByNumber": Method(get_header_by_number, 1),
    "eth_getHeaderByHash": Method(get_header_by_hash, 1),
    "eth_getBlockReceipts": Method(get_block_receipts, 1),
    "eth_getBlockTransactionCountByNumber": Method(get_transaction_count_by_number, 1),
    "eth_getBlockTransactionCountByHash": Method(get_transaction_count_by_hash, 1),
    "eth_getUncleCountByBlockNumber": Method(get_uncle_count_by_number, 1),
    "eth_getUncleCountByBlockHash": Method(get_uncle_count_by_hash, 1),
    "eth_getUncleByBlockNumberAndIndex": Method(get_uncle, 2),
    "eth_getUncleByBlockHashAndIndex": Method(get_uncle, 2),
}
