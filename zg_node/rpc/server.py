"""A listening port: connections in, JSON-RPC, health and metrics out."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Final

from zg_node.errors import InvalidConfig
from zg_node.rpc.api import Context, Node
from zg_node.rpc.budget import AnswerBudget
from zg_node.rpc.connection import Connection
from zg_node.rpc.dispatch import Dispatcher
from zg_node.rpc.encoding import document
from zg_node.rpc.http import JSON, METRICS_TEXT, TEXT, Action, Head
from zg_node.rpc.limits import Limits, Listener
from zg_node.rpc.methods import method_table
from zg_node.rpc.session import Session
from zg_node.rpc.shard import Shard
from zg_node.rpc.workers import Workers

log = logging.getLogger(__name__)

KNOWN_HEADS_MAX: Final = 1_024
TICK_S: Final = 1
BACKLOG: Final = 1_024
"""Connections that the system completes before the node takes them."""


class RpcServer:
    """One listener over the node's shards. Create, start and close it on the event loop."""

    def __init__(self, node: Node, limits: Limits, listener: Listener) -> None:
        self.loop = asyncio.get_running_loop()
        self.node = node
        self.limits = limits
        self.listener = listener
        self.known_heads: dict[bytes, Head] = {}
        """Request heads seen before, by their bytes; see connection.py."""
        self.now_s = 0
        """Seconds since the start, counted in ticks."""
        self._connections: set[Connection] = set()
        self.accepted = 0
        """Connections since the start."""
        self._workers = Workers(limits.workers, limits.work_queue_max, limits.request_timeout_s, "rpc-worker")
        self._shards = [Shard(chain, self._workers, limits) for chain in node.chains] if listener.rpc else []
        self._methods = method_table(listener.namespaces) if listener.rpc else {}
        self.budget = AnswerBudget(limits.answers_max_bytes)
        self.dispatcher = Dispatcher(self._methods, limits, self.budget)
        self._server: asyncio.Server | None = None
        self._successor: RpcServer | None = None
        self._closed = False
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises InvalidConfig when the address cannot be had."""
        host, port = self.listener.host, self.listener.port
        try:
            self._server = await self.loop.create_server(self._protocol, host, port, backlog=BACKLOG)
        except (OSError, OverflowError) as error:
            code = getattr(error, "errno", None) or 0
            reason = os.strerror(code) if code > 0 else str(error)  # name resolution has negative codes
            raise InvalidConfig(f"cannot listen on {host}:{port}: {reason}; choose another port or address") from error
        self._ticking = self.loop.create_task(self._tick())

    async def succeed(self, other: RpcServer) -> None:
        """Take a started server's port over, with all connections that come from now on, and close it."""
        self._server, other._server = other._server, None
        other._successor = self
        self._ticking = self.loop.create_task(self._tick())
        await other.close()

    @property
    def port(self) -> int:
        """The port that is listened on, also where the system chose it."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, end connections, abandon work that has not begun. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self._server is not None:
            self._server.close()
        if self._ticking is not None:
            self._ticking.cancel()
        self.dispatcher.close()
        for connection in tuple(self._connections):
            connection.shut()
        for shard in self._shards:
            await shard.close()
        await self._workers.close()
        for connection in tuple(self._connections):
            connection.transport.abort()

    # What there is to count

    @property
    def connections(self) -> int:
        """Open ones."""
        return len(self._connections)

    @property
    def receiving(self) -> int:
        """Connections in the middle of a request."""
        return sum(not connection.idle for connection in self._connections)

    @property
    def subscriptions(self) -> int:
        """Those who want to be told, polled filters on transactions included."""
        return sum(shard.feed.subscribers for shard in self._shards)

    @property
    def transactions_waiting(self) -> int:
        """For validation, those in it included."""
        return sum(shard.submitter.waiting for shard in self._shards)

    @property
    def work_waiting(self) -> int:
        """Heavy requests begun or waiting for a thread."""
        return self._workers.waiting

    # What connections ask of their server

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more."""
        self.accepted += 1
        self._connections.add(connection)
        return len(self._connections) <= self.limits.connections_max

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def remember_head(self, raw: bytes, head: Head) -> None:
        """Let equal bytes skip the parser."""
        if len(self.known_heads) >= KNOWN_HEADS_MAX:
            self.known_heads.clear()
        self.known_heads[raw] = head

    def context(self, shard: int, local: bool, lane: int, session: Session | None) -> Context:
        """What handlers are told about a connection's requests on a path."""
        return Context(self.node, shard, self._shards, self.listener.namespaces, local, lane, session)

    def page(self, action: Action) -> tuple[int, bytes, bytes]:
        """(status, content type, body) of a GET or OPTIONS request."""
        match action:
            case Action.WELCOME:
                return 200, TEXT, self._welcome().encode()
            case Action.HEALTH:
                healthy = self.node.healthy()
                return (200 if healthy else 503), JSON, document({"healthy": healthy})
            case Action.READY:
                ready = self.node.ready()
                return (200 if ready else 503), JSON, document({"ready": ready})
            case Action.METRICS:
                return 200, METRICS_TEXT, self.node.metrics()
            case Action.PREFLIGHT:
                return 200, TEXT, b""
        raise AssertionError(f"{action} has no page")

    def _welcome(self) -> str:
        lines = [f"{self.node.client_version}, network {self.node.network}", ""]
        if not self.listener.rpc:
            return "\n".join([*lines, "GET /metrics, /health, /ready", ""])
        lines.append("JSON-RPC: POST here, or open a WebSocket. GET /health and /ready for probes.")
        if not self.node.chains:
            lines.append(f"  starting: {self.node.starting().stage}")
        for chain in self.node.chains:
            path = f"/shard/{chain.shard}" + (" (also /)" if chain.shard == 0 else "")
            lines.append(f"  {path}: chain id {chain.chain_id}, block {chain.head.number}")
        return "\n".join([*lines, ""])

    def _protocol(self) -> Connection:
        server = self._successor or self
        return Connection(server, server.accepted)

    def sweep(self) -> None:
        """End what lasts too long, by `now_s`."""
        for connection in tuple(self._connections):
            connection.sweep()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.now_s += TICK_S
            self.sweep()
