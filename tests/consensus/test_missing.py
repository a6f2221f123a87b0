"""Fetching blocks that are not final yet: past who has none, and past liars, who pay for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.consensus.signed_chain import EPOCH_BLOCKS, NETWORK, SignedChain, check_body, make
from tests.consensus.sync_world import World, executor, in_virtual_time
from zg_node.consensus.missing import MissingBlocks
from zg_node.consensus.sync_messages import PROTOCOL
from zg_node.consensus.sync_server import Source, SyncServer
from zg_node.p2p.network import Offence
from zg_node.types.block import Block

CHAIN = SignedChain(EPOCH_BLOCKS)
BLOCK = make(CHAIN.stored[4], b"\x07" * 6_000_000, CHAIN.epochs)
"""Of several parts."""
OTHER = make(CHAIN.stored[4], b"\x08", CHAIN.epochs)
MIXED = replace(BLOCK, body=OTHER.body)


def _offering(block: Block | None) -> Callable[[int, bytes], bytes | None]:
    return lambda view, block_hash: None if block is None else block.encode()


def fetched(**offers: Block | None) -> tuple[Block | None, list[tuple[str, Offence]]]:
    """What a node gets that asks these peers, and whom it blames."""

    async def story() -> tuple[Block | None, list[tuple[str, Offence]]]:
        world = World(CHAIN)
        for name, block in offers.items():
            server = SyncServer(NETWORK, {0: Source(CHAIN, _offering(block))}, executor())
            world.hub.join(name).serve(PROTOCOL, server.answer)
            world.hub.connect("node", name)
        missing = MissingBlocks(world.network, 0, check_body, lambda: None)
        return await missing.fetch(BLOCK.consensus.view, BLOCK.hash), world.network.reports

    return in_virtual_time(story)


def test_a_block_comes_in_parts() -> None:
    assert fetched(honest=BLOCK) == (BLOCK, [])


def test_who_does_not_have_it_is_not_blamed() -> None:
    assert fetched(empty=None) == (None, [])
    assert fetched(empty=None, honest=BLOCK, late=None) == (BLOCK, [])


@pytest.mark.parametrize("answer", [OTHER, MIXED], ids=["another block", "another body"])
def test_who_lies_is_blamed_and_the_next_one_asked(answer: Block) -> None:
    assert fetched(liar=answer) == (None, [("liar", Offence.INVALID)])
    block, blamed = fetched(first=answer, honest=BLOCK, second=answer)
    assert block == BLOCK
    assert all(peer != "honest" for peer, _ in blamed)
