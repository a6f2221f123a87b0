"""Claims to be a billion blocks ahead, and has nothing to show for it."""

from __future__ import annotations

from tests.consensus.signed_chain import SignedChain
from tests.consensus.sync_world import Honest, with_height
from zg_node.consensus.sync_messages import Request, StatusRequest
from zg_node.errors import Unavailable
from zg_node.p2p.network import Offence

OFFENCE = Offence.UNHELPFUL


async def answer(chain: SignedChain, honest: Honest, request: Request) -> bytes:
    if isinstance(request, StatusRequest):
        return await with_height(honest, request, 10**9)
    raise Unavailable("not today")
