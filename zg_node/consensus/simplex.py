"""Simplex consensus (Chan & Pass, eprint 2023/463) for one shard, stake-weighted, as a sans-IO state machine.

    enter v ─▶ leader: Propose on the last notarized block ─▶ Proposal(v)
            ─▶ all: Execute ─▶ NOTARIZE(v, h) ─ quorum ─▶ enter v+1 and FINALIZE(v, h) ─ quorum ─▶ Commit
            ─▶ leader silent: SKIP(v) ─ quorum ─▶ enter v+1

Safety:
 1. one NOTARIZE per view;
 2. never both SKIP and FINALIZE in a view;
 3. NOTARIZE only if the parent is notarized and every view in the gap has a SKIP certificate;
 4. FINALIZE only with a NOTARIZE certificate, our own NOTARIZE vote and a successful execution;
 5. a block whose execution fails here gets SKIP, is never finalised by us and never built on.
The leader's timeout starts when a block is due, so an idle shard skips nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from zg_node.consensus.instance import (
    Broadcast,
    Commit,
    Due,
    Effect,
    Event,
    Execute,
    Executed,
    Persist,
    Propose,
    Proposed,
    Received,
    Report,
    Restored,
    SetTimer,
    Started,
    TimedOut,
    Timeouts,
)
from zg_node.consensus.messages import Certificate, Domain, Proposal, Vote, VoteKind
from zg_node.consensus.votes import Signer, ValidatorSet, VoteTally
from zg_node.errors import InvalidMessage
from zg_node.types.block import Block
from zg_node.types.hashing import ZERO_HASH

VIEWS_AHEAD_MAX = 128
"""Messages for views further ahead than this are refused: sync serves who is that far behind."""


@dataclass(slots=True)
class View:
    """Everything known about one view."""

    proposal: Proposal | None = None
    executing: bool = False
    valid: bool | None = None
    """The outcome of executing the proposal; None until known."""
    tallies: dict[VoteKind, VoteTally] = field(default_factory=dict)
    certificates: dict[VoteKind, Certificate] = field(default_factory=dict)
    own: dict[VoteKind, Vote] = field(default_factory=dict)

    def notarized(self) -> bytes | None:
        """Hash of the notarized block."""
        certificate = self.certificates.get(VoteKind.NOTARIZE)
        return certificate.block_hash if certificate else None


class Simplex:
    """One shard's instance. `signer` None makes an observer that follows without voting."""

    def __init__(
        self, members: ValidatorSet, domain: Domain, signer: Signer | None, timeouts: Timeouts, restored: Restored
    ) -> None:
        self.members = members
        self.domain = domain
        self.signer = signer
        self.timeouts = timeouts
        self.view = restored.view + 1
        self.final_view = restored.view
        self.final_hash = restored.block_hash
        self._views: dict[int, View] = {}
        self._due = False
        self._proposed_view = restored.view
        self._timed_view = restored.view
        self._restored: Restored | None = restored

    def step(self, event: Event, now_ms: int) -> list[Effect]:
        """Take one event. Raises InvalidMessage when a peer's message is at fault; nothing has changed then."""
        out: list[Effect] = []
        match event:
            case Started():
                self._restore(out)
            case Due():
                self._due = True
                self._await_leader(now_ms, out)
            case Received(message):
                self._receive(message, now_ms, out)
            case Proposed(view, block):
                self._on_proposed(view, block, now_ms, out)
            case Executed(block_hash, valid):
                self._on_executed(block_hash, valid, now_ms, out)
            case TimedOut(view):
                if view == self.view:
                    self._skip(view, now_ms, out)
            case _:
                assert_never(event)
        return out

    # ── progress ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _enter(self, view: int, out: list[Effect]) -> None:
        self.view = view
        self._due = False
        self._execute_ready(out)

    def _advance(self, out: list[Effect]) -> None:
        """Leave every view that is notarized or skipped."""
        state = self._views.get(self.view)
        while state and (state.certificates.keys() & {VoteKind.NOTARIZE, VoteKind.SKIP}):
            self._enter(self.view + 1, out)
            state = self._views.get(self.view)

    def _await_leader(self, now_ms: int, out: list[Effect]) -> None:
        """A block is due: propose it, or give the leader its time."""
        if not self._due:
            return
        leads = self.signer is not None and self.members.leader(self.view) == self.signer.index
        if leads and self._proposed_view < self.view:
            parent = self._parent_of(self.view)
            if parent is not None:
                self._proposed_view = self.view
                out.append(Propose(self.view, parent[1]))
        if self._timed_view < self.view:
            self._timed_view = self.view
            skipped = min(self.view - self.final_view - 1, 16)
            timeout = min(2 * self.timeouts.delta_ms << skipped, self.timeouts.timeout_max_ms)
            out.append(SetTimer(self.view, now_ms + timeout))

    def _parent_of(self, view: int) -> tuple[int, bytes] | None:
        """(view, hash) of the notarized, executed block to build on in `view`; None while there is none. Rules 3 and
        5."""
        for earlier in range(view - 1, self.final_view, -1):
            state = self._views.get(earlier, View())
            notarized = state.notarized()
            if notarized is not None and state.valid:
                return earlier, notarized
            if VoteKind.SKIP not in state.certificates:
                return None
        return self.final_view, self.final_hash

    # ── our own acts ────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_proposed(self, view: int, block: Block | None, now_ms: int, out: list[Effect]) -> None:
        parent = self._parent_of(view)
        if self.signer is None or view != self.view or parent is None:
            return
        if block is None or block.header.parent_hash != parent[1]:
            self._proposed_view = view - 1
            return
        proposal = self.signer.proposal(self.domain, view, parent[0], block)
        state = self._at(view)
        state.proposal, state.valid = proposal, True
        vote = self._cast(VoteKind.NOTARIZE, view, block.hash, out)
        out.append(Broadcast(proposal))
        self._publish(vote, now_ms, out)

    def _on_executed(self, block_hash: bytes, valid: bool, now_ms: int, out: list[Effect]) -> None:
        found = next(
            ((v, s) for v, s in self._views.items() if s.proposal and s.proposal.block.hash == block_hash), None
        )
        if found is None:
            return
        view, state = found
        state.executing, state.valid = False, valid
        if not valid:
            self._skip(view, now_ms, out)  # rule 5
            return
        if view == self.view and VoteKind.NOTARIZE not in state.own:  # rule 1
            self._publish(self._cast(VoteKind.NOTARIZE, view, block_hash, out), now_ms, out)
        self._finalise(view, now_ms, out)
        self._commit(out)
        self._execute_ready(out)
        self._await_leader(now_ms, out)

    def _skip(self, view: int, now_ms: int, out: list[Effect]) -> None:
        own = self._at(view).own
        if self.signer and not own.keys() & {VoteKind.SKIP, VoteKind.FINALIZE}:  # rule 2
            self._publish(self._cast(VoteKind.SKIP, view, ZERO_HASH, out), now_ms, out)

    def _finalise(self, view: int, now_ms: int, out: list[Effect]) -> None:
        state = self._views.get(view)
        if state is None or self.signer is None:
            return
        notarized, own = state.notarized(), state.own.get(VoteKind.NOTARIZE)
        if notarized is None or own is None or own.block_hash != notarized or state.valid is not True:  # rule 4
            return
        if not state.own.keys() & {VoteKind.SKIP, VoteKind.FINALIZE}:  # rule 2
            self._publish(self._cast(VoteKind.FINALIZE, view, notarized, out), now_ms, out)

    def _cast(self, kind: VoteKind, view: int, block_hash: bytes, out: list[Effect]) -> Vote:
        assert self.signer is not None
        state = self._at(view)
        vote = self.signer.vote(self.domain, kind, view, block_hash)
        state.own[kind] = vote
        out.append(Persist(vote, state.proposal if kind is VoteKind.NOTARIZE else None))
        return vote

    def _publish(self, vote: Vote, now_ms: int, out: list[Effect]) -> None:
        out.append(Broadcast(vote))
        self._count(vote, now_ms, out)

    # ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _receive(self, message: Proposal | Vote | Certificate, now_ms: int, out: list[Effect]) -> None:
        if message.view <= self.final_view:
            return
        if message.view > self.view + VIEWS_AHEAD_MAX:
            raise InvalidMessage(f"view {message.view} is too far ahead of {self.view}")
        match message:
            case Proposal():
                self._on_proposal(message, out)
            case Vote():
                self.members.check_vote(self.domain, message)
                self._count(message, now_ms, out)
            case Certificate():
                self.members.check_certificate(self.domain, message)
                self._certify(message, now_ms, out)
            case _:
                assert_never(message)

    def _on_proposal(self, proposal: Proposal, out: list[Effect]) -> None:
        self.members.check_proposal(self.domain, proposal)
        if not self.final_view <= proposal.parent_view < proposal.view:
            raise InvalidMessage("proposal: the parent's view is out of range")
        state = self._at(proposal.view)
        if state.proposal is not None:
            if state.proposal.block.hash != proposal.block.hash:
                out.append(Report(state.proposal, proposal))
            return
        state.proposal = proposal
        self._execute_ready(out)

    def _execute_ready(self, out: list[Effect]) -> None:
        """Execute every known proposal whose parent is notarized and executed and whose gap is skipped. Rule 3."""
        for view in sorted(self._views):
            state = self._views[view]
            if state.proposal and state.valid is None and not state.executing and self._parent_fits(state.proposal):
                state.executing = True
                out.append(Execute(state.proposal.block))

    def _parent_fits(self, proposal: Proposal) -> bool:
        gap = range(proposal.parent_view + 1, proposal.view)
        if any(VoteKind.SKIP not in self._views.get(v, View()).certificates for v in gap):
            return False
        parent_hash = proposal.block.header.parent_hash
        if proposal.parent_view == self.final_view:
            return parent_hash == self.final_hash
        parent = self._views.get(proposal.parent_view, View())
        return parent.notarized() == parent_hash and parent.valid is True

    def _count(self, vote: Vote, now_ms: int, out: list[Effect]) -> None:
        if vote.view <= self.final_view:
            return
        state = self._at(vote.view)
        tally = state.tallies.setdefault(vote.kind, VoteTally(self.members))
        earlier = tally.add(vote)
        if earlier is not None:
            out.append(Report(earlier, vote))
            return
        opposite = {VoteKind.SKIP: VoteKind.FINALIZE, VoteKind.FINALIZE: VoteKind.SKIP}.get(vote.kind)
        if opposite in state.tallies and vote.voter in state.tallies[opposite].votes:
            out.append(Report(state.tallies[opposite].votes[vote.voter], vote))
        if vote.kind not in state.certificates:
            certificate = tally.certificate(vote.block_hash)
            if certificate is not None:
                self._certify(certificate, now_ms, out)

    def _certify(self, certificate: Certificate, now_ms: int, out: list[Effect]) -> None:
        state = self._at(certificate.view)
        if certificate.kind in state.certificates:
            return
        state.certificates[certificate.kind] = certificate
        if len(self.members.validators) > 1:
            out.append(Broadcast(certificate))
        if certificate.kind is VoteKind.FINALIZE:
            state.certificates.setdefault(VoteKind.NOTARIZE, certificate)
        else:
            self._finalise(certificate.view, now_ms, out)
        self._commit(out)
        self._execute_ready(out)
        self._advance(out)

    # ── finality ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _commit(self, out: list[Effect]) -> None:
        """Commit the highest finalised block whose chain down to the last committed one is known and executed."""
        finals = [v for v, s in self._views.items() if VoteKind.FINALIZE in s.certificates]
        for view in sorted(finals, reverse=True):
            chain = self._chain(view)
            if chain is not None:
                out.append(Commit(chain, self._views[view].certificates[VoteKind.FINALIZE]))
                self.final_view, self.final_hash = view, chain[-1].hash
                self._views = {v: s for v, s in self._views.items() if v > view}
                self.view = max(self.view, view + 1)
                return

    def _chain(self, view: int) -> tuple[Block, ...] | None:
        """The blocks from the last committed one (exclusive) to the one finalised in `view`; None when one is
        missing."""
        wanted = self._views[view].certificates[VoteKind.FINALIZE].block_hash
        chain: list[Block] = []
        while view > self.final_view:
            state = self._views.get(view, View())
            if state.proposal is None or state.proposal.block.hash != wanted or state.valid is not True:
                return None
            chain.append(state.proposal.block)
            wanted, view = state.proposal.block.header.parent_hash, state.proposal.parent_view
        return tuple(reversed(chain)) if wanted == self.final_hash else None

    # ── restart ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _restore(self, out: list[Effect]) -> None:
        """Take up our persisted votes: they are counted and sent again, never contradicted."""
        restored, self._restored = self._restored, None
        if restored is None:
            return
        for proposal in restored.proposals:
            if proposal.view > self.final_view:
                state = self._at(proposal.view)
                state.proposal, state.executing = proposal, True
                out.append(Execute(proposal.block))
                if self.signer and proposal.leader == self.signer.index:
                    self._proposed_view = max(self._proposed_view, proposal.view)
        for vote in restored.votes:
            if vote.view > self.final_view:
                self._at(vote.view).own[vote.kind] = vote
        for vote in restored.votes:
            if vote.view > self.final_view:
                self._publish(vote, 0, out)

    def _at(self, view: int) -> View:
        return self._views.setdefault(view, View())
