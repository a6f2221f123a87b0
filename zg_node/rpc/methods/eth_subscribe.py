"""eth_subscribe: news over a WebSocket, without gaps."""

from __future__ import annotations

from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Context, Method
from zg_node.rpc.encoding import TRUE, document
from zg_node.rpc.errors import METHOD_NOT_FOUND, SERVER_ERROR
from zg_node.rpc.feed import LogListener, Take, Unsubscribe
from zg_node.rpc.logs import parse_criteria
from zg_node.rpc.params import Arguments
from zg_node.rpc.session import Session


def _session(context: Context) -> Session:
    if context.session is None:
        raise InvalidRequest("notifications not supported", METHOD_NOT_FOUND)
    return context.session


def subscribe(context: Context, arguments: Arguments) -> bytes:
    session, feed = _session(context), context.shard.feed
    match arguments.text(0):
        case "newHeads":
            subscription = session.open(feed.on_heads)
        case "logs":
            subscription = _open_logs(context, arguments, session)
        case "newPendingTransactions":
            subscription = session.open(feed.on_transactions if arguments.flag(1) else feed.on_hashes)
        case "syncing":
            subscription = session.open(_never)
        case name:
            raise InvalidRequest(f'no "{name[:64]}" subscription in eth namespace', METHOD_NOT_FOUND)
    return document(subscription)


def unsubscribe(context: Context, arguments: Arguments) -> bytes:
    if not _session(context).end(arguments.text(0)):
        raise InvalidRequest("subscription not found", SERVER_ERROR)
    return TRUE


def _open_logs(context: Context, arguments: Arguments, session: Session) -> str:
    fields = arguments.fields(1, "filters.FilterCriteria") if arguments.has(1) else {}
    criteria = parse_criteria(fields, 1, context.shard.limits)
    matching, terms, feed = criteria.matching, criteria.terms, context.shard.feed
    return session.open(lambda take: feed.on_logs(LogListener(matching, terms, take, session.drop)))


def _never(take: Take) -> Unsubscribe:
    """`syncing`: this node never is, so there is nothing to tell."""
    return lambda: None


METHODS = {
    "eth_subscribe": Method(subscribe, 2),
    "eth_unsubscribe": Method(unsubscribe, 1),
}
