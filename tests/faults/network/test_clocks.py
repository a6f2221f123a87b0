"""Clocks that are wrong: a validator's own blocks may suffer, the network's time and finality do not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.network.cluster import VALIDATORS
from tests.faults.network.conftest import Network
from tests.faults.network.settled import await_finality
from tests.jsonrpc import Client
from tests.testnet import await_head, heads
from zg_node.execution.validation import CLOCK_DRIFT_MAX_MS

pytestmark = pytest.mark.long

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
SKEWED = 1
DRIFT_S = CLOCK_DRIFT_MAX_MS / 1000
LAG_S = 5.0
"""Blocks tell whole seconds, and one may be a few views old."""
TURNS = 3
"""A leader whose blocks nobody takes is watched for so many of its turns."""
WATCH_S = 120.0


def wrong_clock(seconds: float) -> dict[str, str]:
    """The environment of a node whose time of day is wrong; its timers run as they should."""
    return {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": f"{seconds:+.1f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "0",
    }


def watch(client: Client, until: str | None) -> list[dict[str, Any]]:
    """The next blocks: TURNS of every leader, and on to the first that `until` has led."""
    blocks: list[dict[str, Any]] = []
    first = heads([client])[0] + 1
    deadline = time.monotonic() + WATCH_S
    while len(blocks) < TURNS * VALIDATORS or (until is not None and until not in {block["miner"] for block in blocks}):
        number = first + len(blocks)
        await_head(client, number, max(1.0, deadline - time.monotonic()))
        blocks.append(client.call("eth_getBlockByNumber", hex(number), False))
    return blocks


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
        voter = "0x" + cluster.places[SKEWED].voter.hex()
        with cluster.client(others[0]) as client:
            began = time.time()
            blocks = watch(client, until=voter if seconds <= DRIFT_S else None)
        assert (voter in {block["miner"] for block in blocks}) == (seconds <= DRIFT_S)
        times = [int(block["timestamp"], 16) for block in blocks]
        assert times[-1] <= time.time() + DRIFT_S, "the network's time runs ahead"
        assert times[0] >= began - LAG_S, "the network's time lags behind"
        await_finality(cluster, range(VALIDATORS))
        assert node.stop() == 0, node.said
    finally:
        node.environment = {}
    node.start()
    network.settle()
