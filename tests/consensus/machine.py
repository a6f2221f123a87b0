"""One Simplex machine among four, and what the others would say to it."""

from __future__ import annotations

from tests.consensus.blocks import GENESIS, block_on
from tests.consensus.net import DOMAIN, TIMEOUTS, toys
from zg_node.consensus.instance import Restored
from zg_node.consensus.messages import Certificate, Proposal, Vote, VoteKind
from zg_node.consensus.simplex import Simplex
from zg_node.consensus.votes import VoteTally
from zg_node.types.block import Block

NOTARIZE, SKIP, FINALIZE = VoteKind.NOTARIZE, VoteKind.SKIP, VoteKind.FINALIZE
FOUR, ALONE = toys(4), toys(1)


def machine(index: int | None = 0, restored: Restored | None = None) -> Simplex:
    """A validator of four, or an observer."""
    signer = FOUR.signer(index) if index is not None else None
    ground = restored or Restored(0, GENESIS.hash)
    return Simplex(FOUR.members, DOMAIN, signer, TIMEOUTS, ground, verifier=FOUR.verifier)


def vote(index: int, kind: VoteKind, view: int, block: Block | None = None) -> Vote:
    signer = FOUR.signer(index)
    return signer.vote(DOMAIN, kind, view, block.hash) if block else signer.vote(DOMAIN, kind, view)


def certificate(kind: VoteKind, view: int, block: Block | None = None) -> Certificate:
    tally = VoteTally(FOUR.members)
    target = block.hash if block else bytes(32)
    for index in range(3):
        tally.add(vote(index, kind, view, block))
    found = tally.certificate(target)
    assert found is not None
    return found


def proposal(view: int, block: Block, parent_view: int) -> Proposal:
    return FOUR.signer(FOUR.members.leader(view)).proposal(DOMAIN, view, parent_view, block)


def chain_of(length: int) -> list[Block]:
    """Blocks of views 1, 2, 3 …, each on the one before."""
    blocks = [GENESIS]
    for view in range(1, length + 1):
        blocks.append(block_on(blocks[-1], view, 7))
    return blocks[1:]


def certificate_of(only: Vote) -> Certificate:
    """The certificate of a set of one."""
    return Certificate(only.kind, only.epoch, only.view, only.block_hash, ((only.voter, only.signature),))
