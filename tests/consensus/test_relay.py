"""Who is sent a certificate, and who has shown that it needs none."""

from __future__ import annotations

import pytest

from zg_node.consensus.messages import Certificate, Vote, VoteKind
from zg_node.consensus.relay import GRACE_MS, PEERS_MAX, PENDING_MAX, Relay

HASH = b"\1" * 32


def certificate(kind: VoteKind, view: int) -> Certificate:
    return Certificate(kind, 0, view, HASH, ())


def vote(kind: VoteKind, view: int) -> Vote:
    return Vote(kind, 0, view, HASH, 0, b"")


NOTARIZED = certificate(VoteKind.NOTARIZE, 5)
FINALISED = certificate(VoteKind.FINALIZE, 5)


def test_a_silent_peer_is_sent_a_certificate_when_its_time_has_come_and_once() -> None:
    relay = Relay()
    assert relay.add(NOTARIZED, 100) == 100 + GRACE_MS
    assert relay.due(["a"], 99 + GRACE_MS) == []
    assert relay.due(["a"], 100 + GRACE_MS) == [("a", NOTARIZED)]
    assert relay.due(["a"], 200 + GRACE_MS) == []
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
    assert relay.due(["a", "b"], GRACE_MS) == [("b", NOTARIZED)]


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
    assert relay.due(["a"], GRACE_MS) == [("a", NOTARIZED)]


def test_only_a_vote_or_a_certificate_to_finalise_spares_the_finality_certificate() -> None:
    relay = Relay()
    relay.heard("voter", vote(VoteKind.FINALIZE, 5))
    relay.heard("holder", FINALISED)
    relay.heard("ahead", vote(VoteKind.NOTARIZE, 9))
    relay.add(FINALISED, 0)
    assert relay.due(["voter", "holder", "ahead"], GRACE_MS) == [("ahead", FINALISED)]


def test_what_is_said_during_the_grace_counts() -> None:
    relay = Relay()
    relay.add(NOTARIZED, 0)
    relay.heard("a", vote(VoteKind.FINALIZE, 5))
    assert relay.due(["a"], GRACE_MS) == []


def test_each_certificate_has_its_own_time() -> None:
    relay = Relay()
    relay.add(NOTARIZED, 0)
    assert relay.add(FINALISED, 7) == GRACE_MS
    assert relay.due(["a"], GRACE_MS) == [("a", NOTARIZED)]
    assert relay.next_ms() == 7 + GRACE_MS


def test_neither_peers_nor_certificates_grow_without_bound() -> None:
    relay = Relay()
    for index in range(2 * PEERS_MAX):
        relay.heard(str(index), vote(VoteKind.FINALIZE, 5))
    for index in range(2 * PENDING_MAX):
        relay.add(certificate(VoteKind.NOTARIZE, 6 + index), 0)
    sent = relay.due(["a"], GRACE_MS)
    assert [found.view for _, found in sent] == list(range(6 + PENDING_MAX, 6 + 2 * PENDING_MAX))
    assert len(relay._known) <= PEERS_MAX


def test_a_listener_sends_a_certificate_to_a_few_and_reaches_everybody_in_turn() -> None:
    relay, peers = Relay(), list("abcde")
    told: list[str] = []
    for view in range(1, 6):
        relay.add(certificate(VoteKind.FINALIZE, view), 0)
        sent = [peer for peer, _ in relay.due(peers, GRACE_MS, most=2)]
        assert len(sent) == len(set(sent)) == 2
        told += sent
    assert set(told) == set(peers)
    assert relay.due(peers, GRACE_MS, most=2) == []
    relay.add(certificate(VoteKind.FINALIZE, 6), 0)
    assert [peer for peer, _ in relay.due(["a", "b"], GRACE_MS, most=2)] == ["a", "b"]
