"""Events that wait for their step, peers' messages among them.

    put, receive ─▶ queue ─▶ take: all that waits; of several messages the signatures are checked as one batch
                          └▶ drop: what waits of a peer that has lied

A batch of signatures costs a fraction of as many single ones (see core/crates/recovery), and messages come in bursts
when there are many validators. A certificate is a batch by itself: at its step most of its votes are known, and one
false one shows that the rest of what its sender says is not worth looking at.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from zg_node.consensus.instance import Event, Message, Received
from zg_node.consensus.messages import Certificate, Proposal
from zg_node.consensus.votes import Claim, Verifier
from zg_node.errors import InvalidMessage

RECEIVED_MAX = 4096
"""Messages of peers that wait for their step; more are dropped: certificates make up for them."""
RECEIVED_MAX_BYTES = 64 * 1024 * 1024
"""Their blocks' bodies together, likewise."""
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
        self._received = self._bytes = 0
        """Messages that wait, and their size."""

    def put(self, event: Event) -> None:
        """Add an event of our own."""
        self._events.append(event)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def receive(self, peer: str, message: Message) -> bool:
        """Add a peer's message; returns whether there was room."""
        size = _size(message)
        if self._received >= RECEIVED_MAX or self._bytes + size > RECEIVED_MAX_BYTES:
            return False
        self._received += 1
        self._bytes += size
        self.put(Received(message, peer))
        return True

    def drop(self, peer: str) -> None:
        """Forget what waits of a peer."""
        kept = [event for event in self._events if not (isinstance(event, Received) and event.sender == peer)]
        self._events = deque(kept)
        self._received, self._bytes = _load(kept)

    async def take(self, claims: Callable[[Message], Sequence[Claim]]) -> list[Event]:
        """What waits, once there is something; `claims` says which signatures a message needs."""
        if not self._events:
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited
        events = [self._events.popleft() for _ in range(min(len(self._events), TAKEN_MAX))]
        received, size = _load(events)
        self._received -= received
        self._bytes -= size
        return self._verified(events, claims) if received >= BATCH_MIN else events

    def _verified(self, events: Sequence[Event], claims: Callable[[Message], Sequence[Claim]]) -> list[Event]:
        wanted = [claim for event in events if isinstance(event, Received) for claim in _claims(event, claims)]
        good = frozenset(claim for claim, holds in zip(wanted, self._verifier(wanted), strict=True) if holds)
        return [replace(event, verified=good) if isinstance(event, Received) else event for event in events]


def _size(message: Message) -> int:
    return len(message.block.body) if isinstance(message, Proposal) else 0


def _load(events: Sequence[Event]) -> tuple[int, int]:
    """How many of them are messages, and the size of these."""
    sizes = [_size(event.message) for event in events if isinstance(event, Received)]
    return len(sizes), sum(sizes)


def _claims(event: Received, claims: Callable[[Message], Sequence[Claim]]) -> Sequence[Claim]:
    """None of a message that is at fault: its step says so."""
    if isinstance(event.message, Certificate):
        return ()
    try:
        return claims(event.message)
    except InvalidMessage:
        return ()
