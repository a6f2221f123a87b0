"""JSON-RPC 2.0 as geth speaks it: from a message's bytes to a reply's bytes.

bytes ─▶ parse ─┬─ eth_sendRawTransaction, alone or a whole batch of it ─▶ Submitter (no per-item dispatch)
                ├─ object ─▶ method table ─▶ handler ─▶ bytes now, or a future
                └─ array ─▶ each item in order; the answers joined, bounded in number and bytes
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from zg_node.errors import InvalidRequest
from zg_node.rpc.api import Context, Method, Reply
from zg_node.rpc.budget import AnswerBudget
from zg_node.rpc.encoding import failure, success
from zg_node.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RESPONSE_TOO_LARGE,
    error_object,
    error_of,
)
from zg_node.rpc.limits import Limits
from zg_node.rpc.message import NO_ID, encode_id, first_id, id_or_null, parse
from zg_node.rpc.params import Arguments
from zg_node.rpc.submit import BatchSubmission, SingleSubmission

log = logging.getLogger(__name__)

SEND_RAW: Final = "eth_sendRawTransaction"
SUBSCRIBE: Final = "eth_subscribe"
ALWAYS: Final = frozenset(("zg_nodeInfo", "zg_shards", "web3_clientVersion"))
"""Methods that are answered before the shards are open."""
METHOD_NAME_MAX: Final = 128
SMALL_BODY_MAX: Final = 65_536
"""Bytes up to which a message is too short to hold many values."""
TEST_NETWORK_PREFIXES: Final = ("evm_", "anvil_", "hardhat_")

PARSE_ERROR_REPLY: Final = failure(NO_ID, error_object(PARSE_ERROR, "parse error"))
INVALID_REQUEST_ERROR: Final = error_object(INVALID_REQUEST, "invalid request")
EMPTY_BATCH_REPLY: Final = failure(NO_ID, error_object(INVALID_REQUEST, "empty batch"))
BATCH_TOO_LARGE_ERROR: Final = error_object(INVALID_REQUEST, "batch too large")
TOO_MANY_VALUES_REPLY: Final = failure(NO_ID, error_object(INVALID_REQUEST, "too many values in one message"))
TOO_LARGE_ERROR: Final = error_object(RESPONSE_TOO_LARGE, "response too large")


class Pending(NamedTuple):
    """A request whose handler has not finished."""

    request_id: bytes | None
    """Encoded; None for a notification."""
    method: str
    work: asyncio.Future[bytes]
    in_order: bool
    """The next item of a batch must not start before this one is done."""


def values_bound(body: bytes) -> int:
    """At most so many JSON values are in `body`, strings counted as if they were JSON too. Parsing takes time by the
    value: five megabytes of empty arrays would hold the event loop for two seconds."""
    if len(body) <= SMALL_BODY_MAX:
        return 0
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def hot_parts(message: object) -> tuple[str, str] | None:
    """(encoded id, raw transaction) of an ordinary eth_sendRawTransaction call; None for everything else."""
    if type(message) is not dict or message.get("method") != SEND_RAW or message.get("jsonrpc") != "2.0":
        return None
    params = message.get("params")
    if type(params) is not list or len(params) != 1 or type(params[0]) is not str:
        return None
    request_id = message.get("id")
    if type(request_id) is int:
        return str(request_id), params[0]
    if type(request_id) is str:
        return orjson.dumps(request_id).decode(), params[0]
    return None


class Room:
    """What a batch's answer may still take, of its own bound and of the budget of all clients."""

    __slots__ = ("_budget", "_bytes", "_held_bytes")

    def __init__(self, most_bytes: int, budget: AnswerBudget) -> None:
        self._bytes = most_bytes
        self._budget = budget
        self._held_bytes = 0

    @property
    def left(self) -> bool:
        """Whether anything more fits."""
        return self._held_bytes <= self._bytes and not self._budget.exceeded

    def fit(self, answer: bytes, message: object) -> bytes:
        """`answer`, or what is said instead when it does not fit."""
        self._held_bytes = self._budget.change(self._held_bytes, self._held_bytes + len(answer))
        return answer if self.left else _too_large(message)

    def release(self) -> None:
        """The batch is answered."""
        self._budget.change(self._held_bytes, 0)


