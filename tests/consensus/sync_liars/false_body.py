"""True headers, true certificates, and a body that is not the block's."""

from __future__ import annotations

from dataclasses import replace

from tests.consensus.signed_chain import SignedChain
from tests.consensus.sync_world import Honest
from zg_node.consensus.sync_messages import BlocksRequest, Range, Request
from zg_node.p2p.network import Offence

OFFENCE = Offence.INVALID


async def answer(chain: SignedChain, honest: Honest, request: Request) -> bytes:
    truth = await honest(request)
    if not isinstance(request, BlocksRequest):
        return truth
    found = Range.decode(truth)
    return replace(found, bodies=(*found.bodies[:-1], b"\0" * len(found.bodies[-1]))).encode()
