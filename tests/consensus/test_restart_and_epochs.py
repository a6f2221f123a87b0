"""What outlives an instance: its votes at a restart, the chain at an epoch's end."""

from __future__ import annotations

import pytest

from tests.consensus.blocks import GENESIS, block_on
from tests.consensus.machine import (
    ALONE,
    FINALIZE,
    FOUR,
    NOTARIZE,
    SKIP,
    certificate,
    certificate_of,
    chain_of,
    machine,
    proposal,
    vote,
)
from tests.consensus.net import DOMAIN, TIMEOUTS, Net, toys
from zg_node.consensus.instance import (
    Broadcast,
    Commit,
    Due,
    EpochEnded,
    Execute,
    Executed,
    Fetched,
    Persist,
    Received,
    Restored,
    Started,
    TimedOut,
)
from zg_node.consensus.messages import Vote
from zg_node.consensus.simplex import Simplex

# ── restart ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_restart_repeats_its_votes_and_signs_nothing_new() -> None:
    net = Net(toys(1), pace_ms=None)
    net.step(0, Due())
    net.run(10)
    block, log = net.nodes[0].chain[0], list(net.nodes[0].log)
    proposals = tuple(p.proposal for p in log if p.proposal is not None)
    restored = Restored(0, GENESIS.hash, tuple(p.vote for p in log), proposals)
    again = Simplex(ALONE.members, DOMAIN, ALONE.signer(0), TIMEOUTS, restored, verifier=ALONE.verifier)
    effects = again.step(Started(), 0)
    assert [e.message for e in effects if isinstance(e, Broadcast)] == [*proposals, *restored.votes]
    assert not any(isinstance(effect, Persist) for effect in effects)
    assert Commit((block,), certificate_of(log[1].vote)) in again.step(Executed(block.hash, True), 5)


def test_a_restart_after_notarize_alone_goes_on_with_the_same_block() -> None:
    signer, block = ALONE.signer(0), block_on(GENESIS, 1, 1)
    made = signer.proposal(DOMAIN, 1, 0, block)
    restored = Restored(0, GENESIS.hash, (signer.vote(DOMAIN, NOTARIZE, 1, block.hash),), (made,))
    node = Simplex(ALONE.members, DOMAIN, signer, TIMEOUTS, restored, verifier=ALONE.verifier)
    assert Execute(block, certified=True) in node.step(Started(), 0)
    effects = node.step(Executed(block.hash, True), 0)
    assert [e.vote.kind for e in effects if isinstance(e, Persist)] == [FINALIZE]
    assert any(isinstance(effect, Commit) for effect in effects)


def test_nothing_new_is_signed_at_or_below_the_last_vote_before_a_restart() -> None:
    """Rule 6, by itself: only the last of the votes is left."""
    node = machine(0, Restored(0, GENESIS.hash, (vote(0, SKIP, 5),)))
    node.step(Started(), 0)
    signed: list[Vote] = []
    blocks = chain_of(6)
    for view, block in enumerate(blocks, 1):
        effects = node.step(Due(), 1_000 * view)
        effects += node.step(Received(proposal(view, block, view - 1)), 1_000 * view)
        effects += node.step(Executed(block.hash, True), 1_000 * view)
        if view < 6:
            effects += node.step(Received(certificate(NOTARIZE, view, block)), 1_000 * view + 10)
        signed += [effect.vote for effect in effects if isinstance(effect, Persist)]
    assert [(v.kind, v.view) for v in signed] == [(NOTARIZE, 6)]


def test_a_vote_of_our_key_that_another_node_made_is_not_contradicted() -> None:
    """One key on two nodes: the other one finalised the view that we would give up."""
    node, block = machine(0), block_on(GENESIS, 1, 1)
    node.step(Due(), 0)
    node.step(Received(vote(0, FINALIZE, 1, block)), 10)
    assert not any(isinstance(effect, Persist) for effect in node.step(TimedOut(), 500))


# ── epochs ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_epoch_ends_with_its_last_block_and_the_machine_with_it() -> None:
    net = Net(toys(4), is_last=lambda block: block.number == 3)
    net.run_to_height(3, 1_000)
    net.run(5_000)
    for index, node in net.nodes.items():
        assert len(node.chain) == 3
        ended = [effect for _, who, effect in net.effects if who == index and isinstance(effect, EpochEnded)]
        assert ended == [EpochEnded(node.chain[-1])]
        assert node.machine.step(Due(), 9_000) == []


def test_a_last_block_that_is_proposed_again_waits_for_its_parent_like_any_other() -> None:
    first, last = chain_of(2)
    node = Simplex(
        *(FOUR.members, DOMAIN, FOUR.signer(0), TIMEOUTS, Restored(0, GENESIS.hash)),
        is_last=lambda block: block.number == 2,
        verifier=FOUR.verifier,
    )
    node.step(Received(certificate(NOTARIZE, 1, first)), 0)
    node.step(Received(certificate(NOTARIZE, 2, last)), 0)
    effects = node.step(Received(proposal(3, last, 2)), 0)
    assert not any(isinstance(effect, Execute) for effect in effects)
    assert Execute(first, certified=True) in node.step(Fetched(first), 30)
    assert Execute(last, certified=True) in node.step(Executed(first.hash, True), 40)
    votes = [e.vote for e in node.step(Executed(last.hash, True), 50) if isinstance(e, Persist)]
    assert [v.kind for v in votes if v.view == 3] == [NOTARIZE]


def test_messages_of_another_epoch_are_dropped_without_a_word() -> None:
    node = machine(0)
    for epoch in (1, 7):
        stranger = Vote(SKIP, epoch, 1, bytes(32), 1, bytes(65))
        assert node.claims(stranger) == ()
        assert node.step(Received(stranger, "peer"), 0) == []


def test_an_old_block_is_proposed_again_only_if_it_ends_its_epoch() -> None:
    first = chain_of(1)[0]
    node = machine(0)
    with pytest.raises(Exception, match="does not end its epoch"):
        node.step(Received(proposal(2, first, 1)), 0)
