"""Validator sets, quorums and tallies.

Stake W, quorum q = ⌊2W/3⌋ + 1. A tally counts each validator once a (kind, view).

Checking is in two parts. The cheap one says which signatures a message needs (`Claim`s: by whom, over what), the costly
one, a pure function of a batch of them (`Verifier`), may run anywhere and be skipped for what is known already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from coincurve import PublicKey

from zg_node import _core
from zg_node.consensus import leader
from zg_node.consensus.messages import Certificate, Domain, Proposal, Vote, VoteKind
from zg_node.errors import BadSignature, InvalidMessage
from zg_node.types.block import Block
from zg_node.types.hashing import ZERO_HASH, keccak

VALIDATORS_MAX = 256


@dataclass(frozen=True, slots=True)
class Claim:
    """`signature` over `digest` is said to be made by the key of `address`."""

    address: bytes
    """20 bytes."""
    digest: bytes
    """32 bytes."""
    signature: bytes
    """65 bytes: r ‖ s ‖ recovery id."""


Verifier = Callable[[Sequence[Claim]], Sequence[bool]]
"""Which of the claims hold, in their order."""


def verify(claims: Sequence[Claim]) -> tuple[bool, ...]:
    """The plain Verifier: recover who signed. A signature has one form, the one that Signer makes."""
    signers = _core.recover_addresses([(claim.digest, claim.signature) for claim in claims])
    return tuple(signer == claim.address for signer, claim in zip(signers, claims, strict=True))


@dataclass(frozen=True, slots=True)
class Validator:
    """A member of the set."""

    address: bytes
    """20 bytes: the voter address, last bytes of the keccak of its secp256k1 key."""
    stake: int


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """The validators of an epoch, ordered by address."""

    validators: tuple[Validator, ...]
    total: int = field(init=False)
    quorum: int = field(init=False)
    turns: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.validators) <= VALIDATORS_MAX or any(v.stake <= 0 for v in self.validators):
            raise ValueError("a validator set has 1 to 256 members with positive stake")
        addresses = [v.address for v in self.validators]
        if addresses != sorted(set(addresses)):
            raise ValueError("a validator set is ordered by address, without duplicates")
        total = sum(v.stake for v in self.validators)
        object.__setattr__(self, "total", total)
        object.__setattr__(self, "quorum", 2 * total // 3 + 1)
        object.__setattr__(self, "turns", leader.schedule([v.stake for v in self.validators]))

    def hash(self) -> bytes:
        """32 bytes: the keccak of address ‖ stake (32 bytes) of every validator in order."""
        return keccak(b"".join(v.address + v.stake.to_bytes(32, "big") for v in self.validators))

    def index_of(self, address: bytes) -> int | None:
        """The validator's index, or None when it is not in the set."""
        return next((i for i, v in enumerate(self.validators) if v.address == address), None)

    def leader(self, view: int) -> int:
        """The index of the leader of `view`."""
        return self.turns[view % len(self.turns)]

    def stake(self, voter: int) -> int:
        return self.validators[voter].stake

    def claim(self, voter: int, digest: bytes, signature: bytes) -> Claim:
        """That `voter` signed `digest`. Raises InvalidMessage when there is no such validator."""
        if voter >= len(self.validators):
            raise InvalidMessage(f"unknown validator {voter}")
        return Claim(self.validators[voter].address, digest, signature)

    def vote_claim(self, domain: Domain, vote: Vote) -> Claim:
        """What must hold for `vote` to be its voter's. Raises InvalidMessage."""
        return self.claim(vote.voter, domain.vote_digest(vote.kind, vote.view, vote.block_hash), vote.signature)

    def proposal_claim(self, domain: Domain, proposal: Proposal) -> Claim:
        """What must hold for `proposal` to be its view's leader's. Raises InvalidMessage."""
        if proposal.leader != self.leader(proposal.view):
            raise InvalidMessage(f"validator {proposal.leader} does not lead view {proposal.view}")
        digest = domain.proposal_digest(proposal.view, proposal.parent_view, proposal.block.hash)
        return self.claim(proposal.leader, digest, proposal.signature)

    def certificate_claims(self, domain: Domain, certificate: Certificate) -> tuple[Claim, ...]:
        """What must hold for `certificate` to be one, in the order of its signatures. Raises InvalidMessage when these
        validators are no quorum."""
        digest = domain.vote_digest(certificate.kind, certificate.view, certificate.block_hash)
        claims = tuple(self.claim(voter, digest, signature) for voter, signature in certificate.signatures)
        if sum(self.stake(voter) for voter, _ in certificate.signatures) < self.quorum:
            raise InvalidMessage("certificate: no quorum")
        return claims

    def check_certificate(self, domain: Domain, certificate: Certificate, verifier: Verifier = verify) -> None:
        """Raise InvalidMessage unless validators with a quorum of stake signed it in the domain's epoch."""
        if certificate.epoch != domain.epoch:
            raise InvalidMessage(f"certificate: of epoch {certificate.epoch}, not {domain.epoch}")
        require(self.certificate_claims(domain, certificate), verifier)


