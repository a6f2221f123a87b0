"""Events come out in their order, and the signatures of a burst of messages are checked once, together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.consensus.machine import certificate, chain_of, proposal
from zg_node.consensus import inbox as module
from zg_node.consensus.inbox import BATCH_MIN, RECEIVED_MAX, TAKEN_MAX, Inbox
from zg_node.consensus.instance import Due, Message, Received, TimedOut
from zg_node.consensus.messages import Vote, VoteKind
from zg_node.consensus.votes import Claim
from zg_node.errors import InvalidMessage


def vote(view: int) -> Vote:
    return Vote(VoteKind.SKIP, 0, view, bytes(32), 0, b"")


def claim(message: Message) -> Claim:
    return Claim(b"", b"", bytes([message.view]))


def claims(message: Message) -> tuple[Claim, ...]:
    if message.view == 13:
        raise InvalidMessage("not a message")
    return (claim(message),)


class Batches:
    """A verifier that notes what it is asked; odd views' signatures are good."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, wanted: Sequence[Claim]) -> list[bool]:
        self.asked.append(len(wanted))
        return [one.signature[0] % 2 == 1 for one in wanted]


def test_events_come_in_their_order() -> None:
    inbox = Inbox(Batches())
    inbox.put(Due())
    inbox.receive("a", vote(1))
    inbox.put(TimedOut())
    assert asyncio.run(inbox.take(claims)) == [Due(), Received(vote(1), "a"), TimedOut()]


def test_a_few_messages_are_left_to_the_instance() -> None:
    verifier = Batches()
    inbox = Inbox(verifier)
    for view in range(BATCH_MIN - 1):
        inbox.receive("a", vote(view))
    assert all(
        event.verified == frozenset() for event in asyncio.run(inbox.take(claims)) if isinstance(event, Received)
    )
    assert verifier.asked == []


def test_many_messages_are_checked_as_one_batch_and_what_fails_is_not_vouched_for() -> None:
    verifier = Batches()
    inbox = Inbox(verifier)
    for view in range(10, 16):
        inbox.receive("a", vote(view))
    taken = asyncio.run(inbox.take(claims))
    assert verifier.asked == [5], "the one at fault asks for nothing"
    assert [event.message.view for event in taken if isinstance(event, Received)] == list(range(10, 16))
    assert all(event.verified == {claim(vote(11)), claim(vote(15))} for event in taken if isinstance(event, Received))


def test_messages_beyond_the_bound_are_dropped_until_some_are_taken() -> None:
    inbox = Inbox(Batches())
    assert all(inbox.receive("a", vote(1)) for _ in range(RECEIVED_MAX))
    assert not inbox.receive("a", vote(1))
    assert len(asyncio.run(inbox.take(claims))) == TAKEN_MAX
    assert inbox.receive("a", vote(1))


def test_bodies_beyond_the_bound_are_dropped_until_some_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    large = proposal(1, chain_of(1)[0], 0)
    monkeypatch.setattr(module, "RECEIVED_MAX_BYTES", 3 * len(large.block.body))
    inbox = Inbox(Batches())
    assert [inbox.receive("a", large) for _ in range(4)] == [True, True, True, False]
    assert inbox.receive("a", vote(1)), "what has no body is small"
    assert len(asyncio.run(inbox.take(lambda message: ()))) == 4
    assert inbox.receive("a", large)


def test_certificates_are_left_to_their_steps() -> None:
    verifier = Batches()
    inbox = Inbox(verifier)
    for view in range(BATCH_MIN):
        inbox.receive("a", certificate(VoteKind.SKIP, view))
    inbox.receive("a", vote(1))
    asyncio.run(inbox.take(claims))
    assert verifier.asked == [1]


def test_what_waits_of_a_peer_is_dropped_alone_and_makes_room() -> None:
    inbox = Inbox(Batches())
    inbox.put(Due())
    inbox.receive("b", vote(2))
    while inbox.receive("a", vote(1)):
        pass
    inbox.drop("a")
    assert inbox.receive("c", vote(3))
    assert asyncio.run(inbox.take(claims)) == [Due(), Received(vote(2), "b"), Received(vote(3), "c")]
