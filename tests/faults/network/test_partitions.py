"""Links that fail: nodes alone, halves of the network, and wires that carry one way only."""

from __future__ import annotations

import time

import pytest

from tests.faults.network.cluster import VALIDATORS
from tests.faults.network.conftest import Network
from tests.faults.network.settled import await_finality
from tests.testnet import heads

pytestmark = pytest.mark.long

CUT_S = 6.0
LONG_S = 45.0
"""Longer than transports wait before they give a connection up."""
DRAIN_S = 1.0
"""What was on its way when the network was cut may still become final."""
HEAL_S = 3.0
"""From the mended wire to a final block."""
FLAPS = 10


@pytest.mark.parametrize("alone", range(VALIDATORS))
def test_a_node_alone_stops_nobody_and_catches_up(network: Network, alone: int) -> None:
    others = [node for node in range(VALIDATORS) if node != alone]
    with network.load() as load:
        network.cluster.isolate(alone)
        await_finality(network.cluster, others)
        with network.cluster.client(alone) as client:
            before = heads([client])
            time.sleep(CUT_S)
            assert heads([client]) == before, "a node alone made a block final"
        network.cluster.heal()
        await_finality(network.cluster, range(VALIDATORS))
    assert load.told > 0
    network.settle()


@pytest.mark.parametrize("partner", [1, 2, 3])
def test_two_against_two_make_nothing_final_and_go_on_once_mended(network: Network, partner: int) -> None:
    one = {0, partner}
    split(network, one, set(range(VALIDATORS)) - one, CUT_S)
    took = await_finality(network.cluster, range(VALIDATORS), blocks=1)
    assert took <= HEAL_S, f"finality came {took:.1f} s after the wire was mended"
    network.settle()


def test_a_long_split_is_mended_too(network: Network) -> None:
    split(network, {0, 1}, {2, 3}, LONG_S)
    network.settle()


def split(network: Network, one: set[int], other: set[int], seconds: float) -> None:
    """Cut the network in two for a while, and mend it; neither side may make a block final meanwhile."""
    network.cluster.split(one, other)
    for shard in range(network.cluster.shards):
        time.sleep(DRAIN_S)
        clients = [network.cluster.client(node, shard) for node in range(VALIDATORS)]
        before = heads(clients)
        time.sleep(seconds / network.cluster.shards)
        assert heads(clients) == before, "a side without a quorum made a block final"
        for client in clients:
            client.close()
    network.cluster.heal()


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param([(0, 1)], id="one wire, one way"),
        pytest.param([(0, 1), (0, 2), (0, 3)], id="a node that nobody hears"),
        pytest.param([(1, 0), (2, 0), (3, 0)], id="a node that hears nobody"),
        pytest.param([(0, 1), (1, 2), (2, 3), (3, 0)], id="a ring, one way"),
    ],
)
def test_wires_that_carry_one_way_only(network: Network, lost: list[tuple[int, int]]) -> None:
    with network.load() as load:
        network.cluster.deafen(lost)
        time.sleep(CUT_S)
        network.cluster.heal()
        await_finality(network.cluster, range(VALIDATORS))
    assert load.told > 0
    network.settle()


def test_a_wire_that_comes_and_goes(network: Network) -> None:
    with network.load() as load:
        for turn in range(FLAPS):
            network.cluster.isolate(turn % VALIDATORS)
            time.sleep(0.7)
            network.cluster.heal()
            time.sleep(0.3)
        await_finality(network.cluster, range(VALIDATORS))
    assert load.told > 0
    network.settle()
