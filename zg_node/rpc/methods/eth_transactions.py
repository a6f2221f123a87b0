"""eth_*: transactions and receipts, by hash or by place. An unknown one is null."""

from __future__ import annotations

from zg_node import _core
from zg_node.errors import Unavailable
from zg_node.rpc.accepted import final_or
from zg_node.rpc.api import Chain, Context, Method, Result
from zg_node.rpc.blocks import find_block
from zg_node.rpc.encoding import NULL, hex_data
from zg_node.rpc.methods.eth_blocks import INLINE_BODY_MAX, transaction_count
from zg_node.rpc.params import Arguments, BlockId
from zg_node.types.block import StoredBlock


def raw_transaction(body: bytes, index: int) -> bytes:
    """Item `index` of a body: an RLP list of byte strings, written by this node."""
    position = _payload(body, 0)[0]
    for _ in range(index):
        start, size = _payload(body, position)
        position = start + size
    start, size = _payload(body, position)
    return body[start : start + size]


def _payload(encoded: bytes, position: int) -> tuple[int, int]:
    """(start, size) of the payload of the RLP item at `position`."""
    first = encoded[position]
    if first < 0x80:
        return position, 1
    kind = first & 0xC0  # 0x80 a string, 0xc0 a list
    size = first - kind
    if size <= 55:
        return position + 1, size
    width = size - 55
    start = position + 1 + width
    return start, int.from_bytes(encoded[position + 1 : start], "big")


def placed_block(chain: Chain, number: int) -> StoredBlock:
    """The block that the index named; raises Unavailable when it is pruned."""
    block = find_block(chain, number)
    if block is None:
        raise Unavailable(f"block {number} is not kept by this node")
    return block


def _transaction(context: Context, block: StoredBlock, index: int) -> Result:
    parts = (block.header.raw, block.body, block.senders, index)
    if len(block.body) <= INLINE_BODY_MAX:
        return _core.transaction_json(*parts)
    return context.shard.workers.run(_core.transaction_json, *parts)


def receipt(context: Context, number: int, index: int) -> Result:
    """The receipt at a place that the index named."""
    block = placed_block(context.shard.chain, number)
    parts = (block.header.raw, block.body, block.senders, block.receipts, index)
    if len(block.body) <= INLINE_BODY_MAX:
        return _core.receipt_json(*parts)
    return context.shard.workers.run(_core.receipt_json, *parts)


def get_by_hash(context: Context, arguments: Arguments) -> Result:
    """Final, or waiting in the pool with null block fields."""
    chain = context.shard.chain
    found = final_or(chain, arguments.hash(0), chain.pool.transaction_json)
    if not isinstance(found, tuple):
        return found or NULL
    number, index = found
    return _transaction(context, placed_block(chain, number), index)


def get_raw_by_hash(context: Context, arguments: Arguments) -> bytes:
    chain = context.shard.chain
    found = final_or(chain, arguments.hash(0), chain.pool.raw)
    if not isinstance(found, tuple):
        return hex_data(found or b"")
    number, index = found
    return hex_data(raw_transaction(placed_block(chain, number).body, index))


def get_receipt(context: Context, arguments: Arguments) -> Result:
    place = context.shard.chain.transaction(arguments.hash(0))
    return NULL if place is None else receipt(context, *place)


def _at(context: Context, block_id: BlockId, index: int) -> tuple[StoredBlock, int] | None:
    block = find_block(context.shard.chain, block_id)
    return None if block is None or index >= transaction_count(block) else (block, index)


def _at_json(context: Context, block_id: BlockId, index: int) -> Result:
    place = _at(context, block_id, index)
    return NULL if place is None else _transaction(context, *place)


def _at_raw(context: Context, block_id: BlockId, index: int) -> bytes:
    place = _at(context, block_id, index)
    return hex_data(b"" if place is None else raw_transaction(place[0].body, place[1]))


def get_by_block_number(context: Context, arguments: Arguments) -> Result:
    return _at_json(context, arguments.block_number(0), arguments.quantity(1))


def get_by_block_hash(context: Context, arguments: Arguments) -> Result:
    return _at_json(context, arguments.hash(0), arguments.quantity(1))


def get_raw_by_block_number(context: Context, arguments: Arguments) -> bytes:
    return _at_raw(context, arguments.block_number(0), arguments.quantity(1))


def get_raw_by_block_hash(context: Context, arguments: Arguments) -> bytes:
    return _at_raw(context, arguments.hash(0), arguments.quantity(1))


METHODS = {
    "eth_getTransactionByHash": Method(get_by_hash, 1),
    "eth_getTransactionByBlockNumberAndIndex": Method(get_by_block_number, 2),
    "eth_getTransactionByBlockHashAndIndex": Method(get_by_block_hash, 2),
    "eth_getRawTransactionByHash": Method(get_raw_by_hash, 1),
    "eth_getRawTransactionByBlockNumberAndIndex": Method(get_raw_by_block_number, 2),
    "eth_getRawTransactionByBlockHashAndIndex": Method(get_raw_by_block_hash, 2),
    "eth_getTransactionReceipt": Method(get_receipt, 1),
}
