"""Pretends that blocks are of an epoch whose validators nobody knows yet, so that the node waits."""

from __future__ import annotations

from dataclasses import replace

import rlp

from tests.consensus.signed_chain import SignedChain
from tests.consensus.sync_world import Honest
from zg_node.consensus.sync_messages import BlocksRequest, Headers, Range, Request
from zg_node.p2p.network import Offence
from zg_node.types.block import Header

OFFENCE = Offence.INVALID


async def answer(chain: SignedChain, honest: Honest, request: Request) -> bytes:
    truth = await honest(request)
    if not isinstance(request, BlocksRequest):
        return truth
    found = Range.decode(truth)
    headers = tuple(_elsewhere(h) for h in found.headers[:1])
    certificate = replace(found.certificate, epoch=99, block_hash=headers[0].header.hash)
    return Range(headers, found.bodies[:1], found.body_size, certificate).encode()


def _elsewhere(headers: Headers) -> Headers:
    """The same block, as if it were of epoch 99."""
    consensus = replace(headers.consensus, epoch=99)
    fields = rlp.decode(headers.header.raw)
    fields[12] = consensus.hash()
    return Headers(Header.decode(rlp.encode(fields)), consensus)
