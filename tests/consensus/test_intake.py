"""What is checked, what is dropped, what is refused: no signature twice, no memory for strangers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import rlp

from tests.consensus.blocks import GENESIS, block_on, make_block
from tests.consensus.net import DOMAIN, TIMEOUTS, real, toy_verify, toys
from zg_node.consensus.instance import Due, Effect, Execute, Executed, Message, Received, Report, Restored, TimedOut
from zg_node.consensus.intake import PROPOSALS_AHEAD_MAX, VIEWS_AHEAD_MAX
from zg_node.consensus.messages import Certificate, Proposal, Vote, VoteKind
from zg_node.consensus.record import PROPOSALS_BEHIND_MAX
from zg_node.consensus.simplex import Simplex, never_last
from zg_node.consensus.votes import Claim
from zg_node.errors import InvalidMessage
from zg_node.types.block import Block

NOTARIZE, SKIP, FINALIZE = VoteKind.NOTARIZE, VoteKind.SKIP, VoteKind.FINALIZE
BLOCK = block_on(GENESIS, 1, 1)
OTHER = block_on(GENESIS, 1, 2)


class Bench:
    """Validator 0 of four, and a count of the signatures that it checked."""

    def __init__(self, is_last: Callable[[Block], bool] = never_last) -> None:
        self.cast = toys(4)
        self.checked = 0
        self.machine = Simplex(
            *(self.cast.members, DOMAIN, self.cast.signer(0), TIMEOUTS, Restored(0, GENESIS.hash), is_last),
            verifier=self._verify,
        )

    def _verify(self, claims: Sequence[Claim]) -> list[bool]:
        self.checked += len(claims)
        return toy_verify(claims)

    def vote(self, index: int, kind: VoteKind, view: int = 1, block: Block | None = None) -> Vote:
        signer = self.cast.signer(index)
        return signer.vote(DOMAIN, kind, view, block.hash) if block else signer.vote(DOMAIN, kind, view)

    def certificate(
        self, kind: VoteKind, voters: Sequence[int], view: int = 1, block: Block | None = None
    ) -> Certificate:
        votes = [self.vote(index, kind, view, block) for index in voters]
        return Certificate(kind, 0, view, votes[0].block_hash, tuple((v.voter, v.signature) for v in votes))

    def proposal(self, view: int, block: Block, parent_view: int = 0) -> Proposal:
        return self.cast.signer(self.cast.members.leader(view)).proposal(DOMAIN, view, parent_view, block)

    def give(self, message: Message, now_ms: int = 0) -> list[Effect]:
        return self.machine.step(Received(message, "peer"), now_ms)

    def cost(self, message: Message, now_ms: int = 0) -> int:
        """Signatures checked for a message."""
        before = self.checked
        self.give(message, now_ms)
        return self.checked - before


@pytest.mark.parametrize("body", [b"", b"\xc1\x02", bytes(rlp.encode([b"no transaction"]))])
def test_a_genuine_proposal_with_another_body_changes_nothing(body: bytes) -> None:
    bench, proposal = Bench(), Bench().proposal(1, BLOCK)
    with pytest.raises(InvalidMessage, match="another body"):
        bench.give(replace(proposal, block=replace(BLOCK, body=body)))
    effects = bench.give(proposal)
    assert [effect.block for effect in effects if isinstance(effect, Execute)] == [BLOCK]


def test_a_proposal_that_comes_again_for_its_block_convicts_nobody() -> None:
    """Its block ends the epoch: it was proposed before, forgotten with that proposal, and then certified."""
    bench = Bench(is_last=lambda block: block.number == 1)
    again = bench.proposal(2, BLOCK, parent_view=1)
    bench.give(bench.proposal(1, BLOCK))
    bench.give(again)
    for view in range(1, PROPOSALS_BEHIND_MAX + 2):
        bench.give(bench.certificate(SKIP, (1, 2, 3), view))
    bench.give(bench.certificate(NOTARIZE, (1, 2, 3), 2, BLOCK))
    effects = bench.give(again)
    assert not any(isinstance(effect, Report) for effect in effects)
    assert [effect.block for effect in effects if isinstance(effect, Execute)] == [BLOCK]


# ── no signature twice ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_vote_that_is_known_is_not_checked_again() -> None:
    bench = Bench()
    assert [bench.cost(bench.vote(1, SKIP)) for _ in range(3)] == [1, 0, 0]


def test_of_a_certificate_only_the_unknown_signatures_are_checked() -> None:
    bench = Bench()
    bench.give(bench.vote(1, SKIP))
    bench.give(bench.vote(2, SKIP))
    assert bench.cost(bench.certificate(SKIP, (1, 2, 3))) == 1
    assert bench.machine.view == 2
    assert bench.cost(bench.certificate(SKIP, (0, 1, 3))) == 0, "the view has its certificate"


def test_a_certificate_with_another_signature_of_a_known_vote_is_checked_there_too() -> None:
    bench = Bench()
    bench.give(bench.vote(1, SKIP))
    sound = bench.certificate(SKIP, (1, 2, 3))
    bent = replace(sound, signatures=((1, bytes(65)), *sound.signatures[1:]))
    with pytest.raises(InvalidMessage, match="not signed by"):
        bench.give(bent)
    assert bench.machine.view == 1


def test_a_vote_that_only_repeats_a_certificate_is_not_checked() -> None:
    bench = Bench()
    bench.give(bench.certificate(SKIP, (0, 1, 2)))
    assert bench.cost(bench.vote(3, SKIP)) == 0
    assert bench.cost(replace(bench.vote(3, SKIP), signature=bytes(65))) == 0


def test_a_vote_against_the_certificate_is_checked_when_it_convicts() -> None:
    bench = Bench()
    bench.give(bench.certificate(NOTARIZE, (1, 2, 3), block=BLOCK))
    effects = bench.give(bench.vote(3, NOTARIZE, block=OTHER))
    assert [e.evidence.offender for e in effects if isinstance(e, Report)] == [3]
    assert bench.cost(bench.vote(3, NOTARIZE, block=OTHER)) == 0, "reported once"


def test_contradictions_are_noticed_after_the_decision_too() -> None:
    bench = Bench()
    bench.give(bench.certificate(FINALIZE, (1, 2, 3), block=BLOCK))
    effects = bench.give(bench.vote(2, SKIP))
    assert [e.evidence.offender for e in effects if isinstance(e, Report)] == [2]
    effects = bench.give(bench.certificate(FINALIZE, (0, 1, 3), block=OTHER))
    assert [e.evidence.offender for e in effects if isinstance(e, Report)] == [1, 3]
    assert bench.machine.final_view == 0


def test_what_the_shell_has_verified_is_not_checked_again() -> None:
    bench = Bench()
    certificate = bench.certificate(SKIP, (1, 2, 3))
    claims = bench.machine.claims(certificate)
    assert len(claims) == 3
    bench.machine.step(Received(certificate, "peer", frozenset(claims)), 0)
    assert (bench.checked, bench.machine.view) == (0, 2)


def test_what_the_shell_has_verified_of_another_message_counts_for_nothing() -> None:
    bench = Bench()
    claims = bench.machine.claims(bench.vote(1, SKIP))
    forged = replace(bench.vote(2, SKIP), signature=bench.vote(1, SKIP).signature)
    with pytest.raises(InvalidMessage):
        bench.machine.step(Received(forged, "peer", frozenset(claims)), 0)


def test_the_first_word_of_a_leader_that_missed_its_turn_is_listened_to() -> None:
    bench = Bench()
    bench.machine.step(Due(), 0)
    bench.machine.step(TimedOut(), 200)
    bench.give(bench.certificate(SKIP, (0, 2, 3)))
    bench.give(bench.certificate(SKIP, (0, 2, 3), view=2))
    late = bench.vote(1, SKIP, view=2)
    assert bench.cost(late) == 1, "redundant, but it says that validator 1 is back"
    assert bench.cost(late) == 0
    assert bench.cost(bench.vote(1, SKIP, view=1)) == 0


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def refusals() -> list[tuple[Message, str]]:
    bench = Bench()
    good, leader = bench.vote(1, SKIP), bench.cast.members.leader(1)
    stranger = replace(bench.proposal(1, BLOCK), leader=(leader + 1) % 4)
    thin = bench.certificate(SKIP, (1, 2))
    return [
        (replace(good, voter=2), "not signed by"),
        (replace(good, voter=4), "unknown validator 4"),
        (replace(good, view=2), "not signed by"),
        (thin, "no quorum"),
        (replace(thin, signatures=(*thin.signatures, (3, bytes(65)))), "not signed by"),
        (replace(thin, signatures=(*thin.signatures, (9, bytes(65)))), "unknown validator 9"),
        (stranger, "does not lead view 1"),
        (replace(bench.proposal(1, BLOCK), signature=bytes(65)), "not signed by"),
        (bench.proposal(1, BLOCK, parent_view=1), "not below its own"),
        (bench.proposal(2, BLOCK, parent_view=1), "does not end its epoch"),
    ]


@pytest.mark.parametrize(("message", "why"), refusals())
def test_what_no_honest_node_sends_is_refused_and_changes_nothing(message: Message, why: str) -> None:
    bench = Bench()
    with pytest.raises(InvalidMessage, match=why):
        bench.give(message)
    assert bench.machine.view == 1
    assert bench.machine.step(Due(), 0) == Bench().machine.step(Due(), 0)


def test_a_proposal_that_passes_over_a_finalised_block_is_dropped() -> None:
    bench = Bench()
    bench.give(bench.certificate(FINALIZE, (1, 2, 3), block=BLOCK))
    assert bench.cost(bench.proposal(2, make_block(GENESIS.hash, 1, 2, 5))) == 0


# ── bounded ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_votes_and_proposals_far_ahead_are_dropped_without_blame() -> None:
    bench = Bench()
    assert bench.cost(bench.vote(1, SKIP, view=1 + VIEWS_AHEAD_MAX)) == 1
    assert bench.cost(bench.vote(1, SKIP, view=2 + VIEWS_AHEAD_MAX)) == 0
    near, far = 1 + PROPOSALS_AHEAD_MAX, 2 + PROPOSALS_AHEAD_MAX
    assert bench.cost(bench.proposal(near, block_on(BLOCK, near, 1), 1)) == 1
    assert bench.cost(bench.proposal(far, block_on(BLOCK, far, 1), 1)) == 0


def test_a_third_block_of_an_equivocating_leader_is_not_even_checked() -> None:
    bench = Bench()
    blocks = [block_on(GENESIS, 1, salt) for salt in range(5)]
    effects = [bench.give(bench.proposal(1, block)) for block in blocks]
    assert [any(isinstance(e, Report) for e in step) for step in effects] == [False, True, False, False, False]
    assert bench.checked == 2
    assert [bench.machine.block(block.hash) is not None for block in blocks] == [True, False, False, False, False]


def test_proposals_of_views_given_up_long_ago_are_forgotten() -> None:
    bench = Bench()
    bench.give(bench.proposal(1, BLOCK))
    bench.machine.step(Executed(BLOCK.hash, False), 0)
    for view in range(1, 12):
        bench.give(bench.certificate(SKIP, (1, 2, 3), view=view))
    assert bench.machine.block(BLOCK.hash) is None


def test_a_thousand_views_leave_a_bounded_record() -> None:
    bench = Bench()
    parent = GENESIS
    for view in range(1, 1_001):
        block = block_on(parent, view, 1)
        bench.give(bench.proposal(view, block, view - 1))
        bench.machine.step(Executed(block.hash, True), 0)
        bench.give(bench.certificate(FINALIZE, (1, 2, 3), view=view, block=block))
        parent = block
    record = bench.machine._record
    assert bench.machine.final_view == 1_000
    assert len(record.views) <= 20
    assert len(record.tree) == 0
    assert all(state.proposal is None for state in record.views.values())


def test_a_node_that_is_far_behind_keeps_no_blocks_and_few_certificates() -> None:
    bench = Bench()
    parent = GENESIS
    for view in range(1, 1_001):
        parent = block_on(parent, view, 1)
        bench.give(bench.certificate(NOTARIZE, (1, 2, 3), view=view, block=parent))
        bench.give(bench.certificate(FINALIZE, (1, 2, 3), view=view, block=parent))
    record = bench.machine._record
    assert (len(record.tree), len(record.tree.wanted)) == (0, 1)
    assert len(record.finals) <= 64
    assert len(record.views) <= 20
    assert record.decided_view == 1_000


def test_real_signatures_are_told_from_forged_ones() -> None:
    cast = real(4)
    machine = Simplex(cast.members, DOMAIN, cast.signer(0), TIMEOUTS, Restored(0, GENESIS.hash))
    vote = cast.signer(1).vote(DOMAIN, SKIP, 1)
    machine.step(Received(vote, "peer"), 0)
    other_chain = cast.signer(2).vote(replace(DOMAIN, chain_id=1), SKIP, 1)
    with pytest.raises(InvalidMessage, match="not signed by"):
        machine.step(Received(other_chain, "peer"), 0)
