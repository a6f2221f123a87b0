"""eth_subscribe: news over a WebSocket, without gaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zg_node import _core
from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Context, Method
from zg_node.rpc.encoding import TRUE, document, hex_data
from zg_node.rpc.errors import METHOD_NOT_FOUND, SERVER_ERROR
from zg_node.rpc.feed import LogListener, Unsubscribe
from zg_node.rpc.logs import parse_criteria
from zg_node.rpc.methods.eth_transactions import accepted_json
from zg_node.rpc.params import Arguments
from zg_node.rpc.session import Session
from zg_node.types.block import StoredBlock

Take = Callable[[Sequence[bytes]], None]


def _session(context: Context) -> Session:
    if context.session is None:
        raise InvalidRequest("notifications not supported", METHOD_NOT_FOUND)
    return context.session


def subscribe(context: Context, arguments: Arguments) -> bytes:
    session = _session(context)
    match arguments.text(0):
        case "newHeads":
            subscription = session.open(lambda take: _heads(context, take))
        case "logs":
            subscription = _open_logs(context, arguments, session)
        case "newPendingTransactions":
            full = arguments.flag(1)
            subscription = session.open(lambda take: _transactions(context, take, full))
        case "syncing":
            subscription = session.open(_never)
        case name:
            raise InvalidRequest(f'no "{name[:64]}" subscription in eth namespace', METHOD_NOT_FOUND)
    return document(subscription)


def unsubscribe(context: Context, arguments: Arguments) -> bytes:
    if not _session(context).end(arguments.text(0)):
        raise InvalidRequest("subscription not found", SERVER_ERROR)
    return TRUE


def _heads(context: Context, take: Take) -> Unsubscribe:
    def on_block(block: StoredBlock) -> None:
        take((_core.header_json(block.header.raw),))

    return context.shard.feed.on_block(on_block)


def _open_logs(context: Context, arguments: Arguments, session: Session) -> str:
    fields = arguments.fields(1, "filters.FilterCriteria") if arguments.has(1) else {}
    criteria = parse_criteria(fields, 1, context.shard.limits)
    return session.open(lambda take: context.shard.feed.on_logs(LogListener(criteria.matching, take, session.drop)))


def _transactions(context: Context, take: Take, full: bool) -> Unsubscribe:
    chain = context.shard.chain

    def on_hashes(hashes: Sequence[bytes]) -> None:
        take([hex_data(tx_hash) for tx_hash in hashes])

    def on_hashes_full(hashes: Sequence[bytes]) -> None:
        take(accepted_json(chain, hashes))

    return context.shard.feed.on_transactions(on_hashes_full if full else on_hashes)


def _never(take: Take) -> Unsubscribe:
    """`syncing`: this node never is, so there is nothing to tell."""
    return lambda: None


METHODS = {
    "eth_subscribe": Method(subscribe, 2),
    "eth_unsubscribe": Method(unsubscribe, 1),
}
