"""Simplex as a state machine: four validators in one process, messages delivered by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from coincurve import PrivateKey

from tests.consensus.blocks import GENESIS, block_on
from zg_node.consensus.instance import (
    Broadcast,
    Commit,
    Due,
    Effect,
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
from zg_node.consensus.simplex import VIEWS_AHEAD_MAX, Simplex
from zg_node.consensus.votes import Signer, Validator, ValidatorSet, address_of
from zg_node.errors import InvalidMessage
from zg_node.types.block import Block

DOMAIN = Domain(bytes(32), 1660200, 0)
KEYS = sorted((PrivateKey(bytes([i]) * 32) for i in range(1, 5)), key=lambda k: address_of(k.public_key))
FOUR = ValidatorSet(tuple(Validator(address_of(key.public_key), 1) for key in KEYS))
ALONE = ValidatorSet(FOUR.validators[:1])

Message = Proposal | Vote | Certificate


@dataclass
class Net:
    """Validators joined by queues. `drop` decides what is lost; execution succeeds unless its block is in `bad`."""

    members: ValidatorSet = FOUR
    drop: Callable[[int, int, Message], bool] = lambda sender, receiver, message: False
    bad: set[bytes] = field(default_factory=set)
    nodes: list[Simplex] = field(default_factory=list)
    queue: deque[tuple[int, int, Message]] = field(default_factory=deque)
    committed: dict[int, list[bytes]] = field(default_factory=dict)
    persisted: dict[int, list[Persist]] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    blocks: dict[bytes, Block] = field(default_factory=dict)
    salt: int = 0

    def __post_init__(self) -> None:
        for index in range(len(self.members.validators)):
            self.nodes.append(self.new(index, Restored(0, GENESIS.hash)))
        for index in range(len(self.nodes)):
            self.step(index, Started())

    def new(self, index: int, restored: Restored) -> Simplex:
        return Simplex(self.members, DOMAIN, Signer(KEYS[index], index), Timeouts(delta_ms=100), restored)

    def step(self, index: int, event: object, now_ms: int = 0) -> list[Effect]:
        effects = self.nodes[index].step(event, now_ms)  # type: ignore[arg-type]
        for effect in effects:
            self.perform(index, effect)
        return effects

    def perform(self, index: int, effect: Effect) -> None:
        match effect:
            case Persist():
                self.persisted.setdefault(index, []).append(effect)
            case Broadcast(message):
                for other in range(len(self.nodes)):
                    if other != index and not self.drop(index, other, message):
                        self.queue.append((index, other, message))
            case Propose(view, parent_hash):
                self.salt += 1
                parent = self.blocks.get(parent_hash, GENESIS)
                block = block_on(parent, view, self.salt)
                self.blocks[block.hash] = block
                self.step(index, Proposed(view, block))
            case Execute(block):
                self.blocks[block.hash] = block
                self.step(index, Executed(block.hash, block.hash not in self.bad))
            case Commit(blocks, _):
                self.committed.setdefault(index, []).extend(block.hash for block in blocks)
            case Report():
                self.reports.append(effect)
            case SetTimer():
                pass

    def deliver(self) -> None:
        for _ in range(20_000):
            if not self.queue:
                return
            _, receiver, message = self.queue.popleft()
            self.step(receiver, Received(message))
        raise AssertionError("messages without end")

    def round(self) -> None:
        """A block is due everywhere; deliver all that follows."""
        for index in range(len(self.nodes)):
            self.step(index, Due())
        self.deliver()

    def time_out(self) -> None:
        for index, node in enumerate(self.nodes):
            self.step(index, TimedOut(node.view))
        self.deliver()

    def chains(self) -> list[list[bytes]]:
        return [self.committed.get(index, []) for index in range(len(self.nodes))]


def votes_of(net: Net, index: int, kind: VoteKind, view: int) -> list[Vote]:
    return [p.vote for p in net.persisted.get(index, []) if p.vote.kind is kind and p.vote.view == view]


def test_a_lone_validator_finalises_its_block_in_one_step() -> None:
    net = Net(ALONE)
    net.round()
    assert len(net.chains()[0]) == 1
    assert net.nodes[0].view == 2


def test_four_validators_finalise_the_same_chain() -> None:
    net = Net()
    for _ in range(10):
        net.round()
    assert len(net.chains()[0]) == 10
    assert all(chain == net.chains()[0] for chain in net.chains())


def test_votes_are_persisted_before_they_are_broadcast() -> None:
    net = Net(ALONE)
    effects = net.nodes[0].step(Due(), 0)
    assert [type(e) for e in effects] == [Propose, SetTimer]
    effects = net.nodes[0].step(Proposed(1, block_on(GENESIS, 1, 1)), 0)
    for position, effect in enumerate(effects):
        if isinstance(effect, Broadcast) and isinstance(effect.message, Vote):
            earlier = [e.vote for e in effects[:position] if isinstance(e, Persist)]
            assert effect.message in earlier
    assert isinstance(effects[0], Persist)
    assert effects[0].proposal is not None, "the body is durable with the NOTARIZE vote"


def test_one_of_four_dead_does_not_stop_finality() -> None:
    net = Net(drop=lambda sender, receiver, message: 0 in (sender, receiver))
    for _ in range(8):
        net.round()
        net.time_out() if net.nodes[1].view % 4 == 0 else None
    chains = net.chains()[1:]
    assert len(chains[0]) >= 4
    assert all(chain == chains[0] for chain in chains)


def test_two_of_four_dead_finalise_nothing() -> None:
    net = Net(drop=lambda sender, receiver, message: bool({0, 1} & {sender, receiver}))
    for _ in range(4):
        net.round()
        net.time_out()
    assert all(chain == [] for chain in net.chains())


def test_notarize_is_cast_once_a_view() -> None:
    """Rule 1: of an equivocating leader's two proposals only one gets our vote, and the pair is reported."""
    net = Net(drop=lambda *_: True)
    leader = FOUR.leader(1)
    victim = (leader + 1) % 4
    signer = Signer(KEYS[leader], leader)
    first, second = (signer.proposal(DOMAIN, 1, 0, block_on(GENESIS, 1, salt)) for salt in (1, 2))
    net.step(victim, Received(first))
    net.step(victim, Received(second))
    assert len(votes_of(net, victim, VoteKind.NOTARIZE, 1)) == 1
    assert net.reports == [Report(first, second)]


