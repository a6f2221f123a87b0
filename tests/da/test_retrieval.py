"""Reading from holders that fail, stall or lie: the committed bytes, or a clear error."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.da.cluster import BLOB, Cluster, Keeper, flipped, put, run, settle
from zg_node import _core
from zg_node.da.client import PutProgress
from zg_node.errors import Unavailable


def rows_at(cluster: Cluster, commitment: bytes, keepers: list[Keeper]) -> set[int]:
    return {row for keeper in keepers for row in keeper.rows.get(commitment, {})}


def test_a_third_of_the_holders_serves_corrupt_rows_and_the_blob_is_read_and_the_liars_named() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        await settle(cluster)
        liars = cluster.keepers[::3]
        for keeper in liars:
            keeper.corrupt = flipped
        found = await cluster.client.get(certified.blob.commitment)
        assert found.data == BLOB
        named = {liar.signer for liar in found.liars}
        assert named
        assert named <= {keeper.signer for keeper in liars}
        assert {peer for peer, offence in cluster.network.reports} == {liar.peer for liar in found.liars}

    run(test)


def test_every_liar_that_was_asked_is_named_when_all_must_be_asked() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        await settle(cluster)
        for keeper in cluster.keepers:
            keeper.corrupt = flipped
        with pytest.raises(Unavailable, match=r"0 of 1024 rows.*lied") as failure:
            await cluster.client.get(certified.blob.commitment)
        assert len(cluster.network.reports) >= len(cluster.keepers)
        assert "8 holders" in str(failure.value)

    run(test)


def test_three_quarters_of_the_distinct_rows_are_gone_and_the_blob_is_read() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        await settle(cluster)
        commitment = certified.blob.commitment
        k, n, _ = _core.erasure_shape(len(BLOB))
        left = random.Random(1).sample(range(k + n), k)
        for keeper in cluster.keepers:
            kept = keeper.rows[commitment]
            keeper.rows[commitment] = {row: kept[row] for row in kept.keys() & set(left)}
        assert len(rows_at(cluster, commitment, cluster.keepers)) == k
        assert (await cluster.client.get(commitment)).data == BLOB

    run(test)


def test_one_row_fewer_than_k_is_a_clear_error() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        await settle(cluster)
        commitment = certified.blob.commitment
        left = set(random.Random(2).sample(range(4096), 1023))
        for keeper in cluster.keepers:
            kept = keeper.rows[commitment]
            keeper.rows[commitment] = {row: kept[row] for row in kept.keys() & left}
        with pytest.raises(Unavailable, match="1023 of 1024 rows that are needed could be had from 8 holders"):
            await cluster.client.get(commitment)

    run(test)


def test_holders_that_are_gone_do_not_keep_a_blob_from_being_read() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        await settle(cluster)
        for keeper in cluster.keepers[:5]:
            cluster.kill(keeper)
        assert (await cluster.client.get(certified.blob.commitment)).data == BLOB

    run(test)


def test_a_holder_that_stalls_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zg_node.da.retrieval.OVERDUE_S", 0.05)
    monkeypatch.setattr("zg_node.da.retrieval.TICK_S", 0.01)

    async def test(cluster: Cluster) -> None:
        certified = await put(cluster)
        await settle(cluster)
        for keeper in cluster.keepers[::2]:
            keeper.stalls = True
        async with asyncio.timeout(5):
            assert (await cluster.client.get(certified.blob.commitment)).data == BLOB

    run(test)


def test_rows_are_found_where_an_earlier_epoch_put_them() -> None:
    async def test(cluster: Cluster) -> None:
        certified = await cluster.client.put(BLOB, 0, 2, PutProgress(len(BLOB)))
        await settle(cluster)
        cluster.ledger.now = 1
        assert (await cluster.client.get(certified.blob.commitment)).data == BLOB

    run(test)
