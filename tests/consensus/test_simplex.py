"""Simplex as a state machine: what it does step by step, and as a network of them in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.consensus.blocks import GENESIS, block_on
from tests.consensus.net import DOMAIN, TIMEOUTS, Net, Violation, real, toys
from zg_node.consensus.evidence import Half
from zg_node.consensus.instance import (
    Behind,
    Broadcast,
    Commit,
    Diverged,
    Due,
    EpochEnded,
    Execute,
    Executed,
    Fetch,
    Fetched,
    Persist,
    Propose,
    Proposed,
    Received,
    Restored,
    Send,
    SetTimer,
    Started,
    Synced,
    TimedOut,
)
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


# ── alone ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lone_validator_finalises_its_block_in_one_step() -> None:
    node = Simplex(ALONE.members, DOMAIN, ALONE.signer(0), TIMEOUTS, Restored(0, GENESIS.hash), verifier=ALONE.verifier)
    assert node.step(Started(), 0) == []
    assert node.step(Due(), 50) == [Propose(1, GENESIS.hash), SetTimer(250)]
    block = block_on(GENESIS, 1, 1)
    effects = node.step(Proposed(1, block), 60)
    assert [type(effect) for effect in effects] == [Persist, Broadcast, Broadcast, Persist, Broadcast, Commit]
    assert node.view == 2
    assert node.final_hash == block.hash


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


def test_an_idle_view_has_no_timeout() -> None:
    node = machine(0)
    assert node.step(Started(), 0) == []
    assert node.step(TimedOut(), 10_000) == []


# ── together ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stakes", [(1, 1, 1, 1), (5, 1, 1, 1, 4), (3, 2, 2), (1, 1), (10, 1, 1, 1)])
def test_all_finalise_the_same_chain_in_two_delays_a_block(stakes: tuple[int, ...]) -> None:
    net = Net(toys(len(stakes), stakes))
    net.run_to_height(50, 2_000)
    assert net.now <= 50 * 2 * net.delay_ms + net.delay_ms


def test_a_block_is_final_after_three_delays_with_a_hundred_validators() -> None:
    net = Net(toys(100), pace_ms=None)
    for index in net.nodes:
        net.step(index, Due())
    net.run_to_height(1, 1_000)
    assert net.now == 3 * net.delay_ms


def test_real_signatures_do_as_well() -> None:
    Net(real(4)).run_to_height(3, 1_000)


def test_one_of_four_dead_keeps_seven_tenths_of_the_throughput() -> None:
    whole, less = Net(toys(4)), Net(toys(4))
    less.crash(1)
    less.run_to_height(10, 5_000)
    began = less.now
    less.run_to_height(110, 10_000)
    whole.run_to_height(100, 10_000)
    assert whole.now / (less.now - began) >= 0.7


def test_the_first_failure_of_a_leader_costs_its_timeout_and_two_delays() -> None:
    net = Net(toys(4))
    net.run_to_height(4, 1_000)
    net.crash(net.members.leader(net.nodes[0].machine.view + 1))
    heights, began = len(net.nodes[0].chain), net.now
    net.run_to_height(heights + 3, 2_000)
    undisturbed = 3 * 2 * net.delay_ms
    assert net.now - began <= undisturbed + 2 * TIMEOUTS.delta_ms + 2 * net.delay_ms


def test_two_of_four_dead_finalise_nothing() -> None:
    net = Net(toys(4))
    net.crash(0)
    net.crash(1)
    net.run(5_000)
    assert all(not net.nodes[index].chain for index in (2, 3))


def test_a_restarted_leader_is_heard_and_gets_its_time_again() -> None:
    net = Net(toys(4))
    net.crash(2)
    net.run_to_height(20, 5_000)
    net.restart(2)
    net.run_to_height(60, 10_000)
    views = {block.consensus.view % 4 for block in net.nodes[0].chain[-8:]}
    assert views == {0, 1, 2, 3}


def test_a_validator_whose_votes_always_come_too_late_still_leads() -> None:
    """Its one failure does not silence it for ever: late votes are listened to until one has been heard."""
    net = Net(toys(4))
    late = 3

    def slow(sender: int, receiver: int, message: object) -> bool:
        return sender == late and net.now < 400

    net.drop = slow
    net.run(500)
    net.run_to_height(len(net.nodes[0].chain) + 20, 5_000)
    assert any(block.consensus.view % 4 == late for block in net.nodes[0].chain[-8:])


def test_a_partition_heals_within_the_standstill_period() -> None:
    net = Net(toys(4))
    net.run_to_height(5, 1_000)
    net.drop = lambda sender, receiver, _: sender % 2 != receiver % 2
    net.run(net.now + 10_000)
    height, healed = len(net.nodes[0].chain), net.now
    net.drop = lambda *_: False
    net.run_to_height(height + 1, 1_000)
    assert net.now - healed <= TIMEOUTS.standstill_ms + 6 * net.delay_ms


def test_everybody_may_restart_at_any_time() -> None:
    for moment in range(5, 60, 3):
        net = Net(toys(4))
        net.run(200 + moment)
        for index in net.nodes:
            net.crash(index)
            net.restart(index)
        net.run_to_height(len(net.nodes[0].chain) + 8, 5_000)


def test_certificates_outlive_a_restart_of_all_who_saw_the_traitors_vote() -> None:
    """Two of three honest ones finalised a block with a quorum that the traitor then denies: without the certificate
    in their logs nobody could leave the view any more."""
    block = block_on(GENESIS, 1, 101)
    net = Net(toys(4), traitors=[1], pace_ms=None)
    net.say(1, net.proposal(1, block), 0, 2)
    net.say(1, net.vote(1, NOTARIZE, 1, block.hash), 0, 2)
    net.run(35)
    assert net.votes_of(0, FINALIZE, 1)
    for index in net.nodes:
        net.crash(index)
    net.pace_ms = 0
    for index in net.nodes:
        net.restart(index)
    net.run_to_height(3, 5_000)


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_clock_starts_with_a_proposal_or_with_another_validators_skip() -> None:
    for message in (proposal(1, block_on(GENESIS, 1, 1), 0), vote(2, SKIP, 1)):
        node = machine(0)
        effects = node.step(Received(message), 50)
        assert SetTimer(250) in effects or SetTimer(350) in effects


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


def test_a_proposal_that_comes_after_our_skip_still_gets_our_notarize() -> None:
    node, block = machine(0), block_on(GENESIS, 1, 1)
    node.step(Due(), 0)
    node.step(TimedOut(), 200)
    node.step(Received(proposal(1, block, 0)), 210)
    assert [e.vote.kind for e in node.step(Executed(block.hash, True), 220) if isinstance(e, Persist)] == [NOTARIZE]


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


def certificate_of(only: Vote) -> Certificate:
    return Certificate(only.kind, only.epoch, only.view, only.block_hash, ((only.voter, only.signature),))


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


def test_the_next_leader_shows_why_it_passes_over_views() -> None:
    net = Net(toys(4))
    net.crash(1)
    net.run_to_height(1, 2_000)
    sent = [effect.message for _, index, effect in net.effects if index == 2 and isinstance(effect, Broadcast)]
    first = next(place for place, message in enumerate(sent) if isinstance(message, Proposal))
    skip = sent[first - 1]
    assert isinstance(skip, Certificate)
    assert (skip.kind, skip.view) == (SKIP, 1)


def test_above_a_third_the_evidence_names_the_traitors() -> None:
    """Two of four tell each half another story; both halves finalise, and both learn who lied."""
    net = Net(toys(4), traitors=[1, 2], pace_ms=None)
    blocks = [block_on(GENESIS, 1, salt) for salt in (101, 102)]
    for honest, block in zip((0, 3), blocks, strict=True):
        net.say(1, net.proposal(1, block), honest)
        for traitor in (1, 2):
            for kind in (NOTARIZE, FINALIZE):
                net.say(traitor, net.vote(traitor, kind, 1, block.hash), honest, after_ms=15)
    with pytest.raises(Violation, match="two blocks are final"):
        net.run(40)
    others = {0: blocks[1], 3: blocks[0]}
    for honest, block in others.items():
        for traitor in (1, 2):
            for kind in (NOTARIZE, FINALIZE):
                net.step(honest, Received(net.vote(traitor, kind, 1, block.hash)))
    offences = {(e.offender, kind_of(e.first), kind_of(e.second)) for e in net.evidence.values()}
    assert offences >= {(traitor, kind, kind) for traitor in (1, 2) for kind in (NOTARIZE, FINALIZE)}


def kind_of(half: Half) -> VoteKind | None:
    return half.kind if isinstance(half, Vote) else None
