"""eth_getLogs and the polled filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zg_node.errors import InvalidRequest
from zg_node.rpc.accepted import accepted_json
from zg_node.rpc.api import Context, Method, Result
from zg_node.rpc.encoding import array, boolean, document, hex_data
from zg_node.rpc.errors import SERVER_ERROR
from zg_node.rpc.filters import BlockFilter, LogsFilter, TransactionFilter
from zg_node.rpc.logs import collect, parse_criteria, search
from zg_node.rpc.params import Arguments

if TYPE_CHECKING:
    from zg_node.rpc.shard import Shard


def get_logs(context: Context, arguments: Arguments) -> Result:
    shard = context.shard
    criteria = parse_criteria(arguments.fields(0, "filters.FilterCriteria"), 0, shard.limits)
    return shard.workers.run(search, shard.chain, criteria, shard.limits)


def new_filter(context: Context, arguments: Arguments) -> bytes:
    """Logs of the blocks that become final from now on."""
    shard = context.shard
    criteria = parse_criteria(arguments.fields(0, "filters.FilterCriteria"), 0, shard.limits)
    return document(shard.filters.install(LogsFilter(shard.chain.head.number + 1, criteria)))


def new_block_filter(context: Context, arguments: Arguments) -> bytes:
    shard = context.shard
    return document(shard.filters.install(BlockFilter(shard.chain.head.number + 1)))


def new_pending_transaction_filter(context: Context, arguments: Arguments) -> bytes:
    """Hashes of the transactions that the pool accepts from now on; with true, the transactions."""
    shard, full = context.shard, arguments.flag(0)
    return document(shard.filters.install(TransactionFilter(*shard.feed.watch_ring(), full)))


def uninstall_filter(context: Context, arguments: Arguments) -> bytes:
    return boolean(context.shard.filters.uninstall(arguments.text(0)))


def get_filter_logs(context: Context, arguments: Arguments) -> Result:
    """The whole range that a log filter was made with, as eth_getLogs would answer."""
    shard = context.shard
    installed = shard.filters.get(arguments.text(0))
    if not isinstance(installed, LogsFilter):
        raise InvalidRequest("filter not found", SERVER_ERROR)
    return shard.workers.run(search, shard.chain, installed.criteria, shard.limits)


def get_filter_changes(context: Context, arguments: Arguments) -> Result:
    """What is new since the last poll. At most `logs_results_max` items; the next poll goes on from there."""
    shard = context.shard
    match shard.filters.get(arguments.text(0)):
        case TransactionFilter() as pending:
            return _transaction_changes(shard, pending)
        case BlockFilter() as blocks:
            return _block_changes(context, blocks)
        case LogsFilter() as logs:
            return _log_changes(context, logs)


def _transaction_changes(shard: Shard, pending: TransactionFilter) -> Result:
    shard.feed.drain()
    hashes, end = shard.feed.ring_since(pending.cursor)
    if not pending.full:
        pending.cursor = end
        return array(map(hex_data, hashes))
    taken = hashes[: shard.limits.logs_results_max]
    pending.cursor = end - len(hashes) + len(taken)
    return shard.workers.run(lambda: array(accepted_json(shard.chain, taken)))


async def _block_changes(context: Context, blocks: BlockFilter) -> bytes:
    chain, most = context.shard.chain, context.shard.limits.logs_results_max
    first, last = blocks.cursor, min(chain.head.number, blocks.cursor + most - 1)
    blocks.cursor = last + 1

    def hashes() -> bytes:
        found = (chain.by_number(number) for number in range(first, last + 1))
        return array(hex_data(block.hash) for block in found if block is not None)

    return await context.shard.workers.run(hashes)


async def _log_changes(context: Context, logs: LogsFilter) -> bytes:
    chain, limits = context.shard.chain, context.shard.limits
    criteria = logs.criteria
    first = logs.cursor
    last = min(chain.head.number, first + limits.logs_blocks_max - 1)
    if isinstance(criteria.last, int):
        last = min(last, criteria.last)
    if last < first:
        return b"[]"
    logs.cursor = last + 1  # a second poll meanwhile must not answer the same blocks
    try:
        found, end = await context.shard.workers.run(
            collect, chain, criteria.matching, first, last, limits.logs_results_max
        )
    except InvalidRequest:
        logs.cursor = first
        raise
    logs.cursor = max(end, first + 1) if end <= last else logs.cursor
    return b"[" + found + b"]"


METHODS = {
    "eth_getLogs": Method(get_logs, 1),
    "eth_newFilter": Method(new_filter, 1),
    "eth_newBlockFilter": Method(new_block_filter, 0),
    "eth_newPendingTransactionFilter": Method(new_pending_transaction_filter, 1),
    "eth_uninstallFilter": Method(uninstall_filter, 1),
    "eth_getFilterLogs": Method(get_filter_logs, 1),
    "eth_getFilterChanges": Method(get_filter_changes, 1),
}
