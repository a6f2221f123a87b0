"""What this validator has signed, and what it may sign next: the rules that no message of others can bend.

NOTARIZE ── once a view (rule 1), for what fits (rule 3)
SKIP     ── once a view, never with FINALIZE (rule 2)
FINALIZE ── never with SKIP (rule 2), after our own NOTARIZE and a certificate (rule 4)
all      ── above what was signed before a restart (rule 6), above what a quorum has decided
"""

from __future__ import annotations

from itertools import chain

from zg_node.consensus.instance import Persist, Restored
from zg_node.consensus.messages import Certificate, Domain, Proposal, Vote, VoteKind
from zg_node.consensus.record import Record
from zg_node.consensus.tree import Candidate
from zg_node.consensus.view import View
from zg_node.consensus.votes import Signer
from zg_node.types.block import Block

UNLOGGED_MAX = 256
"""Certificates that wait for our next vote before those that a decision has overtaken are dropped."""


class Ballot:
    """Our own votes. `signer` None signs nothing."""

    def __init__(self, signer: Signer | None, domain: Domain, record: Record, restored: Restored) -> None:
        self.signer = signer
        self._domain = domain
        self._record = record
        self._floor = max(((vote.view, int(vote.kind)) for vote in restored.votes), default=(0, 0))
        """(view, kind) of the last vote before the restart."""
        self._unlogged: list[Certificate] = []

    # ── the rules ───────────────────────────────────────────────────────────────────────────────────────────────────

    def may_sign(self, kind: VoteKind, view: int) -> bool:
        """Rule 6."""
        return self.signer is not None and view > self._record.decided_view and (view, int(kind)) > self._floor

    def may_notarize(self, state: View, proposal: Proposal, view: int) -> bool:
        """Rules 1 and 3, for an executed proposal; `view` is the current one. In a view left behind we vote only to be
        able to finalise its block."""
        if VoteKind.NOTARIZE in state.own or not self.may_sign(VoteKind.NOTARIZE, proposal.view):
            return False
        if proposal.view < view and (state.notarized is None or VoteKind.SKIP in state.own):
            return False
        return self._record.fits(proposal)

    def may_skip(self, state: View, view: int) -> bool:
        """Rule 2."""
        return self.may_sign(VoteKind.SKIP, view) and not state.own.keys() & {VoteKind.SKIP, VoteKind.FINALIZE}

    def may_finalise(self, state: View, candidate: Candidate, view: int) -> bool:
        """Rules 2 and 4."""
        own = state.own.get(VoteKind.NOTARIZE)
        return (
            candidate.valid is True
            and own is not None
            and own.block_hash == candidate.block.hash == state.notarized
            and not state.own.keys() & {VoteKind.SKIP, VoteKind.FINALIZE}
            and self.may_sign(VoteKind.FINALIZE, view)
        )

    # ── signing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def leads(self, leader: int) -> bool:
        """Whether we are this leader."""
        return self.signer is not None and self.signer.index == leader

    def propose(self, view: int, parent_view: int, block: Block) -> Proposal:
        """A signed proposal; our NOTARIZE vote for it must follow in the same step, which makes it durable."""
        assert self.signer is not None
        return self.signer.proposal(self._domain, view, parent_view, block)

    def cast(self, kind: VoteKind, view: int, block_hash: bytes) -> Persist:
        """A signed vote, to be made durable with what it rests on before it is sent."""
        assert self.signer is not None
        state = self._record.at(view)
        vote = self.signer.vote(self._domain, kind, view, block_hash)
        state.own[kind] = vote
        rests_on = tuple(c for c in self._unlogged if c.view > self._record.decided_view)
        self._unlogged.clear()
        return Persist(vote, state.proposal if kind is VoteKind.NOTARIZE else None, rests_on)

    def rest_on(self, certificate: Certificate) -> None:
        """Our next vote may depend on this certificate."""
        if self.signer is None or certificate.kind is VoteKind.FINALIZE:
            return
        if len(self._unlogged) >= UNLOGGED_MAX:
            self._unlogged = [kept for kept in self._unlogged if kept.view > self._record.decided_view]
        self._unlogged.append(certificate)

    def adopt(self, vote: Vote) -> None:
        """Take note of a vote with our signature: restored, or made by another node that runs with our key. It is not
        contradicted."""
        if self.signer is not None and vote.voter == self.signer.index:
            self._record.at(vote.view).own.setdefault(vote.kind, vote)

    def repetition(self, views_max: int) -> tuple[Vote, ...]:
        """Our votes that have not become part of a certificate, of the last views in which there are any: not of the
        last that anybody talks of, who may be far ahead."""
        open_votes = [
            [vote for kind, vote in state.own.items() if kind not in state.certificates]
            for view, state in sorted(self._record.views.items())
            if view > self._record.decided_view
        ]
        recent = [votes for votes in open_votes if votes][-views_max:]
        return tuple(chain.from_iterable(recent))
