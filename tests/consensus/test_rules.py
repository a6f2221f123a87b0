"""Every rule of the protocol: a short schedule in which it matters, and which goes wrong when the rule is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import rlp

from tests.consensus.blocks import GENESIS, block_on
from tests.consensus.mutations import MUTATIONS, Mutation
from tests.consensus.net import Net, Violation, nothing_lost, toys
from zg_node.consensus.instance import Due, Message
from zg_node.consensus.messages import Certificate, Vote, VoteKind
from zg_node.consensus.pacemaker import Pacemaker

A, B = (block_on(GENESIS, 1, salt) for salt in (101, 102))
"""Two blocks for view 1, which validator 1 leads."""


def lost(kind: VoteKind, *views: int) -> Callable[[int, int, Message], bool]:
    """Loses these votes, and the certificates that they would be."""

    def drop(sender: int, receiver: int, message: Message) -> bool:
        return isinstance(message, Vote | Certificate) and message.kind is kind and message.view in views

    return drop


def due(net: Net) -> None:
    """A block is due everywhere; all that follows within a second."""
    for index in net.nodes:
        net.step(index, Due())
    net.run(net.now + 50)


# ── schedules ───────────────────────────────────────────────────────────────────────────────────────────────────────


def an_equivocating_leader_gets_one_block_notarized() -> None:
    net = Net(toys(4), traitors=[1], pace_ms=None)
    net.say(1, net.proposal(1, A), 0)
    net.say(1, net.proposal(1, B), 2, 3)
    net.say(1, net.vote(1, VoteKind.NOTARIZE, 1, B.hash))
    net.say(1, net.proposal(1, B), 0, after_ms=60)
    net.run(2_000)
    assert [vote.block_hash for vote in net.votes_of(0, VoteKind.NOTARIZE, 1)] == [A.hash]
    assert {evidence.offender for evidence in net.evidence.values()} == {1}
    net.pace_ms = 0
    due(net)
    net.run_to_height(3, 5_000)
    assert net.nodes[0].chain[0].hash == B.hash, "who had the other block takes the notarized one"


def finality_votes_are_lost_and_the_next_leader_is_dead() -> None:
    net = Net(toys(4), drop=lost(VoteKind.FINALIZE, 1))
    net.crash(2)
    net.run(1_000)
    assert not net.votes_of(0, VoteKind.SKIP, 1)
    net.run_to_height(3, 5_000)


def notarize_votes_come_after_the_timeout() -> None:
    net = Net(toys(4), pace_ms=None, drop=lost(VoteKind.NOTARIZE, 1))
    due(net)
    net.run(1_000)
    assert all(node.machine.view == 2 for node in net.nodes.values())
    assert all(net.votes_of(index, VoteKind.SKIP, 1) for index in net.nodes)
    net.drop = nothing_lost
    for index in net.nodes:
        net.say(index, net.votes_of(index, VoteKind.NOTARIZE, 1)[0])
    net.run(1_100)
    net.pace_ms = 0
    due(net)
    net.run_to_height(3, 5_000)


def a_proposal_passes_over_notarized_views() -> None:
    net = Net(toys(4), traitors=[3], pace_ms=None, drop=lost(VoteKind.FINALIZE, 1, 2))
    for _ in range(2):
        due(net)
    assert [node.machine.view for node in net.nodes.values()] == [3, 3, 3]
    net.say(3, net.proposal(3, block_on(GENESIS, 3, 1)))
    net.run(net.now + 50)
    assert not any(net.votes_of(index, VoteKind.NOTARIZE, 3) for index in net.nodes)


def a_proposal_builds_on_a_block_that_nobody_notarized() -> None:
    net = Net(toys(4), traitors=[2], pace_ms=None, drop=lost(VoteKind.FINALIZE, 1))
    due(net)
    net.say(2, net.proposal(2, block_on(A, 2, 1), parent_view=1))
    net.run(net.now + 50)
    assert not any(net.votes_of(index, VoteKind.NOTARIZE, 2) for index in net.nodes)


def all_is_well() -> None:
    Net(toys(4)).run_to_height(20, 2_000)


def a_notarized_block_fails_at_the_next_leader() -> None:
    """It holds more than a quorum without that node, but the finality votes of the traitor are missing."""
    net = Net(toys(4), traitors=[1])
    net.bad.add((2, A.hash))
    net.say(1, net.proposal(1, A))
    net.say(1, net.vote(1, VoteKind.NOTARIZE, 1, A.hash), after_ms=20)
    net.run(1_000)
    assert not net.votes_of(2, VoteKind.NOTARIZE, 1)
    assert net.votes_of(2, VoteKind.SKIP, 1)
    assert not net.nodes[2].chain


def a_block_fails_where_the_view_had_timed_out() -> None:
    """Rule 5 after a SKIP: the view's block comes, is notarized by the others, and fails here."""
    net = Net(toys(4), traitors=[1])
    net.bad.add((3, A.hash))
    net.run(250)
    assert net.votes_of(3, VoteKind.SKIP, 1)
    net.say(1, net.proposal(1, A))
    for voter in (0, 1, 2):
        net.say(voter, net.vote(voter, VoteKind.NOTARIZE, 1, A.hash), 3)
    net.run(1_000)
    assert not net.votes_of(3, VoteKind.FINALIZE, 1)


