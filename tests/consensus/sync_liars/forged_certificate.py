"""Signs its certificates with keys of its own."""

from __future__ import annotations

from dataclasses import replace

from tests.consensus.signed_chain import Epochs, SignedChain, keys
from tests.consensus.sync_world import Honest
from zg_node.consensus.sync_messages import BlocksRequest, Range, Request
from zg_node.p2p.network import Offence

STRANGERS = Epochs([keys(4, 9)])
OFFENCE = Offence.BAD_SIGNATURE


async def answer(chain: SignedChain, honest: Honest, request: Request) -> bytes:
    truth = await honest(request)
    if not isinstance(request, BlocksRequest):
        return truth
    found = Range.decode(truth)
    last = found.headers[-1]
    forged = STRANGERS.certify(0, last.consensus.view, last.header.hash)
    return replace(found, certificate=replace(forged, epoch=last.consensus.epoch)).encode()
