"""Answers with bytes that are nothing."""

from __future__ import annotations

from tests.consensus.signed_chain import SignedChain
from tests.consensus.sync_world import Honest
from zg_node.consensus.sync_messages import Request, StatusRequest
from zg_node.p2p.network import Offence

OFFENCE = Offence.MALFORMED


async def answer(chain: SignedChain, honest: Honest, request: Request) -> bytes:
    if isinstance(request, StatusRequest):
        return await honest(request)
    return b"\xff" * 1000
