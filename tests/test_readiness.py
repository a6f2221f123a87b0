"""When a node may be sent clients: it has heard from the network, and is near its head. And when nobody is heard."""

from __future__ import annotations

from zg_node.consensus.sync import NEAR_BLOCKS
from zg_node.consensus.sync_service import SyncProgress
from zg_node.readiness import AGAIN_S, FAR_BLOCKS, FIRST_S, GRACE_S, Readiness, Silence


def at(behind: int, peers: int = 3) -> SyncProgress:
    """A shard so many blocks behind."""
    return SyncProgress(0, 5000 - behind, 5000, 0.0, behind > 0, peers)


def test_a_node_is_ready_once_every_shard_has_heard_from_a_peer_and_is_near_the_head() -> None:
    readiness = Readiness()
    assert not readiness.look([at(0, peers=0), at(0, peers=0)], False, 0.0)
    assert not readiness.look([at(0), at(0, peers=0)], False, 1.0)
    assert not readiness.look([at(0), at(NEAR_BLOCKS + 1)], False, 2.0)
    assert not readiness.ready
    assert readiness.look([at(0), at(NEAR_BLOCKS)], False, 3.0)
    assert readiness.ready


def test_a_node_that_is_a_quorum_alone_is_ready_without_peers() -> None:
    readiness = Readiness()
    assert readiness.look([at(0, peers=0)], True, 0.0)
    assert readiness.ready
    without_network = Readiness()
    without_network.look([], True, 0.0)
    assert without_network.ready


def test_a_node_that_is_a_quorum_alone_still_catches_up_with_what_others_have() -> None:
    readiness = Readiness()
    readiness.look([at(NEAR_BLOCKS + 1, peers=1)], True, 0.0)
    assert not readiness.ready


def test_a_moment_behind_or_without_peers_changes_nothing() -> None:
    for moment in (at(FAR_BLOCKS), at(0, peers=0)):
        readiness = Readiness()
        readiness.look([at(0)], False, 0.0)
        assert not readiness.look([moment], False, GRACE_S)
        assert not readiness.look([at(0)], False, GRACE_S + 1)
        assert not readiness.look([moment], False, 2 * GRACE_S + 1)
        assert readiness.ready


def test_what_lasts_longer_than_the_grace_ends_readiness() -> None:
    for lasting in (at(NEAR_BLOCKS + 1), at(0, peers=0)):
        readiness = Readiness()
        readiness.look([at(0)], False, 0.0)
        assert readiness.look([lasting], False, GRACE_S + 0.1)
        assert not readiness.ready


def test_a_node_that_is_found_far_behind_is_not_ready_at_once() -> None:
    readiness = Readiness()
    readiness.look([at(0)], False, 0.0)
    assert readiness.look([at(FAR_BLOCKS + 1)], False, 0.1)
    assert not readiness.ready


def test_a_node_that_reaches_nobody_says_so_after_a_while_and_seldom_again() -> None:
    silence = Silence(100.0)
    looks = [100.0 + 0.5 * look for look in range(1400)]
    said = [now_s for now_s in looks if silence.look(0, now_s)]
    assert said == [100.0 + FIRST_S, 100.0 + FIRST_S + AGAIN_S, 100.0 + FIRST_S + 2 * AGAIN_S]


def test_a_peer_that_leaves_is_given_as_long_as_at_the_start() -> None:
    silence = Silence(0.0)
    assert not silence.look(1, FIRST_S)
    assert not silence.look(0, 2 * FIRST_S - 0.1)
    assert silence.look(0, 2 * FIRST_S)


def test_peers_that_come_and_go_are_not_worth_more_than_one_warning() -> None:
    silence = Silence(0.0)
    assert silence.look(0, FIRST_S)
    assert not silence.look(1, FIRST_S + 1)
    assert not silence.look(0, FIRST_S + AGAIN_S - 1)
    assert silence.look(0, FIRST_S + AGAIN_S)
