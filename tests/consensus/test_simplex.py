"""Simplex as a state machine: what it does step by step."""

from __future__ import annotations

from dataclasses import replace

from tests.consensus.blocks import GENESIS, block_on
from tests.consensus.machine import (
    ALONE,
    FINALIZE,
    FOUR,
    NOTARIZE,
    SKIP,
    certificate,
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
    Executed,
    Persist,
    Propose,
    Proposed,
    Received,
    Restored,
    Send,
    SetTimer,
    Started,
    TimedOut,
)
from zg_node.consensus.intake import VIEWS_AHEAD_MAX
from zg_node.consensus.simplex import Simplex

# ── alone ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lone_validator_finalises_its_block_in_one_step() -> None:
    node = Simplex(ALONE.members, DOMAIN, ALONE.signer(0), TIMEOUTS, Restored(0, GENESIS.hash), verifier=ALONE.verifier)
    assert node.step(Started(), 0) == []
    assert node.step(Due(), 50) == [Propose(1, GENESIS.hash), SetTimer(250)]
    block = block_on(GENESIS, 1, 1)
    effects = node.step(Proposed(1, block), 60)
    assert [type(effect) for effect in effects] == [Persist, Broadcast, Broadcast, Persist, Broadcast, Commit]
    assert [effect.blocks for effect in effects if isinstance(effect, Commit)] == [(block,)]
    assert node.view == 2


def test_what_is_sent_is_persisted_in_the_same_step_with_its_body() -> None:
    net = Net(toys(1))
    net.run_to_height(3, 100)
    assert [p.proposal is not None for p in net.nodes[0].log[:4]] == [True, False, True, False]


def test_an_attempt_to_build_that_fails_is_made_again_when_a_block_is_due_again() -> None:
    node = machine(1)
    assert Propose(1, GENESIS.hash) in node.step(Due(), 0)
    assert node.step(Proposed(1, None), 0) == []
    assert node.step(TimedOut(), 200) == [], "a leader without a block does not skip its own view"
    assert Propose(1, GENESIS.hash) in node.step(Due(), 300)


def test_a_leader_whose_parent_is_overtaken_while_it_builds_builds_on_the_new_one() -> None:
    """View 1 is skipped and notarized, and this leader of view 2 learns the second only while it builds."""
    node, late = machine(2), block_on(GENESIS, 1, 1)
    node.step(Received(proposal(1, late, 0)), 0)
    node.step(Executed(late.hash, True), 0)
    node.step(Received(certificate(SKIP, 1)), 0)
    assert Propose(2, GENESIS.hash) in node.step(Due(), 10)
    node.step(Received(certificate(NOTARIZE, 1, late)), 20)
    assert Propose(2, late.hash) in node.step(Proposed(2, block_on(GENESIS, 2, 1)), 30)


def test_a_block_that_it_did_not_ask_for_is_not_proposed() -> None:
    """Of the instance of the epoch before, whose leader it was."""
    node = machine(0)
    assert node.step(Proposed(1, block_on(GENESIS, 1, 1)), 0) == []


def test_an_idle_view_has_no_timeout() -> None:
    node = machine(0)
    assert node.step(Started(), 0) == []
    assert node.step(TimedOut(), 10_000) == []


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_clock_starts_with_a_proposal_or_when_others_skip_of_whom_one_is_honest() -> None:
    node = machine(0)
    assert SetTimer(350) in node.step(Received(proposal(1, block_on(GENESIS, 1, 1), 0)), 50)
    node = machine(0)
    node.step(Received(vote(2, SKIP, 1)), 40)
    assert SetTimer(250) in node.step(Received(vote(3, SKIP, 1)), 50)


def test_a_leader_that_somebody_honest_has_given_up_is_to_make_a_block_even_without_transactions() -> None:
    leader = machine(1)
    assert leader.step(Received(vote(2, SKIP, 1)), 40) == []
    assert Propose(1, GENESIS.hash, awaited=True) in leader.step(Received(vote(3, SKIP, 1)), 50)


def test_a_leader_that_enters_its_view_late_makes_the_block_that_others_await() -> None:
    leader = machine(2)
    leader.step(Received(vote(0, SKIP, 2)), 40)
    leader.step(Received(vote(3, SKIP, 2)), 50)
    assert Propose(2, GENESIS.hash, awaited=True) in leader.step(Received(certificate(SKIP, 1)), 60)


