"""Contradictory signatures: what convicts, what does not, what it costs, and whom."""

from __future__ import annotations

import pytest

from tests.contracts.books import owed
from tests.contracts.staking_chain import (
    COIN,
    OPERATORS,
    STAKES,
    UNBONDING_EPOCHS,
    VOTERS,
    StakingChain,
    account,
    explain,
    genesis_validator,
    sign,
)
from tests.contracts.validators import create, register
from zg_node.consensus.messages import Domain, VoteKind
from zg_node.contracts import staking
from zg_node.contracts.staking import PROPOSAL, Statement
from zg_node.errors import Reverted

ALICE, BOB = 0, 1
OFFENDER = genesis_validator(1)
A, B, NONE = b"\xaa" * 32, b"\xbb" * 32, bytes(32)
VIEW = 9


def statement(
    chain: StakingChain, kind: int, block_hash: bytes, *, voter: int = VOTERS[1], epoch: int = 0, view: int = VIEW,
    parent_view: int = 0, shard: int = 0,
) -> Statement:  # fmt: skip
    """What a validator signs, by the node's own digests."""
    domain = Domain(chain.genesis.network, chain.genesis.chain_id(shard), epoch)
    if kind == PROPOSAL:
        digest = domain.proposal_digest(view, parent_view, block_hash)
    else:
        digest = domain.vote_digest(VoteKind(kind), view, block_hash)
    return Statement(kind, parent_view, block_hash, sign(voter, digest))


def evidence(chain: StakingChain, first: Statement, second: Statement, *, epoch: int = 0, shard: int = 0) -> bytes:
    return staking.submit_evidence(chain.genesis.chain_id(shard), epoch, VIEW, first, second)


def verdict(chain: StakingChain, data: bytes) -> str:
    """The contract's error, or "guilty"."""
    try:
        chain.call(data, sender=BOB)
    except Reverted as error:
        return explain(error)
    return "guilty"


def convict(chain: StakingChain, *, epoch: int = 0) -> None:
    pair = [statement(chain, VoteKind.NOTARIZE, block, epoch=epoch) for block in (A, B)]
    assert chain.send(BOB, evidence(chain, pair[0], pair[1], epoch=epoch)).success


GUILTY = [
    (VoteKind.NOTARIZE, A, 0, VoteKind.NOTARIZE, B, 0),
    (VoteKind.FINALIZE, A, 0, VoteKind.FINALIZE, B, 0),
    (VoteKind.SKIP, NONE, 0, VoteKind.FINALIZE, A, 0),
    (VoteKind.FINALIZE, A, 0, VoteKind.SKIP, NONE, 0),
    (PROPOSAL, A, 3, PROPOSAL, B, 3),
    (PROPOSAL, A, 3, PROPOSAL, A, 2),
]
INNOCENT = [
    (VoteKind.NOTARIZE, A, 0, VoteKind.NOTARIZE, A, 0),
    (VoteKind.NOTARIZE, A, 0, VoteKind.FINALIZE, A, 0),
    (VoteKind.NOTARIZE, A, 0, VoteKind.FINALIZE, B, 0),
    (VoteKind.NOTARIZE, A, 0, VoteKind.SKIP, NONE, 0),
    (VoteKind.SKIP, NONE, 0, VoteKind.SKIP, NONE, 0),
    (VoteKind.SKIP, A, 0, VoteKind.SKIP, B, 0),
    (PROPOSAL, A, 3, PROPOSAL, A, 3),
    (PROPOSAL, A, 3, VoteKind.NOTARIZE, B, 0),
]


@pytest.mark.parametrize("shard", [0, 5])
@pytest.mark.parametrize(("kind", "block", "parent", "other_kind", "other_block", "other_parent"), GUILTY)
def test_contradictions_convict_on_every_shard(
    chain: StakingChain, kind: int, block: bytes, parent: int, other_kind: int, other_block: bytes, other_parent: int,
    shard: int,
) -> None:  # fmt: skip
    first = statement(chain, kind, block, parent_view=parent, shard=shard)
    second = statement(chain, other_kind, other_block, parent_view=other_parent, shard=shard)
    receipt = chain.send(BOB, evidence(chain, first, second, shard=shard))
    assert receipt.success
    [(name, fields)] = receipt.events
    assert (name, fields["validator"]) == ("Slashed", "0x" + OFFENDER.hex())
    assert fields["amount"] == STAKES[1] * COIN // 20


