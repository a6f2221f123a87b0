"""Events that wait for their step, peers' messages among them.

    put, receive ─▶ queue ─▶ take: all that waits; of several messages the signatures are checked as one batch

A batch of signatures costs a fraction of as many single ones (see core/crates/recovery), and messages come in bursts
when there are many validators.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from zg_node.consensus.instance import Event, Message, Received
from zg_node.consensus.votes import Claim, Verifier
from zg_node.errors import InvalidMessage

RECEIVED_MAX = 4096
"""Messages of peers that wait for their step; more are dropped: certificates make up for them."""
TAKEN_MAX = 256
"""Events that are taken at once."""
BATCH_MIN = 4
"""Fewer messages are left to the instance, which need not ask for each one's signatures twice then."""


class Inbox:
    """The queue before one shard's instance; on the event loop."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._events: deque[Event] = deque()
        self._awaited: asyncio.Future[None] | None = None
        """Done as soon as there is an event, while `take` waits for one."""
        self._received = 0

    def put(self, event: Event) -> None:
        """Add an event of our own."""
        self._events.append(event)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def receive(self, peer: str, message: Message) -> bool:
        """Add a peer's message; returns whether there was room."""
        if self._received >= RECEIVED_MAX:
            return False
        self._received += 1
        self.put(Received(message, peer))
        return True

    async def take(self, claims: Callable[[Message], Sequence[Claim]]) -> list[Event]:
        """What waits, once there is something; `claims` says which signatures a message needs."""
        if not self._events:
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited
        events = [self._events.popleft() for _ in range(min(len(self._events), TAKEN_MAX))]
        received = sum(isinstance(event, Received) for event in events)
        self._received -= received
        return self._verified(events, claims) if received >= BATCH_MIN else events

    def _verified(self, events: Sequence[Event], claims: Callable[[Message], Sequence[Claim]]) -> list[Event]:
        wanted = [claim for event in events if isinstance(event, Received) for claim in _claims(event, claims)]
        good = frozenset(claim for claim, holds in zip(wanted, self._verifier(wanted), strict=True) if holds)
        return [replace(event, verified=good) if isinstance(event, Received) else event for event in events]


def _claims(event: Received, claims: Callable[[Message], Sequence[Claim]]) -> Sequence[Claim]:
    """None of a message that is at fault: its step says so."""
    try:
        return claims(event.message)
    except InvalidMessage:
        return ()
