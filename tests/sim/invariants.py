"""What must hold in every schedule; `Monitor` is told what honest nodes say and commit and raises `Violation`.

agreement       no two honest nodes commit different blocks at a height; each commits without a hole
votes           one NOTARIZE a view · never SKIP with FINALIZE · FINALIZE only after the own NOTARIZE, and on a quorum
rule 3          NOTARIZE only on a notarized parent, every view between them skipped by a quorum
restarts        what a node said is remembered here for good, so no restart may contradict it
evidence        no report names an honest node
memory          an instance holds a bounded number of views
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from tests.sim.attackers.attacker import Message
from zg_node.consensus.messages import Certificate, Proposal, Vote, VoteKind
from zg_node.consensus.simplex import Simplex
from zg_node.types.block import Block, StoredBlock
from zg_node.types.hashing import ZERO_HASH

HELD_MAX = 400
"""Views and blocks above the final one that an instance may hold."""


class Violation(Exception):
    """The protocol's promise is broken."""


@dataclass(frozen=True, slots=True)
class Member:
    """A validator of an epoch."""

    node: int
    stake: int


Sets = Callable[[int], Sequence[Member]]
"""Epoch → its members, by their place in the set."""
Ballot = tuple[VoteKind, int, int, bytes]
"""(kind, epoch, view, block hash)."""


