"""What a liar is: an honest node whose answers to `/zg/blocksync/1` are bent on their way out.

    peer ─ request ─▶ its server ─ true answer ─▶ Liar.bend ─▶ peer

It tells the truth now and then, so that it is asked again.
"""

from __future__ import annotations

from random import Random

from zg_node.consensus.sync_messages import Request, decode_request
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import RequestHandler

HONESTY = 0.3
"""The share of true answers."""


class Liar:
    """Bends nothing; the liars change what they need."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def serving(self, honest: RequestHandler) -> RequestHandler:
        """The handler that takes the place of the node's own."""

        async def answer(peer: str, message: bytes) -> bytes:
            try:
                request = decode_request(message)
            except InvalidMessage:
                return await honest(peer, message)
            if self.tells_truth(request):
                return await honest(peer, message)
            return await self.lie(request, peer, honest)

        return answer

    def tells_truth(self, request: Request) -> bool:
        """Whether this request gets the true answer."""
        return self.rng.random() < HONESTY

    async def lie(self, request: Request, peer: str, honest: RequestHandler) -> bytes:
        """The answer to a request that the liar does not answer truly. Raises Unavailable to refuse."""
        return self.bend(request, await honest(peer, request.encode()))

    def bend(self, request: Request, truth: bytes) -> bytes:
        """What the peer gets in place of the true answer."""
        return truth


async def truth_or_nothing(honest: RequestHandler, peer: str, request: Request) -> bytes:
    """The true answer; nothing when the node has none."""
    try:
        return await honest(peer, request.encode())
    except (Unavailable, InvalidMessage):
        return b""
