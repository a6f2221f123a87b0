"""What a node knows of its instance: views, blocks, and which of them a quorum has decided on.

    decided ◀── notarized ── skipped ── notarized ── skipped ── current view
    (FINALIZE)   in view p      └────── the gap of a proposal on p ──────┘

Everything here follows from checked messages and from executions; what to do about it is `simplex`'s.
"""

from __future__ import annotations

from collections.abc import Callable

from zg_node.consensus.instance import Restored
from zg_node.consensus.messages import Certificate, Proposal, VoteKind
from zg_node.consensus.tree import BlockTree
from zg_node.consensus.view import View
from zg_node.types.block import Block

DECIDED_VIEWS_KEPT = 16
"""Views below the decided one whose votes are kept to convict who contradicts them."""
FINALS_MAX = 64
"""Finality certificates kept while their blocks are executed; the newest is always among them."""
PROPOSALS_BEHIND_MAX = 8
"""A proposal that nobody vouches for is forgotten so many views after its own."""
JUSTIFIED_VIEWS_MAX = 8
"""Skipped views whose certificates go with a proposal; older ones are repeated at a standstill."""
REPEATED_VIEWS_MAX = 32
"""Certificates, and views with own votes, that are sent again at once at a standstill."""


class Record:
    """Views above and a few below the decided one, and the blocks above the committed one."""

    def __init__(self, restored: Restored, is_last: Callable[[Block], bool]) -> None:
        self.is_last = is_last
        self.tree = BlockTree(restored.number, restored.block_hash)
        self.views: dict[int, View] = {}
        self.decided_view = restored.view
        self.decided_hash = restored.block_hash
        """The highest block that a quorum finalised; it may be missing here, or not be executed yet."""
        self.decision = restored.certificate
        """Its certificate, or a descendant's, when it is known."""
        self.ground = restored.certificate
        """What this instance began on."""
        self.finals: list[Certificate] = []
        """FINALIZE certificates above the committed block, ascending by view."""
        self._repeated = 0

    def at(self, view: int) -> View:
        """The view's record, made when it is the first time."""
        state = self.views.get(view)
        if state is None:
            state = self.views[view] = View()
        return state

    # ── the chain ───────────────────────────────────────────────────────────────────────────────────────────────────

    def notarized_in(self, view: int) -> bytes | None:
        """Hash of the block that is notarized in `view`."""
        if view == self.decided_view:
            return self.decided_hash
        state = self.views.get(view)
        return state.notarized if state is not None else None

    def gap_is_skipped(self, earlier: int, later: int) -> bool:
        """Whether every view between the two has a SKIP certificate."""
        return all((state := self.views.get(view)) and state.skipped for view in range(earlier + 1, later))

    def fits(self, proposal: Proposal) -> bool:
        """Rules 3 and 7: whether the proposal extends a notarized, executed block over skipped views only, or repeats
        the epoch's last one."""
        notarized, block = self.notarized_in(proposal.parent_view), proposal.block
        if notarized is None or not self.gap_is_skipped(proposal.parent_view, proposal.view):
            return False
        if block.consensus.view < proposal.view:
            return notarized == block.hash and self.is_last(block) and self.tree.is_valid(notarized)
        if notarized != block.header.parent_hash or self.ends_epoch(notarized):
            return False
        return self.tree.is_valid(notarized)

    def ends_epoch(self, block_hash: bytes) -> bool:
        """Whether this uncommitted block is its epoch's last."""
        candidate = self.tree.get(block_hash)
        return candidate is not None and self.is_last(candidate.block)

    def parent_for(self, view: int) -> tuple[int, bytes] | None:
        """(view, hash) of the notarized, executed block to build on in `view`; None while there is none. Rules 3 and
        5."""
        for earlier in range(view - 1, self.decided_view, -1):
            state = self.views.get(earlier)
            if state is None:
                return None
            if state.notarized is not None and self.tree.is_valid(state.notarized):
                return earlier, state.notarized
            if not state.skipped:
                return None
        if not self.tree.is_valid(self.decided_hash):
            return None
        return self.decided_view, self.decided_hash

    def justification(self, parent_view: int, view: int) -> tuple[Certificate, ...]:
        """What shows that `view` may build on `parent_view` over the views between, or the last JUSTIFIED_VIEWS_MAX of
        them; nothing when there are none."""
        first = max(parent_view + 1, view - JUSTIFIED_VIEWS_MAX)
        skips = tuple(self.views[v].certificates[VoteKind.SKIP] for v in range(first, view))
        parent = self.views.get(parent_view)
        if not skips or parent is None or VoteKind.NOTARIZE not in parent.certificates:
            return skips
        return (parent.certificates[VoteKind.NOTARIZE], *skips)

    # ── what is learnt ──────────────────────────────────────────────────────────────────────────────────────────────

    def certify(self, certificate: Certificate) -> None:
        """Take in a certificate of a view above the decided one."""
        state = self.at(certificate.view)
        state.certificates[certificate.kind] = certificate
        if certificate.kind is VoteKind.SKIP:
            return
        if certificate.kind is VoteKind.FINALIZE:
            state.certificates[VoteKind.NOTARIZE] = certificate
            self._decide(certificate)
        self.tree.certify(certificate.block_hash, certificate.view)

    def _decide(self, certificate: Certificate) -> None:
        self.decided_view, self.decided_hash, self.decision = certificate.view, certificate.block_hash, certificate
        if len(self.finals) == FINALS_MAX:
            self.finals.pop()
        self.finals.append(certificate)
        self.tree.lose_interest(certificate.view)
        self._forget_decided()

    def _forget_decided(self) -> None:
        oldest = self.decided_view - DECIDED_VIEWS_KEPT
        for view in [view for view in self.views if view <= self.decided_view]:
            self.views[view].proposal = None
            if view <= oldest:
                del self.views[view]

    def commit(self, number: int, block_hash: bytes, view: int) -> None:
        """Everything up to this block is committed."""
        self.finals = [certificate for certificate in self.finals if certificate.view > view]
        self.tree.settle(number, block_hash, view)

    def sync(self, number: int, block_hash: bytes, view: int) -> None:
        """Sync has committed this block of `view`."""
        if view > self.decided_view:
            self.decided_view, self.decided_hash = view, block_hash
            self._forget_decided()
        self.commit(number, block_hash, view)

    def leave(self, view: int) -> None:
        """`view` is the current one now: free the block of a view that was given up long ago, unless we or a quorum
        voted for it."""
        state = self.views.get(view - PROPOSALS_BEHIND_MAX - 1)
        if state and state.proposal and not state.notarized and VoteKind.NOTARIZE not in state.own:
            self.tree.forget(state.proposal.block.hash)
            state.proposal = None

    # ── what others may have missed ─────────────────────────────────────────────────────────────────────────────────

    def repetition(self) -> tuple[Certificate, ...]:
        """The decision, and certificates of later views: all, or in turn when there are many."""
        later = [c for v in sorted(self.views) if v > self.decided_view for c in self.views[v].certificates.values()]
        if len(later) > REPEATED_VIEWS_MAX:
            start, self._repeated = self._repeated % len(later), self._repeated + REPEATED_VIEWS_MAX
            later = (later + later)[start : start + REPEATED_VIEWS_MAX]
        return (self.decision, *later) if self.decision is not None else tuple(later)
