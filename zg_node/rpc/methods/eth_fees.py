"""eth_*: what gas costs and cost."""

from __future__ import annotations

from collections.abc import Sequence

from zg_node import _core
from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Chain, Context, Method, Result
from zg_node.rpc.blocks import known_block
from zg_node.rpc.encoding import document, quantity
from zg_node.rpc.errors import SERVER_ERROR, history_pruned
from zg_node.rpc.params import Arguments, Tag

BLOB_BASE_FEE = 1
"""Wei: these chains carry no blobs, so the price stays at its minimum."""


def gas_price(context: Context, arguments: Arguments) -> Result:
    """What a legacy transaction should offer to be in the next block."""
    tip = context.shard.tips.ready()
    if tip is not None:
        return quantity(context.shard.chain.next_base_fee() + tip)

    async def run() -> bytes:
        return quantity(await context.shard.tips.suggest() + context.shard.chain.next_base_fee())

    return run()


def max_priority_fee(context: Context, arguments: Arguments) -> Result:
    tip = context.shard.tips.ready()
    if tip is not None:
        return quantity(tip)

    async def run() -> bytes:
        return quantity(await context.shard.tips.suggest())

    return run()


def base_fee(context: Context, arguments: Arguments) -> bytes:
    """The next block's."""
    return quantity(context.shard.chain.next_base_fee())


def blob_base_fee(context: Context, arguments: Arguments) -> bytes:
    return quantity(BLOB_BASE_FEE)


def _percentiles(arguments: Arguments, most: int) -> list[float]:
    if not arguments.has(2):
        return []
    values = arguments.items(2)
    if len(values) > most:
        raise InvalidRequest(f"over the query limit {most}", SERVER_ERROR)
    percentiles: list[float] = []
    for place, value in enumerate(values):
        if type(value) is not float and type(value) is not int:
            raise arguments.invalid(2, ValueError("json: cannot unmarshal into Go value of type float64"))
        if not 0 <= value <= 100:
            raise InvalidRequest(f"invalid reward percentile: {value}", SERVER_ERROR)
        if percentiles and value < percentiles[-1]:
            text = f"invalid reward percentile: #{place - 1}:{percentiles[-1]} > #{place}:{value}"
            raise InvalidRequest(text, SERVER_ERROR)
        percentiles.append(float(value))
    return percentiles


def fee_history(context: Context, arguments: Arguments) -> Result:
    """Base fees, fullness and, where percentiles are given, effective tips of a range of blocks."""
    limits, chain = context.shard.limits, context.shard.chain
    count = min(arguments.count(0), limits.fee_history_blocks_max)
    newest = arguments.block_number(1)
    percentiles = _percentiles(arguments, limits.fee_history_percentiles_max)
    head = chain.head.number
    last = head if isinstance(newest, Tag) else newest
    if last > head:
        raise InvalidRequest(f"request beyond head block: requested {last}, head {head}", SERVER_ERROR)
    if not count:
        return document({"oldestBlock": "0x0", "gasUsedRatio": None})
    oldest = chain.blocks.first
    if last < oldest:
        raise history_pruned(oldest)
    return context.shard.workers.run(_history, chain, max(oldest, last - count + 1), last, percentiles)


def _history(chain: Chain, first: int, last: int, percentiles: Sequence[float]) -> bytes:
    """eth_feeHistory's result. For a worker thread."""
    blocks = [known_block(chain, number) for number in range(first, last + 1)]
    following = chain.by_number(last + 1)
    next_fee = chain.next_base_fee() if following is None else following.header.base_fee
    result: dict[str, object] = {
        "oldestBlock": hex(first),
        "baseFeePerGas": [hex(block.header.base_fee) for block in blocks] + [hex(next_fee)],
        "gasUsedRatio": [block.header.gas_used / block.header.gas_limit for block in blocks],
        "baseFeePerBlobGas": [hex(BLOB_BASE_FEE)] * (len(blocks) + 1),
        "blobGasUsedRatio": [0] * len(blocks),
    }
    if percentiles:
        headers = [block.header.raw for block in blocks]
        rewards = _core.fee_history(headers, [(block.body, block.receipts) for block in blocks], percentiles)
        result["reward"] = [[hex(tip) for tip in block] for block in rewards]
    return document(result)


METHODS = {
    "eth_gasPrice": Method(gas_price, 0),
    "eth_maxPriorityFeePerGas": Method(max_priority_fee, 0),
    "eth_baseFee": Method(base_fee, 0),
    "eth_blobBaseFee": Method(blob_base_fee, 0),
    "eth_feeHistory": Method(fee_history, 3),
}
