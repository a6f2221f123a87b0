"""Evidence: what convicts whom, in one form however it was found, checkable by `ecrecover` alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from coincurve import PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consensus.blocks import GENESIS, block_on
from tests.consensus.net import real
from zg_node.consensus.evidence import EVIDENCE_MAX_BYTES, Evidence, Half, Seal, contradiction
from zg_node.consensus.messages import Domain, Vote, VoteKind
from zg_node.consensus.votes import address_of
from zg_node.errors import InvalidMessage
from zg_node.types.hashing import ZERO_HASH, keccak

CAST = real(4)
DOMAIN = Domain(b"\7" * 32, 1_660_201, 3)
A, B = b"\1" * 32, b"\2" * 32
NOTARIZE, SKIP, FINALIZE = VoteKind.NOTARIZE, VoteKind.SKIP, VoteKind.FINALIZE
LEADER = CAST.members.leader(9)


def vote(kind: VoteKind, block_hash: bytes = ZERO_HASH, view: int = 9, voter: int = LEADER) -> Vote:
    return CAST.signer(voter).vote(DOMAIN, kind, view, block_hash)


def seal(block_hash: bytes, parent_view: int = 8, view: int = 9, leader: int = LEADER) -> Seal:
    digest = DOMAIN.proposal_digest(view, parent_view, block_hash)
    signature = CAST.keys[leader].sign_recoverable(digest, hasher=None)
    return Seal(DOMAIN.epoch, view, parent_view, block_hash, leader, signature)


OFFENCES: list[tuple[Half, Half]] = [
    (vote(NOTARIZE, A), vote(NOTARIZE, B)),
    (vote(SKIP), vote(FINALIZE, A)),
    (vote(FINALIZE, A), vote(FINALIZE, B)),
    (seal(A), seal(B)),
    (seal(A, parent_view=6), seal(A, parent_view=7)),
]
INNOCENT: list[tuple[Half, Half]] = [
    (vote(NOTARIZE, A), vote(NOTARIZE, A)),
    (vote(NOTARIZE, A), vote(SKIP)),
    (vote(NOTARIZE, A), vote(FINALIZE, A)),
    (vote(SKIP), vote(SKIP)),
    (vote(NOTARIZE, A), vote(NOTARIZE, B, view=10)),
    (vote(NOTARIZE, A), vote(NOTARIZE, B, voter=(LEADER + 1) % 4)),
    (seal(A), seal(A)),
    (seal(A), seal(B, view=13)),
    (seal(A), vote(NOTARIZE, B)),
    (seal(A, leader=(LEADER + 1) % 4), seal(B, leader=(LEADER + 1) % 4)),
]


@pytest.mark.parametrize(("one", "other"), OFFENCES)
def test_two_statements_that_no_honest_validator_makes_convict(one: Half, other: Half) -> None:
    evidence = Evidence.of(DOMAIN, one, other)
    evidence.check(CAST.members, DOMAIN)
    assert (evidence.offender, evidence.epoch, evidence.view) == (LEADER, 3, 9)
    assert evidence == Evidence.of(DOMAIN, other, one)


@pytest.mark.parametrize(("one", "other"), INNOCENT)
def test_nothing_else_does(one: Half, other: Half) -> None:
    for first, second in ((one, other), (other, one)):
        with pytest.raises(InvalidMessage):
            Evidence(DOMAIN.chain_id, first, second).check(CAST.members, DOMAIN)


@pytest.mark.parametrize(("one", "other"), OFFENCES)
def test_a_contract_can_check_it_by_digests_and_ecrecover(one: Half, other: Half) -> None:
    evidence = Evidence.of(DOMAIN, one, other)
    for half, claim in zip((evidence.first, evidence.second), evidence.claims(CAST.members, DOMAIN), strict=True):
        bound = DOMAIN.network + b"".join(n.to_bytes(8, "big") for n in (DOMAIN.chain_id, DOMAIN.epoch, half.view))
        if isinstance(half, Seal):
            preimage = b"ZGPROP1\0" + bound + half.parent_view.to_bytes(8, "big") + half.block_hash
        else:
            preimage = b"ZGVOTE1" + bytes([half.kind]) + bound + half.block_hash
        assert claim.digest == keccak(preimage)
        recovered = PublicKey.from_signature_and_message(half.signature, keccak(preimage), hasher=None)
        assert address_of(recovered) == CAST.members.validators[LEADER].address


@pytest.mark.parametrize(
    "forge", [lambda half: replace(half, signature=bytes(65)), lambda half: replace(half, epoch=4)]
)
def test_a_forged_half_convicts_nobody(forge: Callable[[Half], Half]) -> None:
    evidence = Evidence.of(DOMAIN, *OFFENCES[0])
    for forged in (
        replace(evidence, first=forge(evidence.first)),
        replace(evidence, second=forge(evidence.second)),
        replace(evidence, chain_id=1),
    ):
        with pytest.raises(InvalidMessage):
            forged.check(CAST.members, DOMAIN)


def test_the_halves_have_one_order() -> None:
    evidence = Evidence.of(DOMAIN, *OFFENCES[0])
    swapped = Evidence(evidence.chain_id, evidence.second, evidence.first)
    with pytest.raises(InvalidMessage, match="do not contradict"):
        swapped.check(CAST.members, DOMAIN)


def test_equal_offences_have_equal_ids_and_others_have_others() -> None:
    ids = [Evidence.of(DOMAIN, *pair).id for pair in OFFENCES]
    assert len(set(ids)) == len(ids)
    for pair, identity in zip(OFFENCES, ids, strict=True):
        resigned = replace(pair[0], signature=b"\5" * 65)
        assert Evidence.of(DOMAIN, pair[1], resigned).id == identity
        assert Evidence.of(replace(DOMAIN, chain_id=1), *pair).id != identity


@pytest.mark.parametrize(("one", "other"), OFFENCES)
def test_it_comes_back_from_its_encoding(one: Half, other: Half) -> None:
    evidence = Evidence.of(DOMAIN, one, other)
    encoded = evidence.encode()
    assert len(encoded) <= EVIDENCE_MAX_BYTES
    assert Evidence.decode(encoded) == evidence
    for end in range(len(encoded)):
        with pytest.raises(InvalidMessage):
            Evidence.decode(encoded[:end])


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_no_evidence(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        Evidence.decode(data)


@settings(max_examples=50)
@given(st.data())
def test_a_flipped_bit_is_refused_or_convicts_nobody(data: st.DataObject) -> None:
    encoded = bytearray(Evidence.of(DOMAIN, *data.draw(st.sampled_from(OFFENCES))).encode())
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidMessage):
        Evidence.decode(bytes(encoded)).check(CAST.members, DOMAIN)


def test_the_form_is_pinned() -> None:
    assert (
        keccak(Evidence.of(DOMAIN, *OFFENCES[1]).encode()).hex()
        == "fa4bd15cb7b6c7a452bb2a61c0e3cd1bcbd9290fe859f7c7f8d636016aa4ce54"
    )
    assert (
        Evidence.of(DOMAIN, *OFFENCES[3]).id.hex() == "3736c33e826d6b35588021c8513e07739e3e4f321050023575c64939a451374f"
    )


def test_a_vote_is_held_against_all_earlier_ones_of_its_voter() -> None:
    assert contradiction(DOMAIN, (vote(NOTARIZE, A), vote(SKIP)), vote(FINALIZE, A)) == Evidence.of(
        DOMAIN, vote(SKIP), vote(FINALIZE, A)
    )
    assert contradiction(DOMAIN, (vote(NOTARIZE, A), vote(SKIP)), vote(NOTARIZE, A)) is None


def test_a_seal_says_what_the_leader_signed() -> None:
    block = block_on(GENESIS, 9, 0)
    proposal = CAST.signer(LEADER).proposal(replace(DOMAIN, epoch=0), 9, 0, block)
    sealed = Seal.of(proposal)
    digest = replace(DOMAIN, epoch=0).proposal_digest(sealed.view, sealed.parent_view, sealed.block_hash)
    assert digest == CAST.members.proposal_claim(replace(DOMAIN, epoch=0), proposal).digest
    assert (sealed.leader, sealed.signature) == (LEADER, proposal.signature)