def test_one_validator_cannot_have_a_leader_given_up_that_has_nothing_to_propose_yet() -> None:
    """The leader would count as absent, and be jailed for it."""
    node = machine(0)
    assert node.step(Received(vote(3, SKIP, 1)), 50) == []
    assert node.step(TimedOut(), 1_000) == []
    leader = machine(1)
    leader.step(Received(vote(3, SKIP, 1)), 50)
    assert leader.step(TimedOut(), 1_000) == []


def test_a_view_expires_without_a_proposal_and_later_without_a_certificate() -> None:
    node = machine(0)
    node.step(Due(), 0)
    assert not any(isinstance(effect, Persist) for effect in node.step(TimedOut(), 199))
    skips = [e.vote.kind for e in node.step(TimedOut(), 200) if isinstance(e, Persist)]
    assert skips == [SKIP]
    node = machine(0)
    node.step(Due(), 0)
    node.step(Received(proposal(1, block_on(GENESIS, 1, 1), 0)), 100)
    assert not any(isinstance(effect, Persist) for effect in node.step(TimedOut(), 299))
    assert [e.vote.kind for e in node.step(TimedOut(), 300) if isinstance(e, Persist)] == [SKIP]


def test_votes_for_views_far_ahead_do_not_keep_us_from_repeating_ours() -> None:
    """One faulty validator can sign as many as are taken."""
    node = machine(0)
    node.step(Due(), 0)
    node.step(TimedOut(), 200)
    for view in range(2, 2 + VIEWS_AHEAD_MAX):
        node.step(Received(vote(3, SKIP, view)), 210)
    repeated = [effect for effect in node.step(TimedOut(), 10_000) if isinstance(effect, Broadcast)]
    assert Broadcast(vote(0, SKIP, 1)) in repeated


def test_a_proposal_that_comes_after_our_skip_still_gets_our_notarize() -> None:
    node, block = machine(0), block_on(GENESIS, 1, 1)
    node.step(Due(), 0)
    node.step(TimedOut(), 200)
    node.step(Received(proposal(1, block, 0)), 210)
    assert [e.vote.kind for e in node.step(Executed(block.hash, True), 220) if isinstance(e, Persist)] == [NOTARIZE]


# ── others ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_observer_follows_and_says_nothing_of_its_own() -> None:
    block, node = block_on(GENESIS, 1, 1), machine(None)
    node.step(Due(), 0)
    node.step(Received(proposal(1, block, 0)), 0)
    node.step(Executed(block.hash, True), 5)
    effects = []
    for index in range(3):
        effects += node.step(Received(vote(index, FINALIZE, 1, block)), 10)
    assert Commit((block,), certificate(FINALIZE, 1, block)) in effects
    assert not any(isinstance(effect, Persist) for effect in effects)
    assert node.step(TimedOut(), 10_000) == []


def test_who_talks_of_views_decided_long_ago_gets_the_decision_not_too_often() -> None:
    blocks, node = chain_of(9), machine(0)
    decision = certificate(FINALIZE, 9, blocks[8])
    node.step(Received(decision), 0)
    old = vote(3, SKIP, 4)
    assert node.step(Received(old, "peer"), 1_000) == [Send("peer", decision)]
    assert node.step(Received(old, "peer"), 1_100) == []
    assert node.step(Received(old, "other"), 1_100) == [Send("other", decision)]
    assert node.step(Received(old, "peer"), 1_300) == [Send("peer", decision)]
    assert node.step(Received(vote(3, NOTARIZE, 8, blocks[7]), "late"), 1_300) == [], "a little late is no need"


def test_who_is_left_in_the_epoch_before_gets_the_certificate_that_ended_it() -> None:
    last = certificate(FINALIZE, 5, chain_of(5)[4])
    later = replace(DOMAIN, epoch=1)
    node = Simplex(FOUR.members, later, FOUR.signer(0), TIMEOUTS, Restored(5, last.block_hash, certificate=last))
    assert node.step(Received(vote(3, SKIP, 7), "peer"), 0) == [Send("peer", last)]
    assert node.step(Received(replace(vote(3, SKIP, 7), epoch=5), "other"), 0) == []
