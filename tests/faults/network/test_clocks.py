"""Clocks that are wrong: a validator's own blocks may suffer, the network's time and finality do not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.network.cluster import VALIDATORS
from tests.faults.network.conftest import Network
from tests.faults.network.settled import await_finality
from tests.testnet import await_head, heads
from zg_node.execution.validation import CLOCK_DRIFT_MAX_MS

pytestmark = pytest.mark.long

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
SKEWED = 1
WATCHED_BLOCKS = 3 * VALIDATORS
WATCH_S = 120.0
ROUNDING_S = 1.0
"""Blocks tell whole seconds over JSON-RPC."""


def wrong_clock(seconds: float) -> dict[str, str]:
    """The environment of a node whose time of day is wrong; its timers run as they should."""
    return {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": f"{seconds:+.1f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "0",
    }


@pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not here: apt-get install faketime")
@pytest.mark.parametrize("seconds", [0.3, -0.3, 2.0, -2.0, 60.0, -60.0], ids=lambda seconds: f"{seconds:+g}s")
def test_a_wrong_clock_moves_neither_the_networks_time_nor_its_finality(network: Network, seconds: float) -> None:
    cluster = network.cluster
    node = cluster.nodes[SKEWED]
    others = [other for other in range(VALIDATORS) if other != SKEWED]
    assert node.stop() == 0
    node.environment = wrong_clock(seconds)
    try:
        node.start()
        with cluster.client(others[0]) as client:
            first = heads([client])[0] + 1
            began = time.time()
            await_head(client, first + WATCHED_BLOCKS, WATCH_S)
            numbers = range(first, first + WATCHED_BLOCKS + 1)
            blocks = client.batch("eth_getBlockByNumber", [[hex(number), False] for number in numbers])
            times = [int(block["timestamp"], 16) for block in blocks]
            leaders = {block["miner"] for block in blocks}
        drift = CLOCK_DRIFT_MAX_MS / 1000
        assert times[-1] <= time.time() + drift, "the network's time runs ahead"
        assert times[0] >= began - ROUNDING_S - VALIDATORS, "the network's time lags behind"
        voter = "0x" + cluster.places[SKEWED].voter.hex()
        assert (voter in leaders) == (seconds <= drift), f"led by {leaders}"
        await_finality(cluster, range(VALIDATORS))
        assert node.stop() == 0, node.said
    finally:
        node.environment = {}
    node.start()
    network.settle()
