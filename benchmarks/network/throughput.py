"""Simple transfers to one of four validators on one shard: TPS, CPU of each validator, and the same with one dead."""

from __future__ import annotations

import os
import signal
from statistics import median

from benchmarks.figures import run
from benchmarks.network.figure import VALIDATORS, Figure, at_least, network, shown
from tests.testnet import await_head, heads
from zg_node.bench.http import Endpoint
from zg_node.bench.measurement import Measurement
from zg_node.bench.run import LoadSettings, measure
from zg_node.bench.server import NODE_FEES, Server
from zg_node.bench.signing import SigningPool
from zg_node.bench.workload import WorkloadName
from zg_node.cli.bench import TerminalVoice

RATIO = 0.7


def load(transactions: int, repeat: int) -> list[Figure]:
    settings = LoadSettings(WorkloadName.SIMPLE, transactions)
    voice = TerminalVoice()
    with network({}) as validators, SigningPool() as pool, validators.client(0) as client:
        endpoint = Endpoint.parse(validators.nodes[0]["rpc"])
        server = Server("four validators", endpoint, (endpoint,), NODE_FEES, None, validators.pid)
        four = [run(measure(server, settings, pool, voice)) for _ in range(repeat)]
        os.kill(validators.nodes[-1]["pid"], signal.SIGKILL)
        await_head(client, heads([client])[0] + 2 * VALIDATORS, 60.0)
        three = [run(measure(server, settings, pool, voice)) for _ in range(repeat)]
    cpu = median(found.server_cpu_us or 0.0 for found in four) / VALIDATORS
    return [
        shown("simple transfers, four validators", f"{_tps(four):,.0f} TPS, {_lost(four)} lost"),
        shown("CPU a transaction and validator", f"{cpu:,.0f} µs"),
        at_least(
            "throughput with one of four dead",
            RATIO,
            _tps(three) / _tps(four),
            "of four",
            2,
            f" ({_tps(three):,.0f} TPS)",
        ),
    ]


def _tps(found: list[Measurement]) -> float:
    return median(one.total.tps for one in found)


def _lost(found: list[Measurement]) -> int:
    return sum(one.total.lost for one in found)
