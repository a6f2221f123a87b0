"""One WebSocket client's subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from zg_node.errors import InvalidRequest
from zg_node.rpc.errors import LIMIT_EXCEEDED
from zg_node.rpc.filters import new_id

HELD_MAX: Final = 10_000
"""Notifications kept back while the answer that announces their subscription is still being made."""


class Session:
    """Subscriptions by id. `send` takes one JSON text; `drop` ends a connection that cannot be served without a gap."""

    def __init__(self, send: Callable[[bytes], None], drop: Callable[[], None], subscriptions_max: int) -> None:
        self._send = send
        self.drop = drop
        self._subscriptions_max = subscriptions_max
        self._subscriptions: dict[str, Callable[[], None]] = {}
        self._holds = 0
        self._held: list[bytes] = []

    def open(self, subscribe: Callable[[Callable[[Sequence[bytes]], None]], Callable[[], None]]) -> str:
        """Start a subscription: `subscribe` is given the function that takes results and returns the unsubscription."""
        if len(self._subscriptions) >= self._subscriptions_max:
            message = f"too many subscriptions on this connection, at most {self._subscriptions_max}"
            raise InvalidRequest(message, LIMIT_EXCEEDED)
        subscription_id = new_id()
        head = b'{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"%b","result":' % (
            subscription_id.encode()
        )
        self._subscriptions[subscription_id] = subscribe(lambda results: self._notify(head, results))
        return subscription_id

    def end(self, subscription_id: str) -> bool:
        """Whether there was such a subscription."""
        unsubscribe = self._subscriptions.pop(subscription_id, None)
        if unsubscribe is None:
            return False
        unsubscribe()
        return True

    def hold(self) -> None:
        """Keep notifications back, in order, until `release`."""
        self._holds += 1

    def release(self) -> None:
        self._holds -= 1
        if not self._holds:
            held, self._held = self._held, []
            for text in held:
                self._send(text)

    def close(self) -> None:
        """End every subscription."""
        for unsubscribe in self._subscriptions.values():
            unsubscribe()
        self._subscriptions.clear()

    def _notify(self, head: bytes, results: Sequence[bytes]) -> None:
        if not self._holds:
            for result in results:
                self._send(head + result + b"}}")
        elif len(self._held) + len(results) > HELD_MAX:
            self.drop()
        else:
            self._held.extend(head + result + b"}}" for result in results)
