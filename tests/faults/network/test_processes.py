"""Processes that die, freeze and come back, under load."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.faults.network.cluster import VALIDATORS
from tests.faults.network.conftest import Network
from tests.faults.network.settled import await_finality
from tests.testnet import await_head, heads

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("ZG_NETWORK_KILLS", "10"))
SEED = 20_240_229
LIFE_S = (0.5, 4.0)
"""How long all four run between a start and the next kill, and how long a killed one is away."""
FROZEN_S = 10.0
JOINED_S = 60.0


def test_a_validator_may_be_killed_at_any_moment(network: Network) -> None:
    rng = random.Random(SEED)
    with network.load() as load:
        for _ in range(KILLS):
            time.sleep(rng.uniform(*LIFE_S))
            node = network.cluster.nodes[rng.randrange(VALIDATORS)]
            node.kill()
            time.sleep(rng.uniform(*LIFE_S))
            node.start()
        await_finality(network.cluster, range(VALIDATORS))
    assert load.told > 0
    network.settle()


def test_a_validator_is_killed_while_it_starts(network: Network) -> None:
    rng = random.Random(SEED + 1)
    node = network.cluster.nodes[1]
    with network.load() as load:
        node.kill()
        for _ in range(KILLS // 2):
            node.launch()
            time.sleep(rng.uniform(0.5, 6.0))
            node.kill()
        node.start()
    assert load.told > 0
    network.settle()


@pytest.mark.parametrize("family", [False, True], ids=["the node alone", "with its p2p host"])
def test_a_frozen_validator_goes_on_where_it_stood(network: Network, family: bool) -> None:
    node = network.cluster.nodes[2]
    with network.load() as load:
        node.signal(signal.SIGSTOP, family=family)
        try:
            time.sleep(FROZEN_S)
            await_finality(network.cluster, [0, 1, 3])
        finally:
            node.signal(signal.SIGCONT, family=family)
        await_finality(network.cluster, range(VALIDATORS))
    assert load.told > 0
    network.settle()


def test_a_rolling_restart_stops_nobody(network: Network) -> None:
    with network.load() as load:
        for index, node in enumerate(network.cluster.nodes):
            assert node.stop() == 0, node.said
            await_finality(network.cluster, [other for other in range(VALIDATORS) if other != index])
            node.start()
            await_finality(network.cluster, range(VALIDATORS))
    assert load.told > 0
    network.settle()


def test_all_may_be_killed_at_once(network: Network) -> None:
    with network.load() as load:
        await_finality(network.cluster, range(VALIDATORS))
        for node in network.cluster.nodes:
            node.signal(signal.SIGKILL)
        for node in network.cluster.nodes:
            node.wait()
        network.cluster.start()
        await_finality(network.cluster, range(VALIDATORS))
    assert load.told > 0
    network.settle()


def test_two_of_four_make_nothing_final(network: Network) -> None:
    for index in (1, 2):
        network.cluster.nodes[index].kill()
    with network.cluster.client(0) as client:
        time.sleep(1)  # what was certified when they died may still become final
        before = heads([client])
        time.sleep(5)
        assert heads([client]) == before
    network.cluster.start([1, 2])
    network.settle()


def test_a_node_joins_under_load(network: Network) -> None:
    with network.load() as load:
        await_finality(network.cluster, range(VALIDATORS))
        joined = network.cluster.join("fifth", VALIDATORS)
        for shard in range(network.cluster.shards):
            with network.cluster.client(0, shard) as one, joined.client(shard) as other:
                head = heads([one])[0]
                await_head(other, head, JOINED_S)
                numbers = [[hex(number), True] for number in range(max(1, head - 50), head + 1)]
                assert other.batch("eth_getBlockByNumber", numbers) == one.batch("eth_getBlockByNumber", numbers)
    assert load.told > 0
    assert joined.stop() == 0, joined.said
    network.settle()
