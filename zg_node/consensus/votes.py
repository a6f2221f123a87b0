"""Validator sets, quorums and tallies.

Stake W, quorum q = ⌊2W/3⌋ + 1. A tally counts each validator once a (kind, view), remembers what it voted for, and
hands back a conflicting pair as evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from coincurve import PrivateKey, PublicKey

from zg_node.consensus import leader
from zg_node.consensus.messages import Certificate, Domain, Proposal, Vote, VoteKind
from zg_node.errors import InvalidMessage
from zg_node.types.block import Block
from zg_node.types.hashing import ZERO_HASH, keccak

VALIDATORS_MAX = 256


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

    def check_vote(self, domain: Domain, vote: Vote) -> None:
        """Raise InvalidMessage unless `vote` is signed by its voter."""
        digest = domain.vote_digest(vote.kind, vote.view, vote.block_hash)
        self._check_signature(vote.voter, digest, vote.signature)

    def check_proposal(self, domain: Domain, proposal: Proposal) -> None:
        """Raise InvalidMessage unless `proposal` is signed by its view's leader."""
        if proposal.leader != self.leader(proposal.view):
            raise InvalidMessage(f"validator {proposal.leader} does not lead view {proposal.view}")
        digest = domain.proposal_digest(proposal.view, proposal.parent_view, proposal.block.hash)
        self._check_signature(proposal.leader, digest, proposal.signature)

    def check_certificate(self, domain: Domain, certificate: Certificate) -> None:
        """Raise InvalidMessage unless validators with a quorum of stake signed it."""
        digest = domain.vote_digest(certificate.kind, certificate.view, certificate.block_hash)
        if sum(self._known(voter).stake for voter, _ in certificate.signatures) < self.quorum:
            raise InvalidMessage("certificate: no quorum")
        for voter, signature in certificate.signatures:
            self._check_signature(voter, digest, signature)

    def _known(self, voter: int) -> Validator:
        if voter >= len(self.validators):
            raise InvalidMessage(f"unknown validator {voter}")
        return self.validators[voter]

    def _check_signature(self, voter: int, digest: bytes, signature: bytes) -> None:
        expected = self._known(voter).address
        try:
            key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
        except Exception as error:  # coincurve raises bare Exception for an unrecoverable signature
            raise InvalidMessage("unrecoverable signature") from error
        if address_of(key) != expected:
            raise InvalidMessage(f"not signed by validator {voter}")


def address_of(key: PublicKey) -> bytes:
    """The 20-byte Ethereum address of a secp256k1 public key."""
    return keccak(key.format(compressed=False)[1:])[12:]


@dataclass(frozen=True, slots=True)
class Signer:
    """This node's voting key at its place in the set. Signatures are deterministic (RFC 6979)."""

    key: PrivateKey = field(repr=False)
    index: int

    def vote(self, domain: Domain, kind: VoteKind, view: int, block_hash: bytes = ZERO_HASH) -> Vote:
        """A signed vote."""
        digest = domain.vote_digest(kind, view, block_hash)
        return Vote(kind, view, block_hash, self.index, self.key.sign_recoverable(digest, hasher=None))

    def proposal(self, domain: Domain, view: int, parent_view: int, block: Block) -> Proposal:
        """A signed proposal."""
        digest = domain.proposal_digest(view, parent_view, block.hash)
        signature = self.key.sign_recoverable(digest, hasher=None)
        return Proposal(view, parent_view, block, self.index, signature)


@dataclass(slots=True)
class VoteTally:
    """Votes of one kind in one view."""

    members: ValidatorSet
    votes: dict[int, Vote] = field(default_factory=dict)

    def add(self, vote: Vote) -> Vote | None:
        """Count a checked vote; returns the voter's earlier vote when it was for another block (evidence)."""
        earlier = self.votes.setdefault(vote.voter, vote)
        return earlier if earlier.block_hash != vote.block_hash else None

    def certificate(self, block_hash: bytes) -> Certificate | None:
        """The certificate for `block_hash` once its votes hold a quorum."""
        chosen = sorted((v for v in self.votes.values() if v.block_hash == block_hash), key=lambda v: v.voter)
        if sum(self.members.stake(v.voter) for v in chosen) < self.members.quorum:
            return None
        signatures = tuple((v.voter, v.signature) for v in chosen)
        return Certificate(chosen[0].kind, chosen[0].view, block_hash, signatures)
