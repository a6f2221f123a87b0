"""Blocks that a Simplex machine lacks, and blocks whose execution fails."""

from __future__ import annotations

from tests.consensus.blocks import GENESIS, block_on
from tests.consensus.machine import FINALIZE, NOTARIZE, SKIP, certificate, chain_of, machine, proposal
from tests.consensus.net import Net, toys
from zg_node.consensus.instance import (
    Behind,
    Commit,
    Diverged,
    Due,
    Execute,
    Executed,
    Fetch,
    Fetched,
    Persist,
    Propose,
    Received,
    SetTimer,
    Synced,
    TimedOut,
)

# ── missing blocks ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_certified_block_is_fetched_after_a_little_patience_and_again_at_a_standstill() -> None:
    block, node = block_on(GENESIS, 1, 1), machine(0)
    effects = node.step(Received(certificate(NOTARIZE, 1, block)), 0)
    assert SetTimer(20) in effects
    assert not any(isinstance(effect, Fetch) for effect in effects)
    assert Fetch(1, block.hash) in node.step(TimedOut(), 20)
    assert not any(isinstance(effect, Fetch) for effect in node.step(TimedOut(), 219))
    assert Fetch(1, block.hash) in node.step(TimedOut(), 220)
    assert Execute(block, certified=True) in node.step(Fetched(block), 230)


def test_a_block_that_nobody_asked_for_is_not_taken() -> None:
    node, block = machine(0), block_on(GENESIS, 1, 1)
    assert node.step(Fetched(block), 0) == []
    assert node.block(block.hash) is None


def test_a_final_block_brings_its_missing_ancestors_at_once() -> None:
    first, second, third = chain_of(3)
    node = machine(0)
    node.step(Received(certificate(FINALIZE, 3, third)), 0)
    assert Fetch(3, third.hash) in node.step(TimedOut(), 20)
    assert Fetch(3, second.hash) in node.step(Fetched(third), 30)
    assert Fetch(3, first.hash) in node.step(Fetched(second), 40)
    executed: list[bytes] = []
    effects = node.step(Fetched(first), 50)
    while runs := [effect for effect in effects if isinstance(effect, Execute)]:
        executed.append(runs[0].block.hash)
        effects = node.step(Executed(runs[0].block.hash, True), 60)
    assert executed == [first.hash, second.hash, third.hash]
    assert Commit((first, second, third), certificate(FINALIZE, 3, third)) in effects


def test_far_behind_it_is_left_to_sync_and_goes_on_from_there() -> None:
    blocks = chain_of(40)
    node = machine(0)
    node.step(Received(certificate(FINALIZE, 30, blocks[29])), 0)
    assert Fetch(30, blocks[29].hash) in node.step(TimedOut(), 20)
    effects = node.step(Fetched(blocks[29]), 30)
    assert Behind(30, 29) in effects
    assert not any(isinstance(effect, Fetch) for effect in effects)
    assert node.view == 31, "it takes part in the present meanwhile"
    live = proposal(31, blocks[30], 30)
    assert node.claims(live) == (), "new blocks are of no use now"
    assert Fetch(30, blocks[28].hash) in node.step(Synced(28, 28, blocks[27].hash), 1_000)
    effects = node.step(Fetched(blocks[28]), 1_200)
    effects = node.step(Executed(blocks[28].hash, True), 1_200)
    assert Execute(blocks[29], certified=True) in effects
    effects = node.step(Executed(blocks[29].hash, True), 1_300)
    assert Commit((blocks[28], blocks[29]), certificate(FINALIZE, 30, blocks[29])) in effects


def test_a_certificate_far_ahead_in_views_means_sync() -> None:
    node = machine(0)
    node.step(Received(certificate(FINALIZE, 500, block_on(GENESIS, 500, 1))), 0)
    assert Behind(500, 0) in node.step(TimedOut(), 20)


def test_sync_past_the_present_view_takes_the_machine_along() -> None:
    blocks, node = chain_of(9), machine(1)
    node.step(Synced(8, 8, blocks[7].hash), 0)
    assert (node.view, node.final_view) == (9, 8)
    assert Propose(9, blocks[7].hash) in node.step(Due(), 10)
    assert node.step(Synced(3, 3, blocks[2].hash), 20) == [], "never back"


def test_finality_of_a_chain_that_executes_slower_than_it_grows_is_not_held_up() -> None:
    blocks, node = chain_of(3), machine(0)
    for view, block in enumerate(blocks, 1):
        node.step(Received(proposal(view, block, view - 1)), 0)
        node.step(Received(certificate(FINALIZE, view, block)), 0)
    for view, block in enumerate(blocks, 1):
        effects = node.step(Executed(block.hash, True), 10 * view)
        assert Commit((block,), certificate(FINALIZE, view, block)) in effects


# ── executions that fail ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_block_that_failed_by_our_clock_gets_a_second_chance_with_its_certificate() -> None:
    node, block = machine(0), block_on(GENESIS, 1, 1)
    assert Execute(block, certified=False) in node.step(Received(proposal(1, block, 0)), 0)
    assert [e.vote.kind for e in node.step(Executed(block.hash, False), 5) if isinstance(e, Persist)] == [SKIP]
    assert Execute(block, certified=True) in node.step(Received(certificate(NOTARIZE, 1, block)), 10)
    effects = node.step(Executed(block.hash, True), 20)
    assert not any(isinstance(effect, Persist) and effect.vote.kind is FINALIZE for effect in effects)
    child = block_on(block, 2, 1)
    assert Execute(child, certified=False) in node.step(Received(proposal(2, child, 1)), 30)


def test_a_final_block_that_fails_here_stops_the_node() -> None:
    node, block = machine(0), block_on(GENESIS, 1, 1)
    node.step(Received(proposal(1, block, 0)), 0)
    node.step(Executed(block.hash, False), 5)
    node.step(Received(certificate(FINALIZE, 1, block)), 10)
    assert Diverged(block) in node.step(Executed(block.hash, False), 20)
    assert not any(isinstance(effect, Diverged) for effect in node.step(TimedOut(), 1_000)), "said once"


def test_a_failed_ancestor_of_a_final_block_stops_the_node() -> None:
    first, second = chain_of(2)
    node = machine(0)
    node.step(Received(proposal(1, first, 0)), 0)
    node.step(Received(proposal(2, second, 1)), 0)
    node.step(Received(certificate(FINALIZE, 2, second)), 10)
    node.step(Executed(first.hash, False), 20)
    assert Diverged(first) in node.step(Executed(first.hash, False), 30)


def test_a_notarized_block_that_fails_on_one_node_does_not_stop_the_others() -> None:
    net = Net(toys(4), traitors=[1])
    block = block_on(GENESIS, 1, 101)
    net.bad.add((3, block.hash))
    net.bad_uncertified.update((index, block.hash) for index in (0, 2))
    net.say(1, net.proposal(1, block))
    net.say(1, net.vote(1, NOTARIZE, 1, block.hash))
    net.run_to_height(3, 5_000)
