"""Who voted in the first epoch, and has left since: their keys still sign a block at any height."""

from __future__ import annotations

from dataclasses import replace

import rlp

from tests.consensus.signed_chain import EPOCH_BLOCKS, SignedChain
from tests.consensus.sync_world import Honest
from zg_node.consensus.sync_messages import BlocksRequest, Headers, Range, Request
from zg_node.errors import Unavailable
from zg_node.p2p.network import Offence
from zg_node.types.block import Header

OFFENCE = Offence.INVALID


async def answer(chain: SignedChain, honest: Honest, request: Request) -> bytes:
    if not isinstance(request, BlocksRequest):
        return await honest(request)
    if request.first <= EPOCH_BLOCKS:
        raise Unavailable("they would have to tell the truth")
    truth = chain.stored[request.first]
    members = chain.epochs.of(0)
    assert members is not None
    consensus = replace(truth.consensus, epoch=0, set_hash=members.hash(), next_set_hash=members.hash())
    fields = rlp.decode(truth.header.raw)
    fields[0], fields[12] = bytes(32), consensus.hash()
    header = Header.decode(rlp.encode(fields))
    certificate = chain.epochs.certify(0, consensus.view, header.hash)
    return Range((Headers(header, consensus),), (truth.body,), len(truth.body), certificate).encode()