def test_a_view_that_was_skipped_is_never_finalised_by_the_same_validator() -> None:
    """Rule 2, in both orders."""
    net = Net(drop=lambda sender, receiver, message: isinstance(message, Vote) and message.kind is VoteKind.NOTARIZE)
    net.round()
    net.time_out()
    for index in range(4):
        assert not (votes_of(net, index, VoteKind.SKIP, 1) and votes_of(net, index, VoteKind.FINALIZE, 1))
        assert votes_of(net, index, VoteKind.SKIP, 1)
    net.drop = lambda *_: False
    for index in range(4):
        for other in range(4):
            for vote in votes_of(net, other, VoteKind.NOTARIZE, 1):
                net.step(index, Received(vote))
    net.deliver()
    for index in range(4):
        assert not votes_of(net, index, VoteKind.FINALIZE, 1)


def test_after_finalize_a_timeout_does_not_skip_the_view() -> None:
    """Rule 2, the other order: FINALIZE was cast, the quorum for it is missing."""
    net = Net(drop=lambda sender, receiver, message: isinstance(message, Vote) and message.kind is VoteKind.FINALIZE)
    net.round()
    assert all(votes_of(net, index, VoteKind.FINALIZE, 1) for index in range(4))
    for index in range(4):
        net.nodes[index].view = 1
        net.step(index, TimedOut(1))
        assert not votes_of(net, index, VoteKind.SKIP, 1)


def test_a_proposal_over_an_uncertified_gap_gets_no_vote() -> None:
    """Rule 3."""
    net = Net(drop=lambda *_: True)
    view = 3
    leader = FOUR.leader(view)
    voter = (leader + 1) % 4
    proposal = Signer(KEYS[leader], leader).proposal(DOMAIN, view, 0, block_on(GENESIS, view, 1))
    net.step(voter, Received(proposal))
    assert votes_of(net, voter, VoteKind.NOTARIZE, view) == []
    for skipped in (1, 2):
        votes = [Signer(KEYS[i], i).vote(DOMAIN, VoteKind.SKIP, skipped) for i in range(3)]
        for vote in votes:
            net.step(voter, Received(vote))
    assert len(votes_of(net, voter, VoteKind.NOTARIZE, view)) == 1


