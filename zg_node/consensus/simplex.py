"""Simplex consensus (Chan & Pass, eprint 2023/463) for one shard and epoch, stake-weighted, as a sans-IO machine.

    enter v ─▶ leader: Propose on the last notarized block ─▶ Proposal(v)
            ─▶ all: Execute ─▶ NOTARIZE(v, h) ─ quorum ─▶ enter v+1 and FINALIZE(v, h) ─ quorum ─▶ Commit
            ─▶ leader silent: SKIP(v) ─ quorum ─▶ enter v+1

Safety:
 1. one NOTARIZE per view;
 2. never both SKIP and FINALIZE in a view;
 3. NOTARIZE only if the parent is notarized and every view in the gap has a SKIP certificate;
 4. FINALIZE only with a NOTARIZE certificate, our own NOTARIZE vote and a successful execution;
 5. a block whose execution fails here gets SKIP, is never finalised by us and never built on;
 6. after a restart nothing new at or below the last (view, kind) that was signed before;
 7. nobody builds on an epoch's last block in its epoch: later leaders propose it again until it is final.
SKIP after our own NOTARIZE, and NOTARIZE after our own SKIP, are allowed: neither makes two quorums possible.
bodies: what is executed under a hash is the body that its header names, whoever it came from.

    intake     which messages are news                 ballot     what we may sign: rules 1, 2, 4, 6
    record     views, blocks, decisions: rules 3, 5, 7  pacemaker  timeouts        catchup  missing blocks
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from zg_node import _core
from zg_node.consensus.ballot import Ballot
from zg_node.consensus.catchup import Catchup
from zg_node.consensus.evidence import Evidence, Seal, contradiction
from zg_node.consensus.instance import (
    Broadcast,
    Commit,
    Diverged,
    Due,
    Effect,
    EpochEnded,
    Event,
    Execute,
    Executed,
    Fetched,
    Message,
    Propose,
    Proposed,
    Received,
    Report,
    Restored,
    SetTimer,
    Spread,
    Started,
    Synced,
    TimedOut,
    Timeouts,
)
from zg_node.consensus.intake import Intake
from zg_node.consensus.messages import Certificate, Domain, Proposal, Vote, VoteKind
from zg_node.consensus.pacemaker import Pacemaker
from zg_node.consensus.record import REPEATED_VIEWS_MAX, Record
from zg_node.consensus.tree import Candidate
from zg_node.consensus.view import votes_in
from zg_node.consensus.votes import Claim, Signer, ValidatorSet, Verifier, verify
from zg_node.types.block import Block, BodyCheck
from zg_node.types.hashing import ZERO_HASH


def never_last(block: Block) -> bool:
    """No block is the last of its epoch: an epoch without end."""
    return False


class Simplex:
    """One shard's instance. `signer` None makes an observer that follows without voting."""

    def __init__(
        self,
        members: ValidatorSet,
        domain: Domain,
        signer: Signer | None,
        timeouts: Timeouts,
        restored: Restored,
        is_last: Callable[[Block], bool] = never_last,
        verifier: Verifier = verify,
        check_body: BodyCheck = _core.check_body,
    ) -> None:
        """`is_last` says of a block, by its headers alone, whether it ends its epoch."""
        self.members = members
        self.domain = domain
        self.index = signer.index if signer is not None else None
        self.view = restored.view + 1
        self.final_view = restored.view
        """View of the last committed block."""
        self.built_view = restored.view
        """The newest view in which a block is notarized."""
        self._record = Record(restored, is_last)
        self._ballot = Ballot(signer, domain, self._record, restored)
        self._pace = Pacemaker(timeouts, len(members.validators))
        self._catchup = Catchup(timeouts)
        self._intake = Intake(members, domain, self._record, self._pace, verifier, check_body, timeouts)
        self._restored: Restored | None = restored
        self._due = False
        self._proposed_view = restored.view
        self._building = False
        """Whether a `Propose` for `_proposed_view` is on its way."""
        self._touched: set[int] = set()
        """Views about which something has become known in this step."""
        self._diverged = False
        self._ended = False

    def block(self, block_hash: bytes) -> Block | None:
        """A block that is not committed yet, to answer another node's `Fetch`."""
        candidate = self._record.tree.get(block_hash)
        return candidate.block if candidate else None

    def claims(self, message: Message) -> tuple[Claim, ...]:
        """The signatures that must be good for `message` to count, without those already known. Raises
        InvalidMessage."""
        return () if self._ended else self._news(message) or ()

    def step(self, event: Event, now_ms: int) -> list[Effect]:
        """Take one event. Raises InvalidMessage when a peer's message is at fault; nothing has changed then."""
        out: list[Effect] = []
        if self._ended:
            return out
        match event:
            case Received():
                if not self._receive(event, now_ms, out):
                    return out
            case Due():
                self._due = True
            case Proposed(view, block):
                self._on_proposed(view, block, out)
            case Executed(block_hash, valid):
                self._on_executed(block_hash, valid)
            case Fetched(block):
                self._on_fetched(block)
            case Synced(view, number, block_hash):
                self._on_synced(view, number, block_hash)
            case TimedOut():
                self._on_time(now_ms, out)
            case Started():
                self._restore(out)
            case _:
                assert_never(event)
        self._progress(now_ms, out)
        return out

    # ── progress ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _progress(self, now_ms: int, out: list[Effect]) -> None:
        """Do all that follows from what is known now, then set the timer."""
        self._touched.add(self.view)
        while self._touched:
            view = min(self._touched)
            self._touched.remove(view)
            self._consider(view, out)
            if self._touched:
                continue
            for candidate in self._record.tree.runnable():
                self._execute(candidate, out)
            self._commit(out)
            if self._ended:
                return
            self._lead(out)
            self._start_clock(now_ms, out)
        if self.view - self._record.decided_view > 1:
            self._pace.watch(now_ms)
        ask_at = self._catchup.step(self._record.tree, self.final_view, now_ms, out)
        timer_at = self._pace.timer(self._proposal_is_here(), ask_at)
        if timer_at is not None:
            out.append(SetTimer(timer_at))

    def _consider(self, view: int, out: list[Effect]) -> None:
        """Execute a view's block and vote on it, as far as the rules allow now."""
        state = self._record.views.get(view)
        if state is None or view <= self._record.decided_view:
            return
        proposal = state.proposal
        target = state.notarized or (proposal.block.hash if proposal else None)
        candidate = self._record.tree.get(target) if target else None
        if target is None or candidate is None:
            return
        ours = proposal if proposal is not None and proposal.block.hash == target else None
        match candidate.valid:
            case None:
                if view == self.view and ours and not candidate.executing and self._record.fits(ours):
                    self._execute(candidate, out)
            case False:
                # Not ahead: after a restart we could sign nothing in the views between (rule 6). A block that was not
                # trusted when it failed gets a second chance.
                if view <= self.view and (candidate.trusting or not candidate.certified):
                    self._skip(view, out)  # rule 5
            case True:
                if ours and self._ballot.may_notarize(state, ours, self.view):
                    self._vote(VoteKind.NOTARIZE, view, target, out)
                if self._ballot.may_finalise(state, candidate, view):
                    self._vote(VoteKind.FINALIZE, view, target, out)

    def _execute(self, candidate: Candidate, out: list[Effect]) -> None:
        candidate.begin()
        out.append(Execute(candidate.block, candidate.certified))

    def _enter(self, view: int) -> None:
        """Leave the current view for a later one."""
        left = self._record.views.get(self.view)
        if self._pace.started and left is not None and left.skipped and left.proposal is None:
            self._miss_leader()
        self.view = view
        self._due = self._is_awaited()
        self._pace.enter()
        self._record.leave(view)
        self._touched.add(view)

    def _commit(self, out: list[Effect]) -> None:
        """Commit up to the highest finalised block whose ancestors are all here and executed."""
        tree, finals = self._record.tree, self._record.finals
        for certificate in reversed(finals):
            blocks = tree.path(certificate.block_hash)
            if not blocks:
                continue
            last = blocks[-1]
            out.append(Commit(blocks, certificate))
            self.final_view = certificate.view
            self._record.commit(last.number, last.hash, certificate.view)
            self._touched.add(self.view)
            if self._record.is_last(last):
                out.append(EpochEnded(last))
                self._ended = True
            return
        obstacle = tree.obstacle(finals[-1].block_hash) if finals and not self._diverged else None
        if obstacle is not None:
            self._diverged = True
            out.append(Diverged(obstacle.block))

    # ── leading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _lead(self, out: list[Effect]) -> None:
        """Propose when a block is due and it is our turn."""
        view = self.view
        if not self._due or self._proposed_view >= view or not self._ballot.leads(self.members.leader(view)):
            return
        parent = self._record.parent_for(view)
        if parent is None or self._proposal_is_here() or not self._ballot.may_sign(VoteKind.NOTARIZE, view):
            return
        self._proposed_view = view
        if self._record.ends_epoch(parent[1]):
            candidate = self._record.tree.get(parent[1])
            assert candidate is not None
            self._propose(parent[0], candidate.block, out)  # rule 7
        else:
            self._building = True
            out.append(Propose(view, parent[1], self._is_awaited()))

    def _on_proposed(self, view: int, block: Block | None, out: list[Effect]) -> None:
        if not self._building or view != self._proposed_view:
            return  # the instance of the epoch before has asked for it
        self._building = False
        if view != self.view or self._proposal_is_here() or not self._ballot.may_sign(VoteKind.NOTARIZE, view):
            return
        if block is None:
            self._proposed_view = view - 1
            self._due = False
            self._pace.enter()
            return
        parent = self._record.parent_for(view)
        if parent is None or block.header.parent_hash != parent[1]:
            self._proposed_view = view - 1  # a better parent has become known: build again
            return
        self._record.tree.add(block, view).begin()
        self._record.tree.executed(block.hash, valid=True)
        self._propose(parent[0], block, out)

    def _propose(self, parent_view: int, block: Block, out: list[Effect]) -> None:
        """Sign a proposal for the current view and send it, with our durable vote for it and what justifies it."""
        view, state = self.view, self._record.at(self.view)
        proposal = self._ballot.propose(view, parent_view, block)
        if not self._ballot.may_notarize(state, proposal, view):
            return
        state.proposal = proposal
        self._record.tree.add(block, view)
        justification = self._record.justification(parent_view, view)
        self._vote(VoteKind.NOTARIZE, view, block.hash, out, *justification, proposal)

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start_clock(self, now_ms: int, out: list[Effect]) -> None:
        """The view's timeouts run from when a block is due; a silent leader gets none."""
        here = self._proposal_is_here()
        if self._pace.started or not (self._due or here):
            return
        self._pace.start(self.view - self._record.decided_view, now_ms)
        if not here and self._pace.silent(self.members.leader(self.view), now_ms):
            self._skip(self.view, out)  # liveness: skip_timeout

    def _on_time(self, now_ms: int, out: list[Effect]) -> None:
        self._pace.fired()
        here = self._proposal_is_here()
        if self._pace.expired(here, now_ms):
            if not here:
                self._miss_leader()
            self._skip(self.view, out)
        if self._pace.stalled(now_ms):  # liveness: at a standstill, say again what somebody may have missed
            out.extend(Broadcast(certificate) for certificate in self._record.repetition())
            out.extend(Broadcast(vote) for vote in self._ballot.repetition(REPEATED_VIEWS_MAX))

    def _is_awaited(self) -> bool:
        """Whether somebody honest has waited for this view's block in vain."""
        state = self._record.views.get(self.view)
        return state is not None and state.tally(VoteKind.SKIP, self.members).includes_honest(ZERO_HASH)

    def _miss_leader(self) -> None:
        leader = self.members.leader(self.view)
        if not self._ballot.leads(leader):
            self._pace.missed(leader, self.view)

    def _proposal_is_here(self) -> bool:
        state = self._record.views.get(self.view)
        return state is not None and state.proposal is not None

    # ── votes and certificates ──────────────────────────────────────────────────────────────────────────────────────

    def _skip(self, view: int, out: list[Effect]) -> None:
        if view == self.view:
            self._pace.give_up()
        if self._ballot.may_skip(self._record.at(view), view):
            self._vote(VoteKind.SKIP, view, ZERO_HASH, out)

    def _vote(self, kind: VoteKind, view: int, block_hash: bytes, out: list[Effect], *before: Message) -> None:
        """Sign, make durable, send (after the messages `before`) and count."""
        persist = self._ballot.cast(kind, view, block_hash)
        out.append(persist)
        out.extend(Broadcast(message) for message in (*before, persist.vote))
        self._count(persist.vote, out)

    def _count(self, vote: Vote, out: list[Effect]) -> None:
        """Count a checked vote; a quorum makes a certificate."""
        self._note(vote, out)
        state = self._record.at(vote.view)
        if vote.kind not in state.certificates and vote.view > self._record.decided_view:
            certificate = state.tally(vote.kind, self.members).certificate(vote.block_hash)
            if certificate is not None:
                self._certify(certificate, out)

    def _note(self, vote: Vote, out: list[Effect]) -> None:
        """Put a checked vote on record, and report the voter when it contradicts itself."""
        state = self._record.at(vote.view)
        evidence = contradiction(self.domain, state.votes_of(vote.voter), vote)
        if evidence is not None and (vote.voter, vote.kind) not in state.reported:
            state.reported.add((vote.voter, vote.kind))
            out.append(Report(evidence))
        state.tally(vote.kind, self.members).add(vote)
        self._ballot.adopt(vote)

    def _certify(self, certificate: Certificate, out: list[Effect]) -> None:
        """A quorum has spoken: tell the others, and leave the view."""
        self._record.certify(certificate)
        self._ballot.rest_on(certificate)
        if len(self.members.validators) > 1:
            out.append(Broadcast(certificate) if certificate.kind is VoteKind.SKIP else Spread(certificate))
        self._touched.add(certificate.view)
        if certificate.kind is not VoteKind.SKIP:
            self.built_view = max(self.built_view, certificate.view)
        if certificate.kind is VoteKind.FINALIZE:
            self._pace.relax()
        if certificate.view >= self.view:
            self._enter(certificate.view + 1)

    # ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _news(self, message: Message) -> tuple[Claim, ...] | None:
        behind = self._catchup.behind(self._record.tree, self.final_view)
        return self._intake.claims(message, self.view, behind)

    def _receive(self, event: Received, now_ms: int, out: list[Effect]) -> bool:
        """Take a message; False when it changes nothing. Raises InvalidMessage."""
        message = event.message
        claims = self._news(message)
        if claims is None:
            answer = self._intake.answer(event, now_ms)
            if answer is not None:
                out.append(answer)
            return False
        self._intake.check(claims, event)
        match message:
            case Proposal():
                self._intake.check_whole(message)  # bodies
                self._pace.heard(message.leader, now_ms)
                self._on_proposal(message, out)
            case Vote():
                self._pace.heard(message.voter, now_ms)
                self._on_vote(message, out)
            case Certificate():
                self._on_certificate(message, out)
            case _:
                assert_never(message)
        return True

    def _on_vote(self, vote: Vote, out: list[Effect]) -> None:
        if vote.view <= self._record.decided_view and vote.view not in self._record.views:
            return
        self._count(vote, out)
        if vote.kind is VoteKind.SKIP and vote.view == self.view:
            self._due |= self._is_awaited()

    def _on_certificate(self, certificate: Certificate, out: list[Effect]) -> None:
        for vote in votes_in(certificate):
            self._note(vote, out)
        held = self._record.at(certificate.view).certificates.get(certificate.kind)
        if held is None and certificate.view > self._record.decided_view:
            self._certify(certificate, out)

    def _on_proposal(self, proposal: Proposal, out: list[Effect]) -> None:
        block = proposal.block
        if block.hash in self._record.tree.wanted:
            self._on_fetched(block)
        if proposal.view <= self._record.decided_view:
            return
        state = self._record.at(proposal.view)
        known = state.proposal
        if known is not None and not proposal.repeats(known) and (known.leader, None) not in state.reported:
            state.reported.add((known.leader, None))
            out.append(Report(Evidence.of(self.domain, Seal.of(known), Seal.of(proposal))))
        if known is None or state.notarized == block.hash != known.block.hash:
            state.proposal = proposal
            self._record.tree.add(block, proposal.view)
            self._touched.add(proposal.view)

    # ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_executed(self, block_hash: bytes, valid: bool) -> None:
        if self._record.tree.executed(block_hash, valid) is not None:
            self._touched.update(view for view, state in self._record.views.items() if state.concerns(block_hash))

    def _on_fetched(self, block: Block) -> None:
        """Take a block that a certificate, or a certified descendant, names."""
        wanted = self._record.tree.wanted.get(block.hash)
        if wanted is not None:
            self._record.tree.add(block, wanted.view)

    def _on_synced(self, view: int, number: int, block_hash: bytes) -> None:
        if number <= self._record.tree.root_number:
            return
        self._record.sync(number, block_hash, view)
        self.final_view = view
        self.built_view = max(self.built_view, view)
        if view >= self.view:
            self._enter(view + 1)

    # ── restart ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _restore(self, out: list[Effect]) -> None:
        """Take up what we signed and what it rested on: it is counted and sent again, never contradicted."""
        restored, self._restored = self._restored, None
        if restored is None:
            return
        for vote in restored.votes:
            self._ballot.adopt(vote)
        for proposal in restored.proposals:
            self._record.at(proposal.view).proposal = proposal
            self._record.tree.add(proposal.block, proposal.view)
            if self._ballot.leads(proposal.leader):
                self._proposed_view = max(self._proposed_view, proposal.view)
                out.append(Broadcast(proposal))
        for certificate in restored.certificates:
            self._on_certificate(certificate, out)
        for vote in restored.votes:
            out.append(Broadcast(vote))
            if vote.view > self._record.decided_view:
                self._count(vote, out)
