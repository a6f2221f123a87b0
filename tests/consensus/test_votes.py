"""Validator sets: quorums by stake, turns in proportion to it, and what a certificate needs."""

from __future__ import annotations

from collections import Counter

import pytest
from coincurve import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.consensus.net import DOMAIN, toy_verify, toys
from zg_node.consensus.leader import TURNS_PER_VALIDATOR, schedule
from zg_node.consensus.messages import Certificate, VoteKind
from zg_node.consensus.votes import (
    VALIDATORS_MAX,
    Claim,
    Validator,
    ValidatorSet,
    VoteTally,
    address_of,
    verify,
)
from zg_node.errors import InvalidMessage
from zg_node.types.hashing import ZERO_HASH, keccak

stakes = st.lists(st.integers(1, 10**24), min_size=1, max_size=40)


@given(stakes)
def test_two_quorums_share_more_than_a_third_of_the_stake(weights: list[int]) -> None:
    members = toys(len(weights), weights).members
    assert 3 * (2 * members.quorum - members.total) > members.total
    faulty = (members.total - 1) // 3
    assert members.quorum <= members.total - faulty, "the honest ones are a quorum"


@given(stakes)
def test_turns_are_in_proportion_to_stake(weights: list[int]) -> None:
    turns = Counter(schedule(weights))
    length = sum(turns.values())
    if len(set(weights)) == 1:
        assert set(turns.values()) == {1}
    else:
        assert length == TURNS_PER_VALIDATOR * len(weights)
        for index, stake in enumerate(weights):
            assert abs(turns[index] - stake * length / sum(weights)) < len(weights)


@pytest.mark.parametrize(
    "validators",
    [
        (),
        (Validator(b"\2" * 20, 1), Validator(b"\1" * 20, 1)),
        (Validator(b"\1" * 20, 1), Validator(b"\1" * 20, 1)),
        (Validator(b"\1" * 20, 0),),
        tuple(Validator(n.to_bytes(20, "big"), 1) for n in range(VALIDATORS_MAX + 1)),
    ],
    ids=["none", "unordered", "twice", "no stake", "too many"],
)
def test_what_is_no_validator_set(validators: tuple[Validator, ...]) -> None:
    with pytest.raises(ValueError, match="a validator set"):
        ValidatorSet(validators)


def test_a_sets_hash_is_pinned() -> None:
    members = toys(3, (5, 1, 7)).members
    packed = b"".join(n.to_bytes(20, "big") + stake.to_bytes(32, "big") for n, stake in ((1, 5), (2, 1), (3, 7)))
    assert members.hash() == keccak(packed)


def test_a_tally_counts_stake_and_each_validator_once() -> None:
    cast = toys(4, (1, 1, 1, 4))
    tally = VoteTally(cast.members)
    votes = [cast.signer(index).vote(DOMAIN, VoteKind.SKIP, 1) for index in range(4)]
    assert [tally.add(vote) for vote in (votes[0], votes[0], votes[3])] == [True, False, True]
    found = tally.certificate(ZERO_HASH)
    assert found is not None
    assert [voter for voter, _ in found.signatures] == [0, 3]
    cast.members.check_certificate(DOMAIN, found, toy_verify)


@given(stakes)
def test_votes_include_an_honest_one_as_soon_as_they_hold_more_than_the_faulty_can(weights: list[int]) -> None:
    cast = toys(len(weights), weights)
    tally, held = VoteTally(cast.members), 0
    for index in range(len(weights)):
        tally.add(cast.signer(index).vote(DOMAIN, VoteKind.SKIP, 1))
        held += weights[index]
        assert tally.includes_honest(ZERO_HASH) == (3 * held >= cast.members.total)


def test_votes_for_different_blocks_do_not_add_up() -> None:
    cast = toys(4)
    tally = VoteTally(cast.members)
    for index, block_hash in enumerate((b"\1" * 32, b"\1" * 32, b"\2" * 32, b"\2" * 32)):
        tally.add(cast.signer(index).vote(DOMAIN, VoteKind.NOTARIZE, 1, block_hash))
    assert tally.certificate(b"\1" * 32) is None
    assert tally.certificate(b"\2" * 32) is None


def test_a_certificate_of_another_epoch_proves_nothing() -> None:
    cast = toys(1)
    vote = cast.signer(0).vote(DOMAIN, VoteKind.SKIP, 1)
    certificate = Certificate(VoteKind.SKIP, 1, 1, ZERO_HASH, ((0, vote.signature),))
    with pytest.raises(InvalidMessage, match="of epoch 1, not 0"):
        cast.members.check_certificate(DOMAIN, certificate, toy_verify)


def test_the_plain_verifier_takes_only_the_form_of_a_signature_that_signers_make() -> None:
    key = PrivateKey((7).to_bytes(32, "big"))
    digest = b"\2" * 32
    address = address_of(key.public_key)
    good = key.sign_recoverable(digest, hasher=None)
    order = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
    high = good[:32] + (order - int.from_bytes(good[32:64], "big")).to_bytes(32, "big") + bytes([good[64] ^ 1])
    forms = [good, high, good[:64] + bytes([good[64] ^ 1]), good[:64] + b"\x04", good[:64], good + b"\0", bytes(65)]
    claims = [Claim(address, digest, form) for form in forms]
    assert verify(claims) == (True, *[False] * 6)
    assert [verify([claim])[0] for claim in claims] == [True, *[False] * 6]
    assert verify([Claim(address, digest[:31], good), *[claims[0]] * 20]) == (False, *[True] * 20)