def a_crash_between_two_proposals_of_a_traitor() -> None:
    net = Net(toys(4), traitors=[1], pace_ms=None)
    net.say(1, net.proposal(1, A), 0)
    net.run(20)
    net.crash(0)
    net.restart(0)
    net.say(1, net.proposal(1, B), 0)
    net.run(2_000)
    assert len({vote.block_hash for vote in net.votes_of(0, VoteKind.NOTARIZE, 1)}) == 1


def an_epochs_last_block_is_not_final_in_its_view() -> None:
    net = Net(toys(4), drop=lost(VoteKind.FINALIZE, 2), is_last=lambda block: block.number == 2)
    net.run_to_height(2, 5_000)
    chain = net.nodes[0].chain
    assert chain[1].consensus.view == 2
    assert len(net.votes_of(0, VoteKind.FINALIZE, 3)) == 1, "it was proposed again in view 3, and is final by that"


def a_view_is_final_through_its_child() -> None:
    net = Net(toys(4), drop=lost(VoteKind.FINALIZE, 1))
    net.run_to_height(4, 2_000)


def a_traitor_forges_a_finality_certificate() -> None:
    net = Net(toys(4), traitors=[3])
    forged = Certificate(VoteKind.FINALIZE, 0, 1, b"\5" * 32, tuple((index, bytes(65)) for index in range(3)))
    net.say(3, forged, 0, after_ms=0)
    net.run_to_height(4, 5_000)


def a_leader_is_dead() -> None:
    net = Net(toys(4))
    net.crash(1)
    net.run_to_height(4, 2_000)


def halves_are_cut_off_and_come_together() -> None:
    net = Net(toys(4), drop=lambda sender, receiver, message: sender // 2 != receiver // 2)
    net.run(3_000)
    net.drop = nothing_lost
    net.run_to_height(4, 1_000)


def a_leader_withholds_its_block_from_one() -> None:
    net = Net(toys(4), traitors=[1])
    net.say(1, net.proposal(1, A), 0, 2)
    net.say(1, net.vote(1, VoteKind.NOTARIZE, 1, A.hash))
    net.run_to_height(4, 2_000)
    assert net.nodes[3].chain[0].hash == A.hash


def a_proposal_comes_to_one_with_another_body() -> None:
    net = Net(toys(4), traitors=[1])
    net.say(1, net.proposal(1, replace(A, body=rlp.encode([b"another"]))), 3)
    net.say(1, net.proposal(1, A), 0, 2)
    net.say(1, net.vote(1, VoteKind.NOTARIZE, 1, A.hash))
    net.run_to_height(4, 2_000)
    assert net.nodes[3].chain[0].body == A.body


SCHEDULES: dict[str, Callable[[], None]] = {
    "notarize twice in a view": an_equivocating_leader_gets_one_block_notarized,
    "skip after finalize": finality_votes_are_lost_and_the_next_leader_is_dead,
    "finalize after skip": notarize_votes_come_after_the_timeout,
    "notarize over a gap": a_proposal_passes_over_notarized_views,
    "notarize on any parent": a_proposal_builds_on_a_block_that_nobody_notarized,
    "finalize without a certificate": all_is_well,
    "finalize without our notarize": an_equivocating_leader_gets_one_block_notarized,
    "build on a block that failed": a_notarized_block_fails_at_the_next_leader,
    "take every execution for a success": a_notarized_block_fails_at_the_next_leader,
    "forget the votes at a restart": a_crash_between_two_proposals_of_a_traitor,
    "send what is not logged": all_is_well,
    "build on an epoch's last block": an_epochs_last_block_is_not_final_in_its_view,
    "a half is a quorum": all_is_well,
    "commit without the ancestors": a_view_is_final_through_its_child,
    "execute any body": a_proposal_comes_to_one_with_another_body,
    "believe every signature": a_traitor_forges_a_finality_certificate,
    "wait for a leader for ever": a_leader_is_dead,
    "say nothing twice": halves_are_cut_off_and_come_together,
    "fetch nothing": a_leader_withholds_its_block_from_one,
}


ALL = tuple(dict.fromkeys((*SCHEDULES.values(), a_block_fails_where_the_view_had_timed_out)))


@pytest.mark.parametrize("schedule", ALL)
def test_the_rules_hold_when(schedule: Callable[[], None]) -> None:
    schedule()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_breaking_a_rule_is_noticed(mutation: Mutation) -> None:
    with mutation.apply(), pytest.raises(AssertionError):
        SCHEDULES[mutation.name]()


# ── liveness that costs time only ───────────────────────────────────────────────────────────────────────────────────


def test_a_leader_that_is_known_to_be_dead_costs_no_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """liveness: skip_timeout. Every fourth view is skipped at once, but for the first time."""

    def forty_blocks() -> None:
        net = Net(toys(4))
        net.crash(2)
        net.run_to_height(40, 1_500)

    forty_blocks()
    monkeypatch.setattr(Pacemaker, "silent", lambda *_: False)
    with pytest.raises(Violation):
        forty_blocks()


def test_timeouts_grow_until_they_fit_a_slow_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """liveness: back-off. Messages take three times as long as the assumed bound."""

    def a_slow_network() -> None:
        Net(toys(4), delay_ms=300).run_to_height(3, 20_000)

    a_slow_network()
    start = Pacemaker.start
    monkeypatch.setattr(Pacemaker, "start", lambda self, _, now_ms: start(self, 0, now_ms))
    with pytest.raises(Violation):
        a_slow_network()
