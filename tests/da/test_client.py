"""Puts and gets over a network in memory: what is paid and certified, and what a client is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.da.cluster import BLOB, QUICK, Cluster, put, run, settle
from zg_node.da.client import PutProgress, Stage
from zg_node.errors import InvalidRequest, Unavailable

KIB = 1024


def test_a_blob_that_was_put_is_read_back_byte_for_byte() -> None:
    async def test(cluster: Cluster) -> None:
        for length in (1, 1_000, 64 * KIB, 300_000):
            blob = BLOB[:length]
            certified = await put(cluster, blob)
            found = await cluster.client.get(certified.blob.commitment)
            assert found.data == blob
            assert found.liars == ()
            assert found.certified == certified

    run(test)


def test_a_put_tells_how_far_it_is() -> None:
    async def test(cluster: Cluster) -> None:
        progress = PutProgress(len(BLOB))
        certified = await cluster.client.put(BLOB, 0, 1, progress)
        assert progress.stage is Stage.DONE
        assert progress.commitment == certified.blob.commitment
        assert progress.quorum == cluster.holders.quorum <= progress.stake <= cluster.holders.total

    run(test)


def test_a_request_that_is_paid_is_not_paid_again() -> None:
    async def test(cluster: Cluster) -> None:
        for keeper in cluster.keepers:
            keeper.refuses_signing = True
        cluster.client._patience = replace(QUICK, quorum_s=0.1)
        with pytest.raises(Unavailable):
            await put(cluster)
        cluster.client._patience = QUICK
        for keeper in cluster.keepers:
            keeper.refuses_signing = False
        first = await put(cluster)
        assert cluster.ledger.payments == 1
        assert await put(cluster) == first
        assert cluster.ledger.payments == 1

    run(test)


def test_a_put_with_another_quorum_is_paid_and_its_own_certificate_is_told() -> None:
    async def test(cluster: Cluster) -> None:
        first = await cluster.client.put(BLOB, 1, 2, PutProgress(len(BLOB)))
        second = await cluster.client.put(BLOB, 0, 1, PutProgress(len(BLOB)))
        assert (first.blob.quorum, second.blob.quorum) == (1, 0)
        assert cluster.ledger.payments == 2
        assert await put(cluster) == second
        assert cluster.ledger.payments == 2

    run(test)


def test_a_certified_blob_that_is_put_again_is_there_again() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        await settle(cluster)
        for keeper in cluster.keepers:
            keeper.rows.clear()
        with pytest.raises(Unavailable):
            await cluster.client.get(certified.blob.commitment)
        assert await put(cluster) == certified
        assert (await cluster.client.get(certified.blob.commitment)).data == BLOB
        assert cluster.ledger.payments == 1

    run(test)


def test_a_blob_that_has_expired_is_not_looked_for() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        cluster.ledger.now = 1
        with pytest.raises(InvalidRequest, match="was kept until epoch 0, and this is 1"):
            await cluster.client.get(certified.blob.commitment)

    run(test)


def test_a_put_over_the_end_of_an_epoch_pays_in_the_next_one() -> None:
    async def test(cluster: Cluster) -> None:
        pay = cluster.ledger.pay

        async def late(blob: object) -> None:
            cluster.ledger.now = 1
            await pay(blob)  # type: ignore[arg-type]

        cluster.ledger.pay = late  # type: ignore[method-assign]
        certified = await put(cluster)
        assert (certified.blob.epoch, certified.blob.expiry) == (1, 1)

    run(test)


def test_a_blob_that_nobody_certified_and_one_that_is_empty_are_refused() -> None:
    async def test(cluster: Cluster) -> None:
        with pytest.raises(InvalidRequest, match="no blob 0x0101"):
            await cluster.client.get(b"\x01" * 32)
        with pytest.raises(InvalidRequest, match="a blob of 0 bytes"):
            await put(cluster, b"")

    run(test)
