"""What to make of a peer's message: old, known, or news, and which of its signatures are still to be checked.

    message ─▶ another epoch's, decided, known, out of reach ─▶ nothing (who is behind gets a certificate)
            ─▶ malformed ─▶ InvalidMessage
            ─▶ news ─▶ the claims that no earlier message has proved ─▶ a proposal's body is its header's

A signature costs fifty times a look-up, so nothing is checked twice, and a vote that only repeats a certificate not at
all: unless it convicts its voter, or is the first word of one that had fallen silent.

A leader signs the hash of a header, so whoever passes its proposal on can put another body in. Such a body must not be
taken for the block: it fails to execute, and the block would count as invalid here and as final everywhere else.
"""

from __future__ import annotations

from typing import assert_never

from zg_node.consensus.evidence import contradiction
from zg_node.consensus.instance import Message, Received, Send, Timeouts
from zg_node.consensus.messages import Certificate, Domain, Proposal, Vote
from zg_node.consensus.pacemaker import Pacemaker
from zg_node.consensus.record import PROPOSALS_BEHIND_MAX, Record
from zg_node.consensus.view import votes_in
from zg_node.consensus.votes import Claim, ValidatorSet, Verifier, require
from zg_node.errors import InvalidBlock, InvalidMessage
from zg_node.types.block import BodyCheck

VIEWS_AHEAD_MAX = 128
"""Votes for views further ahead are dropped: a certificate takes there whoever is so far behind."""
PROPOSALS_AHEAD_MAX = 4
"""Proposals for views further ahead are dropped, and fetched when they are certified."""
ANSWERED_MAX = 1024
"""Peers whose last answer is remembered."""


class Intake:
    """The gate for messages of one instance."""

    def __init__(
        self,
        members: ValidatorSet,
        domain: Domain,
        record: Record,
        pace: Pacemaker,
        verifier: Verifier,
        check_body: BodyCheck,
        timeouts: Timeouts,
    ) -> None:
        self._members = members
        self._domain = domain
        self._record = record
        self._pace = pace
        self._verifier = verifier
        self._check_body = check_body
        self._timeouts = timeouts
        self._answered_ms: dict[str, int] = {}

    def claims(self, message: Message, view: int, behind: bool) -> tuple[Claim, ...] | None:
        """The signatures to check before `message` counts; None when it says nothing new. `view` is the current one,
        `behind` says that blocks are of no use now. Raises InvalidMessage."""
        if message.epoch != self._domain.epoch:
            return None
        match message:
            case Vote():
                claim = self._members.vote_claim(self._domain, message)
                return (claim,) if self._is_news(message, view) else None
            case Proposal():
                return self._proposal_claims(message, view, behind)
            case Certificate():
                return self._certificate_claims(message)
            case _:
                assert_never(message)

    def check(self, claims: tuple[Claim, ...], event: Received) -> None:
        """Raise InvalidMessage unless every claim holds, by the shell's word or by our own verification."""
        require([claim for claim in claims if claim not in event.verified], self._verifier)

    def check_whole(self, proposal: Proposal) -> None:
        """Raise InvalidMessage unless the block has the transactions of its header."""
        try:
            self._check_body(proposal.block.header.raw, proposal.block.body)
        except InvalidBlock as error:
            raise InvalidMessage(f"proposal: its header came with another body: {error}") from error

    def answer(self, event: Received, now_ms: int) -> Send | None:
        """What helps a sender that talks of views decided long ago, or of the epoch before: the certificate of the
        decision, not too often."""
        message, epoch = event.message, self._domain.epoch
        decision = self._record.decision if message.epoch == epoch else self._record.ground
        if decision is None or not event.sender or isinstance(message, Certificate):
            return None
        if message.epoch not in (epoch, epoch - 1) or (message.epoch == epoch and message.view >= decision.view - 1):
            return None
        last_ms = self._answered_ms.get(event.sender)
        if last_ms is not None and now_ms - last_ms < self._timeouts.standstill_ms:
            return None
        if len(self._answered_ms) >= ANSWERED_MAX:
            self._answered_ms.clear()
        self._answered_ms[event.sender] = now_ms
        return Send(event.sender, decision)

    def _is_news(self, vote: Vote, view: int) -> bool:
        if vote.view > view + VIEWS_AHEAD_MAX:
            return False
        if self._pace.listens_for(vote.voter, vote.view):
            return True
        state = self._record.views.get(vote.view)
        if state is None:
            return vote.view > self._record.decided_view
        if state.vote_of(vote.kind, vote.voter) is None:
            certificate = state.certificates.get(vote.kind)
            if vote.view > self._record.decided_view and certificate is None:
                return True
        if (vote.voter, vote.kind) in state.reported:
            return False
        return contradiction(self._domain, state.votes_of(vote.voter), vote) is not None

    def _proposal_claims(self, proposal: Proposal, view: int, behind: bool) -> tuple[Claim, ...] | None:
        record, block = self._record, proposal.block
        if proposal.parent_view >= proposal.view:
            raise InvalidMessage("proposal: its parent's view is not below its own")
        if block.consensus.view < proposal.view and not record.is_last(block):
            raise InvalidMessage("proposal: an old block that does not end its epoch")
        claims = (self._members.proposal_claim(self._domain, proposal),)
        if block.hash in record.tree.wanted:
            return claims
        if not max(record.decided_view, view - PROPOSALS_BEHIND_MAX - 1) < proposal.view <= view + PROPOSALS_AHEAD_MAX:
            return None
        if proposal.parent_view < record.decided_view:
            return None
        state = record.views.get(proposal.view)
        if state is None or state.proposal is None:
            return None if behind else claims
        known = proposal.repeats(state.proposal) or (proposal.leader, None) in state.reported
        return None if known else claims

    def _certificate_claims(self, certificate: Certificate) -> tuple[Claim, ...] | None:
        state = self._record.views.get(certificate.view)
        if state is None:
            if certificate.view <= self._record.decided_view:
                return None
            return self._members.certificate_claims(self._domain, certificate)
        held = state.certificates.get(certificate.kind)
        votes = votes_in(certificate)
        if certificate.view <= self._record.decided_view or held is not None:
            known = held is not None and held.block_hash == certificate.block_hash
            if known or not any(contradiction(self._domain, state.votes_of(v.voter), v) for v in votes):
                return None
        claims = self._members.certificate_claims(self._domain, certificate)
        return tuple(claim for vote, claim in zip(votes, claims, strict=True) if not state.knows(vote))