@dataclass(slots=True)
class Monitor:
    """Sees everything that happens on one shard, unlike any node."""

    sets: Sets
    faulty: Collection[int]
    """Nodes."""
    genesis_hash: bytes = b""
    """Known once a node has started."""
    final: dict[int, bytes] = field(default_factory=dict)
    """Height → hash, of the first honest node that got there."""
    heights: dict[int, int] = field(default_factory=dict)
    """Honest node → its height."""
    own: dict[tuple[int, int, int], dict[VoteKind, bytes]] = field(default_factory=dict)
    """(node, epoch, view) → what an honest one voted."""
    proposed: dict[tuple[int, int, int], tuple[int, bytes]] = field(default_factory=dict)
    """(node, epoch, view) → (parent view, block hash) that an honest one proposed."""
    proposals: dict[tuple[int, int, bytes], Proposal] = field(default_factory=dict)
    """(epoch, view, block hash) → a proposal that somebody sent."""
    votes: dict[Ballot, set[int]] = field(default_factory=dict)
    """Who voted for what, by their places in the set, the faulty included."""
    culprits: set[int] = field(default_factory=set)
    """Nodes against which there is evidence."""
    views_held: int = 0
    """Most views and blocks that an instance held."""

    # ── what is said ────────────────────────────────────────────────────────────────────────────────────────────────

    def said(self, node: int, message: Message) -> None:
        """`node` sends `message`, to whomever."""
        match message:
            case Proposal():
                self._proposal(node, message)
            case Vote() if self._author(message) == node:
                if node not in self.faulty:
                    self._vote(node, message)
                ballot = (message.kind, message.epoch, message.view, message.block_hash)
                self.votes.setdefault(ballot, set()).add(message.voter)
            case _:
                pass  # other people's words

    def _author(self, vote: Vote) -> int | None:
        members = self.sets(vote.epoch)
        return members[vote.voter].node if vote.voter < len(members) else None

    def _proposal(self, node: int, proposal: Proposal) -> None:
        self.proposals.setdefault((proposal.epoch, proposal.view, proposal.block.hash), proposal)
        if node in self.faulty or self.sets(proposal.epoch)[proposal.leader].node != node:
            return
        content = (proposal.parent_view, proposal.block.hash)
        if self.proposed.setdefault((node, proposal.epoch, proposal.view), content) != content:
            raise Violation(f"honest leader {node} proposed two blocks in view {proposal.view}")

    def _vote(self, node: int, vote: Vote) -> None:
        own = self.own.setdefault((node, vote.epoch, vote.view), {})
        earlier = own.setdefault(vote.kind, vote.block_hash)
        if earlier != vote.block_hash:
            raise Violation(f"honest node {node} sent two {vote.kind.name} votes in view {vote.view}")
        if VoteKind.SKIP in own and VoteKind.FINALIZE in own:
            raise Violation(f"honest node {node} sent SKIP and FINALIZE in view {vote.view}")
        if vote.kind is VoteKind.FINALIZE:
            if own.get(VoteKind.NOTARIZE) != vote.block_hash:
                raise Violation(f"node {node}: FINALIZE without the own NOTARIZE in view {vote.view}")
            if not self.has_quorum(VoteKind.NOTARIZE, vote.epoch, vote.view, vote.block_hash):
                raise Violation(f"node {node}: FINALIZE of a block without quorum in view {vote.view}")
        if vote.kind is VoteKind.NOTARIZE:
            self._check_parent(node, vote)

    def _check_parent(self, node: int, vote: Vote) -> None:
        """Rule 3, and rule 7: an epoch's last block is its own parent when it is proposed again."""
        proposal = self.proposals.get((vote.epoch, vote.view, vote.block_hash))
        if proposal is None:
            raise Violation(f"node {node}: NOTARIZE of a block that nobody proposed in view {vote.view}")
        for skipped in range(proposal.parent_view + 1, proposal.view):
            if not self.has_quorum(VoteKind.SKIP, vote.epoch, skipped, ZERO_HASH):
                raise Violation(f"node {node}: NOTARIZE over view {skipped}, which no quorum skipped")
        block = proposal.block
        parent_hash = block.header.parent_hash if block.consensus.view == proposal.view else block.hash
        if parent_hash == self.genesis_hash and proposal.parent_view == 0:
            return
        epochs = (vote.epoch, vote.epoch - 1)  # an epoch's first block builds on the last one of the epoch before
        if not any(self.has_quorum(VoteKind.NOTARIZE, e, proposal.parent_view, parent_hash) for e in epochs):
            raise Violation(f"node {node}: NOTARIZE in view {vote.view} on a parent without quorum")

    def has_quorum(self, kind: VoteKind, epoch: int, view: int, block_hash: bytes) -> bool:
        """Whether more than two thirds of the stake said so, to anybody."""
        members = self.sets(epoch)
        stake = sum(members[voter].stake for voter in self.votes.get((kind, epoch, view, block_hash), ()))
        return 3 * stake > 2 * sum(member.stake for member in members)

    def contradicting(self) -> set[int]:
        """The nodes that signed what no honest node signs together: whom the votes on record convict."""
        signed: dict[tuple[int, int, int], dict[VoteKind, set[bytes]]] = {}
        for (kind, epoch, view, block_hash), voters in self.votes.items():
            for voter in voters:
                signed.setdefault((epoch, view, voter), {}).setdefault(kind, set()).add(block_hash)
        guilty = set()
        for (epoch, _, voter), votes in signed.items():
            twice = any(len(hashes) > 1 for hashes in votes.values())
            if twice or {VoteKind.SKIP, VoteKind.FINALIZE} <= votes.keys():
                guilty.add(self.sets(epoch)[voter].node)
        return guilty

    # ── what is done ────────────────────────────────────────────────────────────────────────────────────────────────

    def committed(self, node: int, blocks: Sequence[Block], certificate: Certificate) -> None:
        """Honest `node` commits `blocks`; the certificate is of the last one."""
        if node in self.faulty:
            return
        if certificate.kind is not VoteKind.FINALIZE or certificate.block_hash != blocks[-1].hash:
            raise Violation(f"node {node} commits on a certificate that does not fit")
        if not self.has_quorum(VoteKind.FINALIZE, certificate.epoch, certificate.view, certificate.block_hash):
            raise Violation(f"node {node} commits height {blocks[-1].number} without a quorum of FINALIZE votes")
        for block in blocks:
            self.appended(node, block.number, block.hash, block.header.parent_hash)

    def appended(self, node: int, number: int, block_hash: bytes, parent_hash: bytes) -> None:
        """Honest `node` has this block as final."""
        if node in self.faulty:
            return
        height = self.heights.get(node, 0)
        if number != height + 1:
            raise Violation(f"node {node} commits height {number} after {height}")
        if parent_hash != (self.final[number - 1] if number > 1 else self.genesis_hash):
            raise Violation(f"node {node}: the block at height {number} is not a child of the one before")
        if self.final.setdefault(number, block_hash) != block_hash:
            raise Violation(f"two blocks are final at height {number}: node {node} has another one")
        self.heights[node] = number

    def restarted(self, node: int, chain: Sequence[StoredBlock]) -> None:
        """Honest `node` came back with these final blocks, genesis first; it may have lost its power before it could
        tell of the last ones, or have begun with a snapshot."""
        self.genesis_hash = self.genesis_hash or chain[0].hash
        if node in self.faulty:
            return
        head, height = chain[-1], self.heights.get(node, 0)
        if head.number < height:
            raise Violation(f"node {node} had committed height {height} and came back at {head.number}")
        for block in chain[1:]:
            if block.number <= height and block.hash != self.final[block.number]:
                raise Violation(f"node {node} came back with another block at height {block.number}")
        fresh = [block for block in chain[1:] if block.number > height]
        if fresh and height == 0 and fresh[0].number > 1:
            self._began_with(node, fresh.pop(0))
        for block in fresh:
            self.appended(node, block.number, block.hash, block.header.parent_hash)

    def _began_with(self, node: int, block: StoredBlock) -> None:
        """Its first block is a snapshot's: one that a quorum has finalised."""
        certificate = Certificate.decode(block.certificate)
        if not self.has_quorum(VoteKind.FINALIZE, certificate.epoch, certificate.view, block.hash):
            raise Violation(f"node {node} begins with height {block.number}, which no quorum finalised")
        if self.final.setdefault(block.number, block.hash) != block.hash:
            raise Violation(f"node {node} begins with another block at height {block.number} than the final one")
        self.heights[node] = block.number

    def reported(self, node: int, epoch: int, voter: int) -> None:
        """`node` holds evidence against a validator."""
        if node in self.faulty:
            return
        offender = self.sets(epoch)[voter].node
        if offender not in self.faulty:
            raise Violation(f"node {node} frames node {offender}")
        self.culprits.add(offender)

    def holds(self, node: int, instance: Simplex) -> None:
        """Look at an instance's size: nothing that peers send makes it grow without bound."""
        record = instance._record
        held = len(record.views) + len(record.tree)
        self.views_held = max(self.views_held, held)
        if held > HELD_MAX:
            raise Violation(f"node {node} holds {len(record.views)} views and {len(record.tree)} blocks")