def require(claims: Sequence[Claim], verifier: Verifier = verify) -> None:
    """Raise BadSignature unless all claims hold."""
    for claim, holds in zip(claims, verifier(claims), strict=True):
        if not holds:
            raise BadSignature(f"not signed by 0x{claim.address.hex()}")


def address_of(key: PublicKey) -> bytes:
    """The 20-byte Ethereum address of a secp256k1 public key."""
    return keccak(key.format(compressed=False)[1:])[12:]


class Key(Protocol):
    """A voting key; `coincurve.PrivateKey` is one."""

    def sign_recoverable(self, message: bytes, hasher: None) -> bytes:
        """65 bytes over a 32-byte digest; equal digests give equal signatures (RFC 6979)."""
        ...


@dataclass(frozen=True, slots=True)
class Signer:
    """This node's voting key at its place in the set."""

    key: Key = field(repr=False)
    index: int

    def vote(self, domain: Domain, kind: VoteKind, view: int, block_hash: bytes = ZERO_HASH) -> Vote:
        """A signed vote."""
        digest = domain.vote_digest(kind, view, block_hash)
        signature = self.key.sign_recoverable(digest, hasher=None)
        return Vote(kind, domain.epoch, view, block_hash, self.index, signature)

    def proposal(self, domain: Domain, view: int, parent_view: int, block: Block) -> Proposal:
        """A signed proposal."""
        digest = domain.proposal_digest(view, parent_view, block.hash)
        signature = self.key.sign_recoverable(digest, hasher=None)
        return Proposal(view, parent_view, block, self.index, signature)


@dataclass(slots=True)
class VoteTally:
    """Votes of one kind in one view, each validator's first; all are checked."""

    members: ValidatorSet
    votes: dict[int, Vote] = field(default_factory=dict)
    """By voter."""
    _stake: dict[bytes, int] = field(default_factory=dict)
    """By block hash."""

    def add(self, vote: Vote) -> bool:
        """Count a vote; False when its voter is counted already."""
        if vote.voter in self.votes:
            return False
        self.votes[vote.voter] = vote
        self._stake[vote.block_hash] = self._stake.get(vote.block_hash, 0) + self.members.stake(vote.voter)
        return True

    def includes_honest(self, block_hash: bytes) -> bool:
        """Whether the votes for `block_hash` hold more stake than can be faulty."""
        return self._stake.get(block_hash, 0) > self.members.total - self.members.quorum

    def certificate(self, block_hash: bytes) -> Certificate | None:
        """The certificate for `block_hash` once its votes hold a quorum."""
        if self._stake.get(block_hash, 0) < self.members.quorum:
            return None
        chosen = sorted((v for v in self.votes.values() if v.block_hash == block_hash), key=lambda v: v.voter)
        signatures = tuple((v.voter, v.signature) for v in chosen)
        return Certificate(chosen[0].kind, chosen[0].epoch, chosen[0].view, block_hash, signatures)
