"""Serves a chain that validators of its own made."""

from __future__ import annotations

from tests.consensus.signed_chain import Epochs, SignedChain, keys
from tests.consensus.sync_world import Honest
from zg_node.consensus.sync_messages import BlocksRequest, Request
from zg_node.consensus.sync_server import range_of
from zg_node.p2p.network import Offence

THEIRS = SignedChain(200, epochs=Epochs([keys(4, 9)] * 6))
OFFENCE = Offence.INVALID


async def answer(chain: SignedChain, honest: Honest, request: Request) -> bytes:
    if isinstance(request, BlocksRequest):
        return range_of(THEIRS, request).encode()
    return await honest(request)
