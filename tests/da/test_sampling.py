"""Light clients that sample: what they ask, what they believe, and how often they can be fooled."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest

from tests.da.cluster import Cluster, flipped
from zg_node import _core
from zg_node.da.assignment import Assignment
from zg_node.da.certificate import Blob
from zg_node.da.client import PutProgress
from zg_node.da.keepers import keepers
from zg_node.da.messages import Cells, CellsRequest, commitment_of, decode_request
from zg_node.da.sampling import Sampled, check, choose, miss_probability, sample
from zg_node.errors import InvalidMessage
from zg_node.p2p.network import Offence

BLOB = Random(7).randbytes(3_000_000)
LENGTH = 32 << 20
ROWS = 4096
SIX = (10, 20, 10, 20, 10, 20)


# ── how often a client is fooled ────────────────────────────────────────────────────────────────────────────────────


def accepted(clients: int, samples: int, there: int) -> int:
    """How many of `clients` find all their samples among `there` rows, which are too few to read the blob."""
    random = Random(samples)
    kept = frozenset(random.sample(range(ROWS), there))
    return sum(all(row in kept for row, _ in choose(LENGTH, samples, random)) for _ in range(clients))


def test_none_of_ten_thousand_clients_with_20_samples_is_fooled_when_too_few_rows_are_there() -> None:
    assert accepted(10_000, 20, ROWS // 4 - 1) == 0


def test_with_4_samples_as_many_clients_are_fooled_as_the_claim_says() -> None:
    clients = 100_000
    expected = miss_probability(LENGTH, 4) * clients
    assert expected == clients / 4**4
    assert abs(accepted(clients, 4, ROWS // 4 - 1) - expected) < 0.2 * expected


def test_every_client_is_content_when_everything_is_there() -> None:
    assert accepted(100, 20, ROWS) == 100


def test_places_are_within_the_blob_and_of_different_rows_as_long_as_there_are_any() -> None:
    for length in (1, 1_000, 70_000, LENGTH, 128 << 20):
        k, n, row_bytes = _core.erasure_shape(length)
        places = choose(length, 100, Random(length))
        assert len({row for row, _ in places}) == min(100, k + n)
        assert all(row < k + n and 1024 * cell < row_bytes for row, cell in places)
    assert {cell for _, cell in choose(LENGTH, 1_000, Random(1))} == set(range(32))


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def stored(cluster: Cluster) -> tuple[Blob, tuple[Assignment, ...]]:
    certified = await cluster.client.put(BLOB, 0, 1, PutProgress(len(BLOB)))
    await asyncio.gather(*cluster.client._lingering)
    return certified.blob, await keepers(cluster.ledger, certified.blob)


async def ask(cluster: Cluster, blob: Blob, assignments: tuple[Assignment, ...], count: int = 20) -> Sampled:
    return await sample(blob.commitment, blob.length, assignments, cluster.lines, Random(3), count)


async def network() -> Cluster:
    cluster = Cluster(SIX)
    await cluster.connect()
    return cluster


def test_a_blob_that_is_there_is_found_available_for_a_fraction_of_its_bytes() -> None:
    async def main() -> None:
        cluster = await network()
        blob, assignments = await stored(cluster)
        before = sum(cluster.moved)
        found = await ask(cluster, blob, assignments)
        assert found.available
        assert found.liars == ()
        assert found.unreachable == 0
        assert found.miss_probability == pytest.approx(2**-40)
        assert sum(cluster.moved) - before < 64 * 1024

    asyncio.run(main())


def test_holders_that_show_other_bytes_are_named_and_their_cells_are_missing() -> None:
    async def main() -> None:
        cluster = await network()
        blob, assignments = await stored(cluster)
        liar = cluster.keepers[1]
        liar.corrupt = flipped
        found = await ask(cluster, blob, assignments, 200)
        assert not found.available
        assert found.liars == (liar.signer,)
        assert (liar.network.peer_id, Offence.INVALID) in cluster.network.reports
        mine = set(assignments[0].rows_of(1))
        assert {row for row, _ in found.missing} <= mine

    asyncio.run(main())


def test_cells_of_holders_that_are_gone_are_missing_and_the_holders_counted() -> None:
    async def main() -> None:
        cluster = await network()
        blob, assignments = await stored(cluster)
        for keeper in cluster.keepers[:3]:
            cluster.kill(keeper)
        found = await ask(cluster, blob, assignments, 60)
        assert not found.available
        assert found.unreachable == 3

    asyncio.run(main())


def test_a_withheld_blob_is_not_available_to_anyone() -> None:
    async def main() -> None:
        cluster = await network()
        blob, assignments = await stored(cluster)
        left = frozenset(Random(5).sample(range(ROWS), ROWS // 4 - 1))
        for keeper in cluster.keepers:
            kept = keeper.rows[blob.commitment]
            keeper.rows[blob.commitment] = {row: kept[row] for row in kept.keys() & left}
        for seed in range(20):
            found = await sample(blob.commitment, blob.length, assignments, cluster.lines, Random(seed))
            assert not found.available

    asyncio.run(main())


def test_each_cell_is_asked_for_alone_and_of_nobody_but_who_keeps_its_row() -> None:
    async def main() -> None:
        cluster = await network()
        blob, assignments = await stored(cluster)
        asked: list[tuple[str, tuple[tuple[int, int], ...]]] = []
        whole = cluster.lines.ask

        async def listening(peer: str, message: bytes, timeout_s: float) -> bytes:
            request = decode_request(message)
            assert isinstance(request, CellsRequest)
            asked.append((peer, request.places))
            return await whole(peer, message, timeout_s)

        cluster.lines.ask = listening  # type: ignore[method-assign]
        await ask(cluster, blob, assignments)
        assert len(asked) == 20
        for peer, places in asked:
            ((row, _),) = places
            assert peer == assignments[0].holders.holders[assignments[0].first_owner(row)].peer

    asyncio.run(main())


# ── what one answer has to be ───────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_the_committed_cell_of_its_place_or_refused() -> None:
    encoding = _core.Encoding(BLOB)
    header, place = encoding.header(), (77, 1)
    (cell,) = encoding.cells([place])
    commitment = commitment_of(header)
    good = Cells(header, (cell,))
    assert check(commitment, len(BLOB), place, good) == cell
    row, column, content, path = cell
    (other,) = encoding.cells([(77, 0)])
    bad = (
        replace(good, cells=()),
        replace(good, cells=(cell, cell)),
        replace(good, cells=(other,)),
        replace(good, cells=((row, column, other[2], other[3]),)),
        replace(good, cells=((row, column, flipped(content), path),)),
        replace(good, cells=((row, column, content, path[:-32]),)),
        replace(good, header=header[:-1] + b"\x00"),
    )
    for answer in bad:
        with pytest.raises(InvalidMessage):
            check(commitment, len(BLOB), place, answer)
    with pytest.raises(InvalidMessage):
        check(commitment, len(BLOB) - 1, place, good)