def test_a_block_that_fails_to_execute_is_skipped_and_never_finalised() -> None:
    """Rules 4 and 5: everyone else notarized it; this validator's execution fails."""
    net = Net(drop=lambda *_: True)
    leader = FOUR.leader(1)
    voter = (leader + 1) % 4
    block = block_on(GENESIS, 1, 1)
    net.bad.add(block.hash)
    net.step(voter, Received(Signer(KEYS[leader], leader).proposal(DOMAIN, 1, 0, block)))
    for index in {0, 1, 2, 3} - {voter}:
        net.step(voter, Received(Signer(KEYS[index], index).vote(DOMAIN, VoteKind.NOTARIZE, 1, block.hash)))
    assert votes_of(net, voter, VoteKind.SKIP, 1)
    assert not votes_of(net, voter, VoteKind.NOTARIZE, 1)
    assert not votes_of(net, voter, VoteKind.FINALIZE, 1)
    node = net.nodes[voter]
    child = block_on(block, 2, 1)
    second = FOUR.leader(2)
    if second != voter:
        net.step(voter, Received(Signer(KEYS[second], second).proposal(DOMAIN, 2, 1, child)))
    assert not votes_of(net, voter, VoteKind.NOTARIZE, 2)
    assert node.final_view == 0


def test_a_restart_repeats_its_votes_and_never_contradicts_them() -> None:
    net = Net(ALONE)
    net.nodes[0].step(Due(), 0)
    block = block_on(GENESIS, 1, 1)
    effects = net.nodes[0].step(Proposed(1, block), 0)
    persists = [e for e in effects if isinstance(e, Persist)]
    restored = Restored(
        0, GENESIS.hash, tuple(p.vote for p in persists), tuple(p.proposal for p in persists if p.proposal)
    )
    again = net.new(0, restored)
    net.nodes[0] = again
    net.committed.clear()
    net.persisted.clear()
    net.step(0, Started())
    assert net.chains()[0] == [block.hash], "the block whose FINALIZE vote was persisted is committed after the restart"
    assert not net.persisted.get(0), "nothing new was signed"


def test_a_restart_after_notarize_alone_goes_on_with_the_same_block() -> None:
    net = Net(ALONE)
    block = block_on(GENESIS, 1, 1)
    signer = Signer(KEYS[0], 0)
    proposal = signer.proposal(DOMAIN, 1, 0, block)
    vote = signer.vote(DOMAIN, VoteKind.NOTARIZE, 1, block.hash)
    net.nodes[0] = net.new(0, Restored(0, GENESIS.hash, (vote,), (proposal,)))
    net.step(0, Started())
    assert net.chains()[0] == [block.hash]
    assert votes_of(net, 0, VoteKind.NOTARIZE, 1) == []


def test_forged_and_far_messages_are_refused() -> None:
    net = Net(drop=lambda *_: True)
    good = Signer(KEYS[1], 1).vote(DOMAIN, VoteKind.SKIP, 1)
    forged = Vote(good.kind, good.view, good.block_hash, 2, good.signature)
    with pytest.raises(InvalidMessage, match="not signed by validator 2"):
        net.nodes[0].step(Received(forged), 0)
    far = Signer(KEYS[1], 1).vote(DOMAIN, VoteKind.SKIP, VIEWS_AHEAD_MAX + 2)
    with pytest.raises(InvalidMessage, match="too far ahead"):
        net.nodes[0].step(Received(far), 0)
    other_chain = Signer(KEYS[1], 1).vote(Domain(bytes(32), 1, 0), VoteKind.SKIP, 1)
    with pytest.raises(InvalidMessage, match="not signed"):
        net.nodes[0].step(Received(other_chain), 0)
    thin = Certificate(VoteKind.SKIP, 1, bytes(32), ((1, good.signature),))
    with pytest.raises(InvalidMessage, match="no quorum"):
        net.nodes[0].step(Received(thin), 0)


def test_an_idle_view_has_no_timeout() -> None:
    net = Net(ALONE)
    assert net.nodes[0].step(Started(), 0) == []
    effects = net.nodes[0].step(Due(), 50)
    assert SetTimer(1, 250) in effects


def test_a_failed_proposal_may_be_tried_again() -> None:
    node = Net(ALONE).nodes[0]
    assert any(isinstance(e, Propose) for e in node.step(Due(), 0))
    assert node.step(Proposed(1, None), 0) == []
    assert any(isinstance(e, Propose) for e in node.step(Due(), 0))
