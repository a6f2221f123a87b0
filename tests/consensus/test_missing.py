"""Fetching blocks that are not final yet: past who has none, and past liars, who pay for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.consensus.signed_chain import EPOCH_BLOCKS, NETWORK, SignedChain, check_body, make
from tests.consensus.sync_world import World, executor, in_virtual_time, never
from zg_node.consensus.missing import HEDGE_S, MissingBlocks
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


def _join(world: World, name: str, block: Block | None) -> None:
    server = SyncServer(NETWORK, {0: Source(CHAIN, _offering(block))}, executor())
    world.hub.join(name).serve(PROTOCOL, server.answer)
    world.hub.connect("node", name)


def _join_silent(world: World, name: str) -> None:
    async def answer(peer: str, message: bytes) -> bytes:
        return await never()

    world.hub.join(name).serve(PROTOCOL, answer)
    world.hub.connect("node", name)


def fetched(**offers: Block | None) -> tuple[Block | None, list[tuple[str, Offence]]]:
    """What a node gets that asks these peers, and whom it blames."""

    async def story() -> tuple[Block | None, list[tuple[str, Offence]]]:
        world = World(CHAIN)
        for name, block in offers.items():
            _join(world, name, block)
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


def test_many_that_take_the_question_and_do_not_answer_hold_up_the_first_block_alone_and_not_for_long() -> None:
    silent = 20

    async def story() -> None:
        world = World(CHAIN)
        for number in range(silent):
            _join_silent(world, f"silent-{number}")
        _join(world, "honest", BLOCK)
        missing = MissingBlocks(world.network, 0, check_body, lambda: None)
        took: list[float] = []
        for _ in range(3):
            began = world.loop.time()
            assert await missing.fetch(BLOCK.consensus.view, BLOCK.hash) == BLOCK
            took.append(world.loop.time() - began)
        assert took[0] <= silent * HEDGE_S + 1
        assert max(took[1:]) < HEDGE_S

    in_virtual_time(story)