class Dispatcher:
    """Answers messages with the methods of one listener."""

    def __init__(self, methods: Mapping[str, Method], limits: Limits, budget: AnswerBudget) -> None:
        self._methods = methods
        self._limits = limits
        self._budget = budget
        self._submits = SEND_RAW in methods
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Future[bytes]] = set()
        self.counts = dict.fromkeys(methods, 0)
        """Requests taken, by method."""

    def handle(self, body: bytes, context: Context, reply: Reply) -> None:
        """Answer one HTTP body or WebSocket message, now or later."""
        if values_bound(body) > self._limits.message_values_max:
            reply.finish(TOO_MANY_VALUES_REPLY)
            return
        try:
            message = parse(body, self._limits.batch_items_max)
        except ValueError:
            reply.finish(PARSE_ERROR_REPLY)
            return
        if type(message) is list:
            self._batch(message, context, reply)
            return
        hot = hot_parts(message) if self._submits and context.shards else None
        if hot is not None:
            self.counts[SEND_RAW] += 1
            context.shard.submitter.submit(SingleSubmission(*hot, reply), context.lane)
            return
        begun = self._begin(message, context)
        if type(begun) is bytes:
            reply.finish(begun)
        else:
            assert isinstance(begun, Pending)
            begun.work.add_done_callback(lambda _: reply.finish(self._complete(begun)))

    def close(self) -> None:
        """Abandon whatever is not finished."""
        for task in tuple(self._tasks):
            task.cancel()

    def _begin(self, message: object, context: Context) -> bytes | Pending:
        """Check one request and start its handler. Bytes are the whole response; empty ones, no response."""
        if type(message) is not dict:
            return failure(NO_ID, INVALID_REQUEST_ERROR)
        try:
            request_id = encode_id(message)
        except ValueError:
            return failure(NO_ID, INVALID_REQUEST_ERROR)
        name = message.get("method")
        if message.get("jsonrpc") != "2.0" or type(name) is not str or not name:
            return failure(request_id or NO_ID, INVALID_REQUEST_ERROR)
        try:
            method, arguments = self._resolve(name, message.get("params"))
            if name not in ALWAYS:
                context.check_started()
            self.counts[name] += 1
            result = method.handler(context, arguments)
        except Exception as error:  # noqa: BLE001 - the shell of every handler: mapped, or logged and hidden
            refused = error_of(error, name)
            return b"" if request_id is None else failure(request_id, refused)
        if type(result) is bytes:
            return b"" if request_id is None else success(request_id, result)
        if inspect.iscoroutine(result):
            return Pending(request_id, name, self._task(result), True)
        assert isinstance(result, asyncio.Future)
        return Pending(request_id, name, result, False)

    def _resolve(self, name: str, params: object) -> tuple[Method, Arguments]:
        method = self._methods.get(name)
        if method is None:
            raise InvalidRequest(_unknown(name), METHOD_NOT_FOUND)
        if params is None:
            return method, Arguments(())
        if type(params) is not list:
            raise InvalidRequest("non-array args", INVALID_PARAMS)
        if len(params) > method.arguments_max:
            raise InvalidRequest(f"too many arguments, want at most {method.arguments_max}", INVALID_PARAMS)
        return method, Arguments(params)

    def _complete(self, pending: Pending) -> bytes:
        """The response to a request whose work is done."""
        work = pending.work
        if work.cancelled():
            answer = failure(pending.request_id or NO_ID, error_object(INTERNAL_ERROR, "the node is shutting down"))
        elif (error := work.exception()) is not None:
            answer = failure(pending.request_id or NO_ID, error_of(error, pending.method))
        else:
            answer = success(pending.request_id or NO_ID, work.result())
        return b"" if pending.request_id is None else answer

    def _batch(self, messages: list[object], context: Context, reply: Reply) -> None:
        if not messages:
            reply.finish(EMPTY_BATCH_REPLY)
            return
        if len(messages) > self._limits.batch_items_max:
            answered = first_id(messages[: self._limits.batch_items_max])
            reply.finish(b"[" + failure(answered, BATCH_TOO_LARGE_ERROR) + b"]")
            return
        if self._submits and context.shards:
            parts = [hot for message in messages if (hot := hot_parts(message)) is not None]
            if len(parts) == len(messages):
                ids, raws = zip(*parts, strict=True)
                self.counts[SEND_RAW] += len(parts)
                context.shard.submitter.submit(BatchSubmission(ids, raws, reply), context.lane)
                return
        session = context.session
        if session is not None and any(type(m) is dict and m.get("method") == SUBSCRIBE for m in messages):
            session.hold()  # notifications follow the answer that announces their subscription
        else:
            session = None
        task = self._task(self._run_items(messages, context))

        def finish(done: asyncio.Future[bytes]) -> None:
            reply.finish(_batch_body(done))
            if session is not None:
                session.release()

        task.add_done_callback(finish)

    async def _run_items(self, messages: Sequence[object], context: Context) -> bytes:
        """Start the items in order and answer them as one array of bounded size."""
        room = Room(self._limits.batch_response_max_bytes, self._budget)
        begun: list[bytes | Pending] = []
        try:
            for message in messages:
                item = self._begin(message, context) if room.left else _too_large(message)
                if not isinstance(item, bytes) and item.in_order:
                    await asyncio.wait((item.work,))
                    item = self._complete(item)
                begun.append(room.fit(item, message) if isinstance(item, bytes) else item)
            for place, item in enumerate(begun):
                if not isinstance(item, bytes):
                    await asyncio.wait((item.work,))
                    begun[place] = room.fit(self._complete(item), messages[place])
        finally:
            room.release()
        answers = [item for item in begun if item and isinstance(item, bytes)]
        return b"[" + b",".join(answers) + b"]" if answers else b""

    def _task(self, work: Coroutine[object, object, bytes]) -> asyncio.Future[bytes]:
        """Run `work`, held until it is done: the loop itself keeps only a weak reference."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _unknown(name: str) -> str:
    """Why there is no such method."""
    text = f"the method {name[:METHOD_NAME_MAX]} does not exist/is not available"
    if name.startswith(TEST_NETWORK_PREFIXES):
        text += ": this is a real chain with BFT finality, its time and state cannot be set by hand"
    return text


def _too_large(message: object) -> bytes:
    """The answer to an item that there is no room left for; nothing for a notification."""
    if type(message) is dict and "id" not in message:
        return b""
    return failure(id_or_null(message), TOO_LARGE_ERROR)


def _batch_body(done: asyncio.Future[bytes]) -> bytes:
    """A finished batch's answer; a fault of ours is logged and hidden."""
    if done.cancelled():
        return failure(NO_ID, error_object(INTERNAL_ERROR, "the node is shutting down"))
    error = done.exception()
    return done.result() if error is None else failure(NO_ID, error_of(error, "batch"))