@pytest.mark.parametrize(("kind", "block", "parent", "other_kind", "other_block", "other_parent"), INNOCENT)
def test_what_an_honest_validator_may_sign_convicts_nobody(
    chain: StakingChain, kind: int, block: bytes, parent: int, other_kind: int, other_block: bytes, other_parent: int
) -> None:
    first = statement(chain, kind, block, parent_view=parent)
    second = statement(chain, other_kind, other_block, parent_view=other_parent)
    assert verdict(chain, evidence(chain, first, second)) == "NotContradictory()"


def test_two_signatures_of_one_vote_convict_nobody(chain: StakingChain) -> None:
    """From (r, s, v) anyone makes (r, n − s, 1 − v), which recovers to the same voter."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    vote = statement(chain, VoteKind.NOTARIZE, A)
    s = order - int.from_bytes(vote.signature[32:64], "big")
    forged = vote.signature[:32] + s.to_bytes(32, "big") + bytes([1 - vote.signature[64]])
    twin = Statement(vote.kind, 0, A, forged)
    assert verdict(chain, evidence(chain, vote, twin)) == "NotContradictory()"
    other = statement(chain, VoteKind.NOTARIZE, B)
    assert verdict(chain, evidence(chain, twin, other)) == "guilty", "it is a signature all the same"


def test_evidence_is_bound_to_its_voter_view_epoch_and_chain(chain: StakingChain) -> None:
    vote = statement(chain, VoteKind.NOTARIZE, A)
    others = [
        statement(chain, VoteKind.NOTARIZE, B, voter=VOTERS[2]),
        statement(chain, VoteKind.NOTARIZE, B, view=VIEW + 1),
        statement(chain, VoteKind.NOTARIZE, B, epoch=1),
        statement(chain, VoteKind.NOTARIZE, B, shard=1),
        Statement(VoteKind.NOTARIZE, 0, B, bytes(65)),
        Statement(VoteKind.NOTARIZE, 0, B, b""),
        Statement(VoteKind.NOTARIZE, 0, B, vote.signature[:64] + b"\x1b"),
        Statement(VoteKind.NOTARIZE, 0, B, vote.signature + b"\0"),
    ]
    for other in others:
        assert verdict(chain, evidence(chain, vote, other)) == "NotSameSigner()"
    strangers = [statement(chain, VoteKind.NOTARIZE, block, voter=99) for block in (A, B)]
    assert verdict(chain, evidence(chain, strangers[0], strangers[1])) == "UnknownValidator()"
    nobody = [Statement(VoteKind.NOTARIZE, 0, block, bytes(65)) for block in (A, B)]
    assert verdict(chain, evidence(chain, nobody[0], nobody[1])) == "NotSameSigner()"


def test_evidence_ages_with_the_unbonding_period(chain: StakingChain) -> None:
    pair = [statement(chain, VoteKind.NOTARIZE, block) for block in (A, B)]
    early = [statement(chain, VoteKind.NOTARIZE, block, epoch=2) for block in (A, B)]
    assert verdict(chain, evidence(chain, early[0], early[1], epoch=2)) == "EvidenceOutOfTime(0)"
    chain.end_epochs(UNBONDING_EPOCHS - 1)
    assert verdict(chain, evidence(chain, pair[0], pair[1])) == "guilty"
    chain.end_epoch()
    assert verdict(chain, evidence(chain, pair[0], pair[1])) == f"EvidenceOutOfTime({UNBONDING_EPOCHS})"
    last = 2**64 - 1
    forever = [statement(chain, VoteKind.NOTARIZE, block, epoch=last) for block in (A, B)]
    with pytest.raises(Reverted):
        chain.call(evidence(chain, forever[0], forever[1], epoch=last))


# ── what it costs ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_validator_is_slashed_once_and_never_comes_back(chain: StakingChain) -> None:
    reserve = chain.read("reserve")
    convict(chain)
    info = chain.info(OFFENDER)
    assert info.tokens == STAKES[1] * COIN * 95 // 100
    assert (info.tombstoned, info.candidate) == (True, False)
    assert chain.read("reserve") == reserve + STAKES[1] * COIN * 5 // 100
    again = [statement(chain, VoteKind.FINALIZE, block) for block in (A, B)]
    assert verdict(chain, evidence(chain, again[0], again[1])) == "IsTombstoned()"
    operator = OPERATORS[1]
    assert chain.refusal(ALICE, "delegate", OFFENDER, value=COIN) == "IsTombstoned()"
    assert chain.refusal(operator, "enlist", OFFENDER) == "IsTombstoned()"
    assert chain.refusal(operator, "unjail", OFFENDER) == "IsTombstoned()"
    chain.end_epoch()
    assert account(VOTERS[1]) not in chain.members(staking.next_set_call())
    assert chain.info(OFFENDER).commission_owed == 0, "no rewards either"


def test_a_replaced_vote_key_still_convicts(chain: StakingChain) -> None:
    validator = create(chain, ALICE, stake=100)
    register(chain, ALICE, 300)
    register(chain, ALICE, 301)
    pair = [statement(chain, VoteKind.NOTARIZE, block, voter=300) for block in (A, B)]
    assert chain.send(BOB, evidence(chain, pair[0], pair[1])).success
    assert chain.info(validator).tombstoned


def test_who_left_before_the_offence_came_out_pays_as_who_stayed(chain: StakingChain) -> None:
    for delegator in (ALICE, BOB, 2):
        chain.do(delegator, "delegate", OFFENDER, value=100 * COIN)
    chain.do(2, "undelegate", OFFENDER, 100 * COIN)  # matures before the slash
    chain.end_epochs(UNBONDING_EPOCHS)
    chain.do(ALICE, "undelegate", OFFENDER, 100 * COIN)
    chain.end_epoch()
    convict(chain, epoch=chain.epoch)
    chain.do(BOB, "undelegate", OFFENDER, 100 * COIN)
    [leaving] = chain.read("unbondingOf", account(ALICE))
    [staying] = chain.read("unbondingOf", account(BOB))
    [gone] = chain.read("unbondingOf", account(2))
    assert (leaving[4], staying[4], gone[4]) == (95 * COIN, 95 * COIN, 100 * COIN)
    reserve = chain.read("reserve")
    chain.end_epochs(UNBONDING_EPOCHS)
    paid = reserve - chain.read("reserve")
    before = {who: chain.balance(account(who)) for who in (ALICE, BOB, 2)}
    for who in (ALICE, BOB, 2):
        chain.do(3, "withdraw", account(who))
    assert [chain.balance(account(who)) - before[who] for who in (ALICE, BOB, 2)] == [95 * COIN, 95 * COIN, 100 * COIN]
    assert chain.read("reserve") == reserve - paid + 5 * COIN
    assert 0 <= chain.balance(staking.STAKING) - owed(chain, [ALICE, BOB, 2]) < 500


def test_rounding_after_a_slash_never_pays_more_than_there_is(chain: StakingChain) -> None:
    chain.do(ALICE, "delegate", OFFENDER, value=10 * COIN + 7)
    chain.do(BOB, "delegate", OFFENDER, value=10 * COIN + 3)
    convict(chain)
    for part in (1, 3, 7, COIN, 9 * COIN - 5):
        chain.do(ALICE, "undelegate", OFFENDER, part)
    for who, index in ((ALICE, None), (BOB, None), (OPERATORS[1], 1)):
        chain.do(who, "undelegate", OFFENDER, chain.read("delegationOf", OFFENDER, account(who))[0])
        assert index is None or chain.info(OFFENDER).tokens == 0
    chain.end_epochs(UNBONDING_EPOCHS)
    for who in (ALICE, BOB, OPERATORS[1]):
        chain.do(3, "withdraw", account(who))
    assert 0 <= chain.balance(staking.STAKING) - owed(chain, [ALICE, BOB]) < 500
