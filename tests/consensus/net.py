"""Simplex machines joined by a network of queues in virtual time, with everything that they sign under watch.

    Net.run(until) ─▶ heap of (time, what) ─▶ machine.step ─▶ effects ─▶ heap

Toy keys stand for secp256k1 unless a test asks for real ones; blocks are headers without execution. What an honest node
must never do raises `Violation` at once: contradict itself, vote over a gap, finalise what it did not notarize, commit
another chain than the others.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from coincurve import PrivateKey

from tests.consensus.blocks import GENESIS, block_on
from zg_node import _core
from zg_node.consensus.evidence import Evidence, Seal, contradiction
from zg_node.consensus.instance import (
    Behind,
    Broadcast,
    Commit,
    Diverged,
    Due,
    Effect,
    EpochEnded,
    Event,
    Execute,
    Executed,
    Fetch,
    Fetched,
    Message,
    Persist,
    Propose,
    Proposed,
    Received,
    Report,
    Restored,
    Send,
    SetTimer,
    Spread,
    Started,
    Synced,
    TimedOut,
    Timeouts,
)
from zg_node.consensus.messages import Certificate, Domain, Proposal, Vote, VoteKind
from zg_node.consensus.simplex import Simplex, never_last
from zg_node.consensus.votes import Claim, Key, Signer, Validator, ValidatorSet, Verifier, address_of, verify
from zg_node.errors import InvalidBlock, InvalidMessage
from zg_node.types.block import Block
from zg_node.types.hashing import ZERO_HASH, keccak

DOMAIN = Domain(bytes(32), 1660200, 0)
TIMEOUTS = Timeouts(delta_ms=100, skip_timeout_ms=200, standstill_ms=200, fetch_ms=20)
STEPS_MAX = 100_000


class Violation(AssertionError):
    """An honest node did what it must not."""


@dataclass(frozen=True, slots=True)
class ToyKey:
    """Signs by keccak of address and digest: quick, and good enough where nobody forges."""

    address: bytes

    def sign_recoverable(self, message: bytes, hasher: None) -> bytes:
        return keccak(self.address + message) + bytes(33)


def toy_verify(claims: Sequence[Claim]) -> list[bool]:
    return [claim.signature == keccak(claim.address + claim.digest) + bytes(33) for claim in claims]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: the set, a key for each of its members, and how signatures are checked."""

    members: ValidatorSet
    keys: tuple[Key, ...]
    verifier: Verifier

    def signer(self, index: int) -> Signer:
        return Signer(self.keys[index], index)


def toys(count: int, stakes: Sequence[int] = ()) -> Cast:
    addresses = [number.to_bytes(20, "big") for number in range(1, count + 1)]
    weights = stakes or [1] * count
    members = ValidatorSet(tuple(Validator(a, stake) for a, stake in zip(addresses, weights, strict=True)))
    return Cast(members, tuple(ToyKey(a) for a in addresses), toy_verify)


def real(count: int) -> Cast:
    keys = sorted((PrivateKey(bytes([i]) * 32) for i in range(1, count + 1)), key=lambda k: address_of(k.public_key))
    members = ValidatorSet(tuple(Validator(address_of(key.public_key), 1) for key in keys))
    return Cast(members, tuple(keys), verify)


@dataclass(slots=True)
class Node:
    """One honest validator with what survives its crashes."""

    machine: Simplex
    alive: bool = True
    life: int = 1
    fuse: int | None = None
    """Crash before doing so many more things: making a step's votes durable is one, every effect another."""
    due_view: int = 0
    timer: int = 0
    log: list[Persist] = field(default_factory=list)
    chain: list[Block] = field(default_factory=list)
    final_view: int = 0
    proof: Certificate | None = None
    """Of the chain's head."""
    bodies: dict[bytes, Block] = field(default_factory=dict)


Drop = Callable[[int, int, Message], bool]


def nothing_lost(sender: int, receiver: int, message: Message) -> bool:
    return False


