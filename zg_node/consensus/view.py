"""What is known about one view."""

from __future__ import annotations

from dataclasses import dataclass, field

from zg_node.consensus.messages import Certificate, Proposal, Vote, VoteKind
from zg_node.consensus.votes import ValidatorSet, VoteTally


@dataclass(slots=True)
class View:
    """One view's proposal, votes and certificates."""

    proposal: Proposal | None = None
    """The first that its leader signed; the notarized one as soon as that is known and here."""
    tallies: dict[VoteKind, VoteTally] = field(default_factory=dict)
    certificates: dict[VoteKind, Certificate] = field(default_factory=dict)
    """FINALIZE stands for NOTARIZE, too."""
    own: dict[VoteKind, Vote] = field(default_factory=dict)
    """What was signed with our key."""
    reported: set[tuple[int, VoteKind | None]] = field(default_factory=set)
    """(validator, kind; None for a proposal) of contradictions that have been reported."""

    @property
    def notarized(self) -> bytes | None:
        """Hash of the notarized block."""
        certificate = self.certificates.get(VoteKind.NOTARIZE)
        return certificate.block_hash if certificate else None

    @property
    def skipped(self) -> bool:
        """Whether a quorum gave the view up."""
        return VoteKind.SKIP in self.certificates

    def concerns(self, block_hash: bytes) -> bool:
        """Whether this block was proposed or certified in the view."""
        return self.notarized == block_hash or (self.proposal is not None and self.proposal.block.hash == block_hash)

    def vote_of(self, kind: VoteKind, voter: int) -> Vote | None:
        """What this validator voted first, as far as we know."""
        tally = self.tallies.get(kind)
        return tally.votes.get(voter) if tally else None

    def votes_of(self, voter: int) -> tuple[Vote, ...]:
        """The validator's votes of all kinds."""
        return tuple(tally.votes[voter] for tally in self.tallies.values() if voter in tally.votes)

    def tally(self, kind: VoteKind, members: ValidatorSet) -> VoteTally:
        """The tally of `kind`, made when it is the first time."""
        tally = self.tallies.get(kind)
        if tally is None:
            tally = self.tallies[kind] = VoteTally(members)
        return tally

    def knows(self, vote: Vote) -> bool:
        """Whether this very signature is counted already."""
        counted = self.vote_of(vote.kind, vote.voter)
        return counted is not None and (counted.block_hash, counted.signature) == (vote.block_hash, vote.signature)


def votes_in(certificate: Certificate) -> tuple[Vote, ...]:
    """The votes that a certificate consists of."""
    kind, epoch, view, block_hash = certificate.kind, certificate.epoch, certificate.view, certificate.block_hash
    return tuple(Vote(kind, epoch, view, block_hash, voter, sig) for voter, sig in certificate.signatures)
