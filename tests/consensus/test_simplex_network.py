"""Simplex machines as a network in virtual time."""

from __future__ import annotations

import pytest

from tests.consensus.blocks import GENESIS, block_on, make_block
from tests.consensus.machine import FINALIZE, NOTARIZE, SKIP
from tests.consensus.net import TIMEOUTS, Net, Violation, real, toys
from zg_node.consensus.evidence import Half
from zg_node.consensus.instance import Broadcast, Due, Received
from zg_node.consensus.messages import Certificate, Proposal, Vote, VoteKind


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


def test_a_bad_block_that_is_proposed_for_two_views_does_not_silence_who_restarts_between_them() -> None:
    """A header says by itself that its block ends the epoch, and such a block may be proposed again."""
    bad = make_block(GENESIS.hash, 9, 1, 101)
    net = Net(toys(4), traitors=[1], pace_ms=None, is_last=lambda block: block.number == bad.number)
    net.bad = {(index, bad.hash) for index in net.nodes}
    net.say(1, net.proposal(1, bad))
    net.say(1, net.proposal(5, bad, 4))
    net.run(500)
    assert net.votes_of(0, SKIP, 1)
    net.crash(0)
    net.restart(0)
    net.pace_ms = 0
    for index in net.nodes:
        net.step(index, Due())
    net.run_to_height(5, 5_000)


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