class Net:
    """`traitors` are members without a machine; tests speak for them with `say`."""

    def __init__(
        self,
        cast: Cast,
        *,
        traitors: Sequence[int] = (),
        delay_ms: int = 10,
        pace_ms: int | None = 0,
        drop: Drop = nothing_lost,
        is_last: Callable[[Block], bool] = never_last,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        """`pace_ms`: a block is due so long after a view began; None makes none due by itself."""
        self.cast, self.members, self.delay_ms, self.pace_ms, self.drop = cast, cast.members, delay_ms, pace_ms, drop
        self.is_last, self.timeouts = is_last, timeouts
        self.now = 0
        self.bad: set[tuple[int, bytes]] = set()
        """(node, block hash) of executions that fail."""
        self.bad_uncertified: set[tuple[int, bytes]] = set()
        """The same, unless a quorum vouches for the block."""
        self.evidence: dict[bytes, Evidence] = {}
        self.effects: list[tuple[int, int, Effect]] = []
        """(time, node, effect) of everything."""
        self.blocks: dict[bytes, Block] = {GENESIS.hash: GENESIS}
        self.notarized: dict[tuple[int, bytes], set[int]] = defaultdict(set)
        self.skipped: dict[int, set[int]] = defaultdict(set)
        self._votes: dict[tuple[int, int], list[Vote]] = defaultdict(list)
        self._seals: dict[tuple[int, int], Seal] = {}
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        honest = [index for index in range(len(self.members.validators)) if index not in traitors]
        self.nodes = {index: Node(self._machine(index, Restored(0, GENESIS.hash))) for index in honest}
        for index in honest:
            self.step(index, Started())

    # ── driving ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def step(self, index: int, event: Event) -> list[Effect]:
        """Give one event to a node now, and perform what follows."""
        node = self.nodes[index]
        effects = node.machine.step(event, self.now)
        persists = [effect for effect in effects if isinstance(effect, Persist)]
        if persists and self._burns(node):
            return effects
        for persist in persists:
            self._watch(index, persist)
            node.log.append(persist)
        for effect in effects:
            if self._burns(node):
                return effects
            self.effects.append((self.now, index, effect))
            self._perform(index, node, effect)
        self._schedule_due(index, node)
        return effects

    def _burns(self, node: Node) -> bool:
        """Whether the node crashes now, before it does the next thing."""
        if node.fuse is not None:
            node.fuse -= 1
            node.alive = node.alive and node.fuse > 0
        return not node.alive

    def run(self, until: Callable[[], bool] | int) -> None:
        """Go on until a condition holds or a time has come; fails when nothing happens any more or for ever."""
        for _ in range(STEPS_MAX):
            if not isinstance(until, int) and until():
                return
            if isinstance(until, int) and (not self._heap or self._heap[0][0] > until):
                self.now = until
                return
            if not self._heap:
                raise Violation("nothing happens any more")
            self.now, _, action = heapq.heappop(self._heap)
            action()
        raise Violation("no end")

    def run_to_height(self, height: int, within_ms: int, nodes: Sequence[int] | None = None) -> None:
        """Until these nodes (all honest, living ones) have committed so many blocks; not finishing is a Violation."""
        wanted = [i for i in self.nodes if self.nodes[i].alive] if nodes is None else nodes
        limit = self.now + within_ms
        self.run(lambda: self.now > limit or all(len(self.nodes[i].chain) >= height for i in wanted))
        heights = [len(self.nodes[i].chain) for i in wanted]
        if min(heights) < height:
            raise Violation(f"heights {heights} instead of {height} after {within_ms} ms")

    def say(self, sender: int, message: Message, *receivers: int, after_ms: int | None = None) -> None:
        """A message from a traitor (or anyone), to some or to all."""
        if isinstance(message, Vote):
            self._count(message)
        if isinstance(message, Proposal):
            self.blocks[message.block.hash] = message.block
        delay = self.delay_ms if after_ms is None else after_ms
        for receiver in receivers or tuple(self.nodes):
            self._later(delay, self._delivery(sender, receiver, message))

    def crash(self, index: int) -> None:
        self.nodes[index].alive = False

    def restart(self, index: int) -> None:
        """With what was persisted and committed, and nothing else."""
        node = self.nodes[index]
        later = [p for p in node.log if p.vote.view > node.final_view]
        head = node.chain[-1] if node.chain else GENESIS
        restored = Restored(
            node.final_view,
            head.hash,
            tuple(p.vote for p in later),
            tuple(p.proposal for p in later if p.proposal is not None),
            tuple(c for p in later for c in p.certificates if c.view > node.final_view),
            head.number,
            node.proof,
        )
        node.machine, node.alive, node.fuse = self._machine(index, restored), True, None
        node.life, node.due_view = node.life + 1, 0
        self.step(index, Started())

    def vote(self, index: int, kind: VoteKind, view: int, block_hash: bytes = ZERO_HASH) -> Vote:
        """A vote with this member's key."""
        return self.cast.signer(index).vote(DOMAIN, kind, view, block_hash)

    def proposal(self, view: int, block: Block, parent_view: int = 0) -> Proposal:
        """A proposal with the key of the view's leader."""
        return self.cast.signer(self.members.leader(view)).proposal(DOMAIN, view, parent_view, block)

    def votes_of(self, index: int, kind: VoteKind, view: int) -> list[Vote]:
        return [p.vote for p in self.nodes[index].log if (p.vote.kind, p.vote.view) == (kind, view)]

    # ── performing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _machine(self, index: int, restored: Restored) -> Simplex:
        signer = self.cast.signer(index)
        return Simplex(self.members, DOMAIN, signer, self.timeouts, restored, self.is_last, self.cast.verifier)

    def _perform(self, index: int, node: Node, effect: Effect) -> None:
        match effect:
            case Broadcast(message):
                if isinstance(message, Proposal):
                    self._watch_proposal(index, message)
                if isinstance(message, Vote) and all(persist.vote != message for persist in reversed(node.log)):
                    raise Violation(f"validator {index} sends a vote that is not logged")
                for other in self.nodes:
                    if other != index:
                        self._later(self.delay_ms, self._delivery(index, other, message))
            case Spread(certificate):
                for other in self.nodes:
                    if other != index:
                        self._later(self.delay_ms, self._delivery(index, other, certificate))
            case Send(peer, message):
                self._later(self.delay_ms, self._delivery(index, int(peer), message))
            case SetTimer(at_ms):
                node.timer += 1
                self._later(max(0, at_ms - self.now), self._timer(index, node.timer, node.life))
            case Propose(view, parent_hash):
                block = block_on(self.blocks[parent_hash], view, index)
                self.blocks[block.hash] = node.bodies[block.hash] = block
                self._event(0, index, Proposed(view, block))
            case Execute(block, certified):
                self.blocks[block.hash] = node.bodies[block.hash] = block
                failed = (index, block.hash) in self.bad
                failed |= not certified and (index, block.hash) in self.bad_uncertified
                failed |= not _is_whole(block)
                self._event(0, index, Executed(block.hash, not failed))
            case Fetch(_, block_hash):
                self._later(2 * self.delay_ms, lambda: self._fetch(index, block_hash))
            case Commit(blocks, certificate):
                self._commit(index, node, blocks)
                node.final_view, node.proof = certificate.view, certificate
            case Report(evidence):
                evidence.check(self.members, DOMAIN, self.cast.verifier)
                if evidence.offender in self.nodes:
                    raise Violation(f"honest validator {evidence.offender} is framed")
                self.evidence[evidence.id] = evidence
            case Behind():
                self._later(2 * self.delay_ms, lambda: self._sync(index))
            case Persist() | EpochEnded() | Diverged():
                pass

    def _fetch(self, index: int, block_hash: bytes) -> None:
        for other, node in self.nodes.items():
            block = node.bodies.get(block_hash)
            if other != index and node.alive and block is not None:
                self._event(0, index, Fetched(block))
                return

    def _sync(self, index: int) -> None:
        """Take over the longest chain of another node, and say so."""
        node, best = self.nodes[index], max(self.nodes.values(), key=lambda other: len(other.chain))
        missing = best.chain[len(node.chain) :]
        if node.alive and missing:
            self._commit(index, node, missing)
            node.final_view, node.proof = missing[-1].consensus.view, best.proof
            self.step(index, Synced(node.final_view, missing[-1].number, missing[-1].hash))

    def _delivery(self, sender: int, receiver: int, message: Message) -> Callable[[], None]:
        def deliver() -> None:
            if receiver in self.nodes and self.nodes[receiver].alive and not self.drop(sender, receiver, message):
                try:
                    self.step(receiver, Received(message, str(sender) if sender in self.nodes else ""))
                except InvalidMessage:
                    if sender in self.nodes:
                        raise

        return deliver

    def _timer(self, index: int, timer: int, life: int) -> Callable[[], None]:
        def fire() -> None:
            node = self.nodes[index]
            if node.alive and (node.timer, node.life) == (timer, life):
                self.step(index, TimedOut())

        return fire

    def _schedule_due(self, index: int, node: Node) -> None:
        if self.pace_ms is not None and node.due_view != node.machine.view:
            node.due_view = node.machine.view
            self._event(self.pace_ms, index, Due(), only_in=node.due_view)

    def _event(self, delay: int, index: int, event: Event, only_in: int | None = None) -> None:
        life = self.nodes[index].life if index in self.nodes else 1

        def happen() -> None:
            node = self.nodes[index]
            if node.alive and node.life == life and only_in in (None, node.machine.view):
                self.step(index, event)

        self._later(delay, happen)

    def _later(self, delay: int, action: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (self.now + delay, self._sequence, action))

    # ── watching ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _count(self, vote: Vote) -> None:
        if vote.kind is VoteKind.NOTARIZE:
            self.notarized[vote.view, vote.block_hash].add(vote.voter)
        if vote.kind is VoteKind.SKIP:
            self.skipped[vote.view].add(vote.voter)

    def _quorum(self, voters: set[int]) -> bool:
        return 3 * sum(self.members.stake(voter) for voter in voters) > 2 * self.members.total

    def _watch(self, index: int, effect: Persist) -> None:
        """What an honest node is about to sign, against all that it ever signed and all that anyone said."""
        vote, earlier = effect.vote, self._votes[index, effect.vote.view]
        if contradiction(DOMAIN, earlier, vote) is not None:
            raise Violation(f"validator {index} contradicts itself in view {vote.view}: {vote.kind.name}")
        if vote.kind is VoteKind.NOTARIZE:
            self._watch_notarize(index, effect)
        if vote.kind is VoteKind.FINALIZE:
            if not any(v.kind is VoteKind.NOTARIZE and v.block_hash == vote.block_hash for v in earlier):
                raise Violation(f"validator {index} finalises in view {vote.view} what it did not notarize")
            if not self._quorum(self.notarized[vote.view, vote.block_hash]):
                raise Violation(f"validator {index} finalises in view {vote.view} without a quorum")
            if (index, vote.block_hash) in self.bad:
                raise Violation(f"validator {index} finalises a block that failed")
        earlier.append(vote)
        self._count(vote)

    def _watch_notarize(self, index: int, effect: Persist) -> None:
        proposal, view = effect.proposal, effect.vote.view
        if proposal is None or proposal.block.hash != effect.vote.block_hash:
            raise Violation(f"validator {index} notarizes in view {view} without a body")
        block, parent_view = proposal.block, proposal.parent_view
        for gap in range(parent_view + 1, view):
            if not self._quorum(self.skipped[gap]):
                raise Violation(f"validator {index} notarizes in view {view} over view {gap}")
        again = block.consensus.view < view
        parent = block.hash if again else block.header.parent_hash
        if parent != GENESIS.hash and not self._quorum(self.notarized[parent_view, parent]):
            raise Violation(f"validator {index} notarizes in view {view} on a parent that is not notarized")
        if not again and parent != GENESIS.hash and self.is_last(self.blocks[parent]):
            raise Violation(f"validator {index} notarizes a child of the epoch's last block")
        if (index, block.hash) in self.bad or (index, parent) in self.bad:
            raise Violation(f"validator {index} notarizes a block that failed, or its child")

    def _watch_proposal(self, index: int, proposal: Proposal) -> None:
        if proposal.leader != index:
            return
        seal = self._seals.setdefault((index, proposal.view), Seal.of(proposal))
        if seal != Seal.of(proposal):
            raise Violation(f"validator {index} proposes twice in view {proposal.view}")

    def _commit(self, index: int, node: Node, blocks: Sequence[Block]) -> None:
        for block in blocks:
            parent = node.chain[-1] if node.chain else GENESIS
            if block.header.parent_hash != parent.hash:
                raise Violation(f"validator {index} commits a block that does not follow its head")
            if (index, block.hash) in self.bad:
                raise Violation(f"validator {index} commits a block that failed")
            for other in self.nodes.values():
                if len(other.chain) > len(node.chain) and other.chain[len(node.chain)].hash != block.hash:
                    raise Violation(f"two blocks are final at height {block.number}")
            node.chain.append(block)


def _is_whole(block: Block) -> bool:
    try:
        _core.check_body(block.header.raw, block.body)
    except InvalidBlock:
        return False
    return True
