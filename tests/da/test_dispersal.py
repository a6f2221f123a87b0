"""Offers to all holders: when a quorum is reached, when it is not, and whose signature counts."""

from __future__ import annotations

import pytest

from tests.da.cluster import BLOB, EIGHT, Cluster, put, run, settle
from zg_node.da.client import PutProgress, Stage
from zg_node.errors import Unavailable
from zg_node.p2p.network import Offence


def test_the_certificate_does_not_wait_for_the_last_third() -> None:
    async def test(cluster: Cluster) -> None:
        slow = [keeper for keeper, stake in zip(cluster.keepers, EIGHT, strict=True) if stake == 10][:3]
        for keeper in slow:
            keeper.stalls = True
        certified = await put(cluster)
        assert not {cluster.keepers.index(keeper) for keeper in slow} & set(certified.signers)

    run(test)


def test_holders_that_sign_late_still_get_their_rows() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        await settle(cluster)
        assert all(certified.blob.commitment in keeper.rows for keeper in cluster.keepers)
        assert cluster.outbox.held_bytes == 0

    run(test)


def test_without_a_quorum_the_put_fails_and_says_how_to_get_the_fee_back() -> None:
    async def test(cluster: Cluster) -> None:
        for keeper in cluster.keepers[:4]:
            cluster.kill(keeper)
        progress = PutProgress(len(BLOB))
        with pytest.raises(Unavailable, match=r"60 of 120 stake signed, 81 are needed.*not connected.*refund\(0x"):
            await cluster.client.put(BLOB, 0, 1, progress)
        assert progress.stage is Stage.FAILED
        assert cluster.ledger.certificates == []
        assert cluster.outbox.held_bytes == 0

    run(test)


def test_a_quorum_needs_more_than_two_thirds_of_the_stake() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.kill(cluster.keepers[0])
        with pytest.raises(Unavailable, match="20 of 30 stake signed, 21 are needed"):
            await put(cluster)

    run(test, (10, 10, 10))


def test_a_forged_signature_is_not_counted_and_its_sender_is_scored() -> None:
    async def test(cluster: Cluster) -> None:
        forger, other = cluster.keepers[:2]
        forger.key = other.key
        certified = await put(cluster)
        assert 0 not in certified.signers
        assert (forger.network.peer_id, Offence.BAD_SIGNATURE) in cluster.network.reports

    run(test)
