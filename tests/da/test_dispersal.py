"""Offers to all holders: when a quorum is reached, when it is not, and whose signature counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.da.cluster import BLOB, EIGHT, QUICK, Cluster, put, run, settle
from zg_node.da.client import PutProgress, Stage
from zg_node.da.holders import Holder
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


def test_whoever_signs_soon_after_the_quorum_is_in_the_certificate() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.client._patience = replace(QUICK, grace_s=10.0)
        certified = await put(cluster)
        assert certified.signers == tuple(range(len(EIGHT)))

    run(test)


def test_holders_that_sign_late_still_get_their_rows() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        await settle(cluster)
        assert all(certified.blob.commitment in keeper.rows for keeper in cluster.keepers)
        assert cluster.outbox.held_bytes == 0

    run(test)


def test_without_enough_holders_nothing_is_paid() -> None:
    async def test(cluster: Cluster) -> None:
        for keeper in cluster.keepers[:4]:
            cluster.kill(keeper)
        progress = PutProgress(len(BLOB))
        with pytest.raises(Unavailable, match="60 of 120 stake are connected, 81 are needed: nothing was paid"):
            await cluster.client.put(BLOB, 0, 1, progress)
        assert progress.stage is Stage.FAILED
        assert cluster.ledger.payments == 0
        assert cluster.outbox.held_bytes == 0

    run(test)


def test_without_a_quorum_the_put_fails_and_says_how_to_get_the_fee_back() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.client._patience = replace(QUICK, quorum_s=0.3)
        for keeper in cluster.keepers[:4]:
            keeper.refuses_signing = True
        progress = PutProgress(len(BLOB))
        with pytest.raises(Unavailable, match=r"60 of 120 stake signed, 81 are needed.*keeper-0 refused.*da refund 0x"):
            await cluster.client.put(BLOB, 0, 1, progress)
        assert progress.stage is Stage.FAILED
        assert cluster.ledger.certificates == []
        assert cluster.outbox.held_bytes == 0

    run(test)


def test_a_quorum_needs_more_than_two_thirds_of_the_stake() -> None:
    async def test(cluster: Cluster) -> None:
        cluster.client._patience = replace(QUICK, quorum_s=0.3)
        cluster.keepers[0].refuses_signing = True
        with pytest.raises(Unavailable, match="20 of 30 stake signed, 21 are needed"):
            await put(cluster)

    run(test, (10, 10, 10))


def test_a_holder_whose_connection_is_lost_meanwhile_is_waited_for() -> None:
    async def test(cluster: Cluster) -> None:
        lost = cluster.keepers[:4]
        peer_of = cluster.lines.peer_of
        away = {keeper.network.peer_id for keeper in lost}
        asked = 0

        def flaky(holder: Holder) -> str | None:
            nonlocal asked
            asked += holder.peer in away
            return None if holder.peer in away and 4 < asked < 20 else peer_of(holder)

        cluster.lines.peer_of = flaky  # type: ignore[method-assign]
        certified = await put(cluster)
        await settle(cluster)
        assert asked > 20
        assert sum(cluster.holders.holders[index].stake for index in certified.signers) >= cluster.holders.quorum

    run(test)


def test_a_forged_signature_is_not_counted_and_its_sender_is_scored() -> None:
    async def test(cluster: Cluster) -> None:
        forger, other = cluster.keepers[:2]
        forger.key = other.key
        certified = await put(cluster)
        assert 0 not in certified.signers
        assert (forger.network.peer_id, Offence.BAD_SIGNATURE) in cluster.network.reports

    run(test)
