"""Votes, certificates and proposals on the wire: what is encoded comes back, nothing else is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import rlp
from coincurve import PrivateKey, PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tests.consensus.blocks import GENESIS, block_on, make_block
from tests.db.damage import flip
from zg_node.consensus.messages import (
    CERTIFICATE_MAX_BYTES,
    PROPOSAL_MAX_BYTES,
    SIGNATURE_BYTES,
    VOTE_MAX_BYTES,
    Certificate,
    Domain,
    Proposal,
    Vote,
    VoteKind,
)
from zg_node.consensus.votes import Signer, Validator, ValidatorSet, address_of, require
from zg_node.errors import InvalidMessage
from zg_node.types.block import Block
from zg_node.types.hashing import ZERO_HASH, keccak

DOMAIN = Domain(b"\7" * 32, 1_660_200, 0)
KEY = PrivateKey(b"\1" * 32)
SIGNER = Signer(KEY, 0)
ALONE = ValidatorSet((Validator(address_of(KEY.public_key), 1),))
BLOCK = block_on(GENESIS, 3, 0)
VOTE = SIGNER.vote(DOMAIN, VoteKind.NOTARIZE, 3, BLOCK.hash)
SKIP = SIGNER.vote(DOMAIN, VoteKind.SKIP, 3)
CERTIFICATE = Certificate(VoteKind.FINALIZE, 0, 3, BLOCK.hash, ((0, b"\2" * 65), (3, b"\3" * 65)))
PROPOSAL = SIGNER.proposal(DOMAIN, 3, 0, BLOCK)

hashes = st.binary(min_size=32, max_size=32).filter(any)
numbers = st.integers(0, 2**64 - 1)
signatures = st.binary(min_size=SIGNATURE_BYTES, max_size=SIGNATURE_BYTES)


def targets(kind: VoteKind) -> st.SearchStrategy[bytes]:
    return st.just(ZERO_HASH) if kind is VoteKind.SKIP else hashes


kinds = st.sampled_from(VoteKind)
votes = kinds.flatmap(lambda kind: st.builds(Vote, st.just(kind), numbers, numbers, targets(kind), numbers, signatures))
signature_lists = st.dictionaries(st.integers(0, 255), signatures, max_size=8).map(lambda d: tuple(sorted(d.items())))
certificates = kinds.flatmap(
    lambda kind: st.builds(Certificate, st.just(kind), numbers, numbers, targets(kind), signature_lists)
)


def check_vote(domain: Domain, vote: Vote) -> None:
    require([ALONE.vote_claim(domain, vote)])


def check_proposal(domain: Domain, proposal: Proposal) -> None:
    require([ALONE.proposal_claim(domain, proposal)])


# ── round trips ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(votes)
def test_a_vote_comes_back(vote: Vote) -> None:
    encoded = vote.encode()
    assert len(encoded) <= VOTE_MAX_BYTES
    assert Vote.decode(encoded) == vote


@given(certificates)
def test_a_certificate_comes_back(certificate: Certificate) -> None:
    assert Certificate.decode(certificate.encode()) == certificate


@given(st.integers(0, 2**40), numbers, st.integers(0, 255), signatures, st.binary(max_size=200))
def test_a_proposal_comes_back(view: int, parent_view: int, leader: int, signature: bytes, body: bytes) -> None:
    block = replace(make_block(GENESIS.hash, 1, view, 0), body=body)
    proposal = Proposal(view, parent_view, block, leader, signature)
    assert Proposal.decode(proposal.encode()) == proposal


def test_a_certificate_of_a_full_set_fits() -> None:
    full = replace(CERTIFICATE, signatures=tuple((voter, b"\1" * 65) for voter in range(256)))
    assert len(full.encode()) <= CERTIFICATE_MAX_BYTES
    assert Certificate.decode(full.encode()) == full


def test_the_wire_forms_are_pinned() -> None:
    assert keccak(VOTE.encode()).hex() == "90100abec3e3afc2fd3aacb48716eb65a9147a532b5a5d83374fa85710da5088"
    assert keccak(CERTIFICATE.encode()).hex() == "b7d3ac4f03d25d9da77c0fad54d61413e8dadd47c6844b96d5549e56ef3e9cd9"
    assert keccak(PROPOSAL.encode()).hex() == "903ab402b43a9a4874f1d68d5da3a53e3495ddb8c6b24408cbaa61b7de77bea6"


def test_the_digests_are_pinned() -> None:
    assert (
        DOMAIN.vote_digest(VoteKind.FINALIZE, 9, b"\5" * 32).hex()
        == "4e51cab078229a5480422053b7def6953626a85cdf2e9624ed35b3b087f8a77d"
    )
    assert (
        DOMAIN.proposal_digest(9, 7, b"\5" * 32).hex()
        == "f197e3be57c9e207eb50a3f5b331c7e24e8fec21094ae99a9eb5cdb545afadb9"
    )


# ── what a signature is bound to ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "other",
    [Domain(b"\1" * 32, 1_660_200, 0), Domain(b"\7" * 32, 1_660_201, 0), Domain(b"\7" * 32, 1_660_200, 1)],
    ids=["network", "chain", "epoch"],
)
def test_a_signature_holds_in_its_domain_only(other: Domain) -> None:
    check_vote(DOMAIN, VOTE)
    check_proposal(DOMAIN, PROPOSAL)
    with pytest.raises(InvalidMessage):
        check_vote(other, VOTE)
    with pytest.raises(InvalidMessage):
        check_proposal(other, PROPOSAL)


@pytest.mark.parametrize(
    "change", [{"kind": VoteKind.FINALIZE}, {"view": 4}, {"block_hash": b"\1" * 32}], ids=["kind", "view", "block"]
)
def test_a_signature_holds_for_its_vote_only(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage):
        check_vote(DOMAIN, replace(VOTE, **change))


@pytest.mark.parametrize("change", [{"view": 4}, {"parent_view": 1}, {"block": block_on(GENESIS, 3, 1)}])
def test_a_signature_holds_for_its_proposal_only(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage):
        check_proposal(DOMAIN, replace(PROPOSAL, **change))


@pytest.mark.parametrize("signature", [bytes(65), b"\xff" * 65, b"\1" * 64 + b"\4"])
def test_a_signature_from_which_no_key_follows_is_a_peers_fault(signature: bytes) -> None:
    with pytest.raises(InvalidMessage, match="not signed by 0x"):
        check_vote(DOMAIN, replace(VOTE, signature=signature))


def test_only_one_form_of_a_signature_is_taken() -> None:
    """(r, n − s) with the other recovery id is as good to ecrecover; nobody may send a vote in two forms."""
    order = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
    signature = VOTE.signature
    mirrored = (order - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
    twin = signature[:32] + mirrored + bytes([signature[64] ^ 1])
    digest = DOMAIN.vote_digest(VOTE.kind, VOTE.view, VOTE.block_hash)
    recovered = PublicKey.from_signature_and_message(twin, digest, hasher=None)
    assert address_of(recovered) == ALONE.validators[0].address
    with pytest.raises(InvalidMessage):
        check_vote(DOMAIN, replace(VOTE, signature=twin))


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [0, 4, 255, 2**64])
def test_an_unknown_kind_is_refused(kind: int) -> None:
    items = rlp.decode(VOTE.encode())
    with pytest.raises(InvalidMessage):
        Vote.decode(rlp.encode([kind, *items[1:]]))


@pytest.mark.parametrize(
    "vote",
    [
        replace(VOTE, block_hash=ZERO_HASH),
        replace(SKIP, block_hash=BLOCK.hash),
        replace(VOTE, block_hash=bytes(31)),
        replace(VOTE, signature=b"\1" * 64),
        replace(VOTE, view=2**64),
        replace(VOTE, voter=2**64),
    ],
    ids=["notarize nothing", "skip something", "short hash", "short signature", "view", "voter"],
)
def test_a_vote_that_cannot_be_is_refused(vote: Vote) -> None:
    with pytest.raises(InvalidMessage):
        Vote.decode(vote.encode())


@pytest.mark.parametrize(
    "voters", [(1, 1), (2, 1), (0, 2, 2), (2**64,)], ids=["twice", "unordered", "twice at the end", "out of range"]
)
def test_a_certificate_counts_each_voter_once_in_order(voters: tuple[int, ...]) -> None:
    signed = tuple((voter, b"\1" * 65) for voter in voters)
    with pytest.raises(InvalidMessage):
        Certificate.decode(replace(CERTIFICATE, signatures=signed).encode())


@pytest.mark.parametrize("tail", [[], [b"\3", b"\1" * 32], [b"\3", b"\1" * 32, b""], [b"\3", b"\1" * 32, [b""]]])
def test_another_shape_is_no_certificate(tail: list[object]) -> None:
    with pytest.raises(InvalidMessage):
        Certificate.decode(rlp.encode([b"\3", b"", *tail]))


def test_a_proposal_of_a_later_views_block_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="contradicts its block"):
        Proposal.decode(replace(PROPOSAL, view=2).encode())


def test_a_block_may_be_proposed_again_in_a_later_view() -> None:
    again = replace(PROPOSAL, view=4, parent_view=3)
    assert Proposal.decode(again.encode()) == again


def test_a_number_with_leading_zeros_is_refused() -> None:
    items = rlp.decode(VOTE.encode())
    for index in (1, 2, 4):
        with pytest.raises(InvalidMessage):
            Vote.decode(rlp.encode([*items[:index], b"\0" + items[index], *items[index + 1 :]]))


# ── hostile bytes, for every decoder ────────────────────────────────────────────────────────────────────────────────

Decoder = Callable[[bytes], Vote | Certificate | Proposal]
DECODERS = [
    pytest.param(Vote.decode, VOTE, id="vote"),
    pytest.param(Certificate.decode, CERTIFICATE, id="certificate"),
    pytest.param(Proposal.decode, PROPOSAL, id="proposal"),
]


@pytest.mark.parametrize(("decode", "message"), DECODERS)
def test_every_truncation_is_refused(decode: Decoder, message: Vote | Certificate | Proposal) -> None:
    encoded = message.encode()
    for end in range(len(encoded)):
        with pytest.raises(InvalidMessage):
            decode(encoded[:end])


@pytest.mark.parametrize(("decode", "message"), DECODERS)
def test_a_flipped_bit_gives_another_message_or_none(decode: Decoder, message: Vote | Certificate | Proposal) -> None:
    encoded = message.encode()
    for bit in range(0, 8 * len(encoded), 3):
        try:
            other = decode(flip(encoded, bit))
        except InvalidMessage:
            continue
        assert other != message
        assert other.encode() == flip(encoded, bit)


@pytest.mark.parametrize(("decode", "message"), DECODERS)
@given(data=st.binary(max_size=1_000))
def test_arbitrary_bytes_are_refused(decode: Decoder, message: Vote | Certificate | Proposal, data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode(data)


@pytest.mark.parametrize(("decode", "message"), DECODERS)
def test_deeply_nested_lists_are_refused(decode: Decoder, message: Vote | Certificate | Proposal) -> None:
    for data in (b"\xc1" * 100, b"\xf8\xff" * 15_000):
        with pytest.raises(InvalidMessage):
            decode(data)


@pytest.mark.parametrize(
    ("decode", "size"),
    [(Vote.decode, VOTE_MAX_BYTES), (Certificate.decode, CERTIFICATE_MAX_BYTES), (Proposal.decode, PROPOSAL_MAX_BYTES)],
    ids=["vote", "certificate", "proposal"],
)
def test_what_is_too_large_is_refused_unread(decode: Decoder, size: int) -> None:
    with pytest.raises(InvalidMessage, match=f"of {size + 1} bytes"):
        decode(bytes(size + 1))


def test_the_largest_block_fits_into_a_proposal() -> None:
    block = Block(BLOCK.header, BLOCK.consensus, bytes(8 * 1024 * 1024))
    proposal = SIGNER.proposal(DOMAIN, 3, 0, block)
    assert Proposal.decode(proposal.encode()) == proposal
