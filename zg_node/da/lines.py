"""How a node reaches the holders of a set: over the network, and itself without one.

A node that runs alone is the only holder of its network; it stores and reads blobs through the same code as any other,
because its own place in the set is reached here, whatever peer id the contract has for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from zg_node.da.holders import Holder
from zg_node.da.messages import PROTOCOL, Kind
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Network, Offence, RequestHandler

SELF = ""
"""The peer id by which a node reaches itself; no peer has it."""
OFFERS_MAX: Final = 3
"""Offers to one peer under way. They last as long as the peer pulls, so they must not take the others' places."""
QUESTIONS_MAX: Final = 4
"""Other questions to one peer under way; the network refuses more than eight of a protocol."""


class Asking(Protocol):
    """What dispersal, retrieval and sampling need of the network."""

    def peer_of(self, holder: Holder) -> str | None:
        """Whom to ask for a holder; None when it cannot be reached now."""
        ...

    async def ask(self, peer: str, message: bytes, timeout_s: float) -> bytes:
        """One question of `/zg/dachunk/1`. Raises Unavailable."""
        ...

    def report(self, peer: str, offence: Offence) -> None:
        """Score a peer for what it answered."""
        ...


@dataclass(slots=True)
class _Gate:
    """Places of one peer, for one sort of question."""

    places: asyncio.Semaphore
    users: int = 0
    """With those that wait."""


class Lines:
    """`Asking` of a node; `network` None for one that is alone."""

    def __init__(self, network: Network | None, signer: bytes | None, on_moved: Callable[[int, int], None]) -> None:
        """`signer` is our own address as a holder, None for a node without a key; `on_moved` is told the bytes of each
        exchange with a peer: (sent, received)."""
        self._network = network
        self._signer = signer
        self._on_moved = on_moved
        self._own: RequestHandler | None = None
        self._gates: dict[tuple[str, bool], _Gate] = {}

    def serve(self, handler: RequestHandler) -> None:
        """Who answers us, and every peer; before the network starts."""

        async def counted(peer: str, message: bytes) -> bytes:
            answer = await handler(peer, message)
            self._on_moved(len(answer), len(message))
            return answer

        self._own = handler
        if self._network is not None:
            self._network.serve(PROTOCOL, counted)

    def peer_of(self, holder: Holder) -> str | None:
        """Whom to ask for a holder; None when it cannot be reached now."""
        if holder.signer == self._signer:
            return SELF
        if self._network is None or not holder.peer:
            return None
        return holder.peer if any(peer.id == holder.peer for peer in self._network.peers()) else None

    async def ask(self, peer: str, message: bytes, timeout_s: float) -> bytes:
        """One question, when its turn comes. Raises Unavailable."""
        if peer != SELF:
            if self._network is None:
                raise Unavailable("this node is alone")
            async with self._place(peer, message[0] == Kind.OFFER, timeout_s):
                answer = await self._network.request(peer, PROTOCOL, message, timeout_s)
            self._on_moved(len(message), len(answer))
            return answer
        if self._own is None:
            raise Unavailable("this node holds nothing")
        try:
            return await self._own(SELF, message)
        except InvalidMessage as error:
            raise Unavailable(f"this node refuses: {error}") from error

    def report(self, peer: str, offence: Offence) -> None:
        """Score a peer; we do not score ourselves."""
        if self._network is not None and peer != SELF:
            self._network.report(peer, offence)

    @asynccontextmanager
    async def _place(self, peer: str, offer: bool, timeout_s: float) -> AsyncIterator[None]:
        """Wait for one of the peer's places. Raises Unavailable when that takes as long as an answer may."""
        key = (peer, offer)
        gate = self._gates.setdefault(key, _Gate(asyncio.Semaphore(OFFERS_MAX if offer else QUESTIONS_MAX)))
        gate.users += 1
        try:
            try:
                async with asyncio.timeout(timeout_s):
                    await gate.places.acquire()
            except TimeoutError as error:
                raise Unavailable("too many questions to the peer are under way") from error
            try:
                yield
            finally:
                gate.places.release()
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[key]
