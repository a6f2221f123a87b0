"""Who is sent a certificate, and who has shown that it needs none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zg_node.consensus.messages import Certificate, Vote, VoteKind
from zg_node.consensus.relay import COPIES, GRACE_MS, PEERS_MAX, PENDING_MAX, Relay, audience

HASH = b"\1" * 32


def certificate(kind: VoteKind, view: int) -> Certificate:
    return Certificate(kind, 0, view, HASH, ())


def vote(kind: VoteKind, view: int) -> Vote:
    return Vote(kind, 0, view, HASH, 0, b"")


def told(
    relay: Relay, peers: list[str], *, votes: bool = True, voters: list[str] | None = None, now_ms: int = GRACE_MS
) -> list[str]:
    """Everyone who is sent something."""
    return [peer for _, receivers in relay.due(peers, now_ms, votes=votes, voters=voters) for peer in receivers]


NOTARIZED = certificate(VoteKind.NOTARIZE, 5)
FINALISED = certificate(VoteKind.FINALIZE, 5)


def test_a_silent_peer_is_sent_finality_when_its_time_has_come_and_once() -> None:
    relay = Relay()
    assert relay.add(FINALISED, 100) == 100 + GRACE_MS
    assert relay.due(["a"], 99 + GRACE_MS, votes=True, voters=None) == []
    assert relay.due(["a"], 100 + GRACE_MS, votes=True, voters=None) == [(FINALISED, ["a"])]
    assert relay.due(["a"], 200 + GRACE_MS, votes=True, voters=None) == []
    assert relay.next_ms() is None


@pytest.mark.parametrize(
    "said",
    [
        vote(VoteKind.FINALIZE, 5),
        vote(VoteKind.FINALIZE, 6),
        NOTARIZED,
        FINALISED,
    ],
)
def test_who_rests_on_a_notarization_is_not_sent_it(said: Vote | Certificate) -> None:
    relay = Relay()
    relay.heard("a", said)
    relay.add(NOTARIZED, 0)
    assert told(relay, ["a", "b"]) == ["b"]


@pytest.mark.parametrize("sort", [NOTARIZED, FINALISED])
def test_views_of_the_epoch_before_say_nothing_of_this_ones(sort: Certificate) -> None:
    relay = Relay()
    relay.heard("a", vote(VoteKind.FINALIZE, 9))
    relay.add(replace(sort, epoch=1), 0)
    assert told(relay, ["a"]) == ["a"]
    relay.heard("a", replace(vote(VoteKind.FINALIZE, 1), epoch=2))
    relay.add(replace(sort, epoch=1), 0)
    assert told(relay, ["a"]) == []


@pytest.mark.parametrize(
    "said",
    [
        vote(VoteKind.NOTARIZE, 5),
        vote(VoteKind.SKIP, 6),
        vote(VoteKind.NOTARIZE, 6),
        vote(VoteKind.FINALIZE, 4),
        certificate(VoteKind.SKIP, 5),
    ],
)
def test_who_may_have_skipped_the_view_is_sent_its_notarization(said: Vote | Certificate) -> None:
    relay = Relay()
    relay.heard("a", said)
    relay.add(NOTARIZED, 0)
    assert told(relay, ["a"]) == ["a"]


@pytest.mark.parametrize(("votes", "voters", "expected"), [(True, ["v"], ["v"]), (False, ["v"], []), (False, None, [])])
def test_listeners_neither_hear_nor_tell_of_notarizations(
    votes: bool, voters: list[str] | None, expected: list[str]
) -> None:
    relay = Relay()
    relay.add(NOTARIZED, 0)
    assert told(relay, ["listener", "v"], votes=votes, voters=voters) == expected


def test_while_a_validator_is_missing_everyone_is_sent_everything() -> None:
    relay, peers = Relay(), [str(index) for index in range(12)]
    relay.add(NOTARIZED, 0)
    relay.add(FINALISED, 0)
    assert told(relay, peers) == 2 * peers


def test_only_a_vote_or_a_certificate_to_finalise_spares_the_finality_certificate() -> None:
    relay = Relay()
    relay.heard("voter", vote(VoteKind.FINALIZE, 5))
    relay.heard("holder", FINALISED)
    relay.heard("ahead", vote(VoteKind.NOTARIZE, 9))
    relay.add(FINALISED, 0)
    assert told(relay, ["voter", "holder", "ahead"]) == ["ahead"]


def test_what_is_said_during_the_grace_counts() -> None:
    relay = Relay()
    relay.add(FINALISED, 0)
    relay.heard("a", vote(VoteKind.FINALIZE, 5))
    assert told(relay, ["a"]) == []


def test_each_certificate_has_its_own_time() -> None:
    relay = Relay()
    relay.add(NOTARIZED, 0)
    assert relay.add(FINALISED, 7) == GRACE_MS
    assert [found for found, _ in relay.due(["a"], GRACE_MS, votes=True, voters=None)] == [NOTARIZED]
    assert relay.next_ms() == 7 + GRACE_MS


def test_neither_peers_nor_certificates_grow_without_bound() -> None:
    relay = Relay()
    for index in range(2 * PEERS_MAX):
        relay.heard(str(index), vote(VoteKind.FINALIZE, 5))
    for index in range(2 * PENDING_MAX):
        relay.add(certificate(VoteKind.NOTARIZE, 6 + index), 0)
    sent = relay.due(["a"], GRACE_MS, votes=True, voters=None)
    assert [found.view for found, _ in sent] == list(range(6 + PENDING_MAX, 6 + 2 * PENDING_MAX))
    assert len(relay._known) <= PEERS_MAX


def test_a_listener_sends_a_certificate_to_a_few_and_reaches_everybody_in_turn() -> None:
    relay, peers = Relay(), list("abcde")
    reached: set[str] = set()
    for view in range(1, 6):
        relay.add(certificate(VoteKind.FINALIZE, view), 0)
        sent = told(relay, peers, votes=False)
        assert len(sent) == len(set(sent)) == COPIES
        reached.update(sent)
    assert reached == set(peers)
    assert told(relay, peers, votes=False) == []


def test_voters_divide_the_listeners_and_keep_none_of_themselves_waiting() -> None:
    listeners = [f"listener {index}" for index in range(12)]
    relay, voters = Relay(), ["v1", "v2", "v3"]
    reached: set[str] = set()
    for view in (6, 7):
        relay.add(certificate(VoteKind.FINALIZE, view), 0)
        sent = told(relay, voters + listeners, voters=voters)
        assert sent[:3] == voters
        assert len(sent[3:]) == COPIES * len(listeners) // 4
        reached.update(sent[3:])
    assert reached == set(listeners)


def test_the_only_voter_sends_finality_to_every_listener() -> None:
    relay, listeners = Relay(), [str(index) for index in range(12)]
    relay.add(FINALISED, 0)
    assert told(relay, listeners, voters=[]) == listeners


def test_votes_to_notarize_go_to_the_voters_alone_where_there_are_others() -> None:
    said = vote(VoteKind.NOTARIZE, 9)
    assert audience(said, ["v1", "listener", "v2"], ["v1", "v2"]) == ["v1", "v2"]
    assert audience(said, ["v1", "v2"], ["v1", "v2"]) is None
    assert audience(said, ["v1", "listener"], None) is None
    assert audience(said, ["listener"], []) is None


@pytest.mark.parametrize("said", [vote(VoteKind.SKIP, 9), vote(VoteKind.FINALIZE, 9), FINALISED])
def test_everyone_hears_of_skipped_views_and_of_finality(said: Vote | Certificate) -> None:
    assert audience(said, ["v1", "listener"], ["v1"]) is None
