"""Figures from what was sent and what was seen, on examples small enough to work out by hand."""

from __future__ import annotations

import math

import pytest

from zg_node.bench.measurement import LaneLog, Latency, figures, percentile
from zg_node.bench.observer import Outcome, SeenBlock


def tx(number: int) -> bytes:
    return number.to_bytes(32, "big")


def log(*blocks: tuple[float, int], failed: int = 0, lost: int = 0, rejected: int = 0) -> LaneLog:
    """Blocks of (second seen, transactions), everything sent at second 10, 21,000 gas each."""
    hashes = [tx(index) for index in range(sum(count for _, count in blocks))]
    seen, at = [], 0
    for number, (seen_at, count) in enumerate(blocks):
        seen.append(SeenBlock(number, seen_at, 21_000 * count, tuple(hashes[at : at + count])))
        at += count
    outcomes = {tx_hash: Outcome(index >= failed, 21_000) for index, tx_hash in enumerate(hashes)}
    missing = [tx(10_000 + index) for index in range(lost + rejected)]
    return LaneLog(dict.fromkeys([*hashes, *missing], 10.0), rejected, seen, outcomes)


def test_sustained_tps_leaves_out_the_first_block_and_the_wait_for_it() -> None:
    figure = figures([log((11.0, 1000), (11.5, 300), (12.0, 200))])
    assert figure.tps == pytest.approx(500 / 1.0)
    assert figure.gas_per_s == pytest.approx(500 * 21_000)
    assert figure.tps_submit_to_final == pytest.approx(1500 / 2.0)


def test_a_single_block_counts_from_the_first_request() -> None:
    figure = figures([log((10.5, 100))])
    assert figure.tps == figure.tps_submit_to_final == pytest.approx(200)


def test_every_transaction_ends_in_exactly_one_count() -> None:
    figure = figures([log((11.0, 10), (12.0, 10), failed=3, lost=4, rejected=5)])
    assert (figure.sent, figure.final, figure.failed, figure.lost, figure.rejected) == (29, 17, 3, 4, 5)


def test_transactions_of_others_are_left_out() -> None:
    ours = log((11.0, 2), (12.0, 2))
    foreign = SeenBlock(9, 12.5, 10**9, (tx(77),))
    mixed = figures([LaneLog(ours.sent_at, 0, [*ours.blocks, foreign], ours.outcomes)])
    assert mixed == figures([ours])


def test_shards_are_added_over_their_common_time() -> None:
    one, two = log((11.0, 100), (12.0, 100)), log((11.5, 100), (13.0, 100))
    total = figures([one, two])
    assert total.final == 400
    assert total.tps == pytest.approx(300 / 2.0)


def test_nothing_final_is_zero_and_not_an_error() -> None:
    figure = figures([log(lost=5)])
    assert (figure.tps, figure.final, figure.lost) == (0.0, 0, 5)
    assert math.isnan(figure.latency_ms.p50)


def test_latency_runs_from_the_request_to_the_block_seen() -> None:
    figure = figures([log((10.1, 98), (10.4, 2))])
    assert figure.latency_ms.p50 == pytest.approx(100)
    assert figure.latency_ms.p99 == pytest.approx(400)
    assert figure.latency_ms.samples == 100


def test_percentiles_are_nearest_ranks() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.99) == 4.0
    assert Latency.of([0.002]) == Latency(2.0, 2.0, 1)
