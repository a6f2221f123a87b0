"""Celestia's JSON-RPC over a WebSocket: the same methods, and `blob.Subscribe`, whose news come on a channel.

    blob.Subscribe(namespace) → channel            {"method": "xrpc.ch.val", "params": [channel, {Height, Blobs}]} …
    {"method": "xrpc.cancel", "params": [id of the subscribing request]} → xrpc.ch.close

Every height is told once, in order, with the blobs that it has of the namespace, or null. What cannot be read now is
tried again until it can.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

import orjson
from wsproto.frame_protocol import CloseReason

from zg_node.errors import InvalidRequest, ZgError
from zg_node.gateway.celestia import Celestia, Parameters
from zg_node.gateway.celestia_blob import namespace_of
from zg_node.gateway.channel import Channel

log = logging.getLogger("zg.gateway")

PENDING_MAX: Final = 16
"""Unanswered requests of one client; more wait unread."""
SUBSCRIPTIONS_MAX: Final = 16
POLL_S: Final = 0.25
"""Between two looks at the chain."""
RETRY_S: Final = 2.0
"""Before a height that could not be read is tried again."""


class CelestiaSession:
    """One client, from its handshake to its end."""

    def __init__(self, celestia: Celestia, channel: Channel) -> None:
        self._celestia = celestia
        self._channel = channel
        self._pending = asyncio.Semaphore(PENDING_MAX)
        self._subscriptions: dict[object, tuple[int, asyncio.Task[None]]] = {}
        """The id of the request → (channel, what tells it)."""
        self._channels = 0

    async def run(self) -> None:
        """Answer until the client ends. Raises OSError."""
        answering: set[asyncio.Task[None]] = set()
        try:
            while (message := await self._channel.receive()) is not None:
                await self._pending.acquire()
                task = asyncio.ensure_future(self._answer(message))
                answering.add(task)
                task.add_done_callback(answering.discard)
                task.add_done_callback(self._retire)
        finally:
            tasks = (*answering, *(task for _, task in self._subscriptions.values()))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, message: bytes) -> None:
        try:
            more = {"blob.Subscribe": self._subscribe, "xrpc.cancel": self._cancel}
            answer = await self._celestia.answer(message, more)
            if answer:
                await self._channel.send(answer)
        finally:
            self._channel.release(message)
            self._pending.release()

    async def _subscribe(self, request_id: object, parameters: Parameters) -> int:
        """(namespace): the channel's number."""
        namespace = namespace_of(parameters[0] if parameters else None)
        if not isinstance(request_id, int | str) or request_id in self._subscriptions:
            raise InvalidRequest("a subscription is asked for with an id of its own")
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            raise InvalidRequest(f"at most {SUBSCRIPTIONS_MAX} subscriptions of one client")
        self._channels += 1
        first = self._celestia.heights.head() + 1
        task = asyncio.ensure_future(self._tell(self._channels, namespace, first))
        task.add_done_callback(self._retire)
        self._subscriptions[request_id] = self._channels, task
        return self._channels

    async def _cancel(self, request_id: object, parameters: Parameters) -> None:
        """(id): end what that request began; whatever else it names is over already."""
        if parameters and isinstance(parameters[0], int | str) and parameters[0] in self._subscriptions:
            channel, task = self._subscriptions.pop(parameters[0])
            task.cancel()
            await self._notify("xrpc.ch.close", [channel])

    async def _tell(self, channel: int, namespace: bytes, height: int) -> None:
        """Send what every height from this one on has of the namespace. Raises OSError."""
        while True:
            try:
                news = await self._celestia.heights.news(height, namespace)
            except ZgError as error:
                log.info("celestia subscription height=%d: %s", height, error)
                await asyncio.sleep(RETRY_S)
                continue
            for told, blobs in news:
                await self._notify("xrpc.ch.val", [channel, {"Height": told, "Blobs": blobs or None}])
                height = told + 1
            if not news:
                await asyncio.sleep(POLL_S)

    async def _notify(self, method: str, parameters: Sequence[Any]) -> None:
        await self._channel.send(orjson.dumps({"jsonrpc": "2.0", "method": method, "params": parameters}))

    def _retire(self, task: asyncio.Task[None]) -> None:
        """A task has ended: that its client is gone is nothing to speak of, anything else is a fault of ours, and ends
        the connection."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, OSError):
            log.error("celestia session failed", exc_info=error)
            self._channel.end(CloseReason.INTERNAL_ERROR)
