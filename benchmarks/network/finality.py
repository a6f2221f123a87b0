"""One transfer at a time on an idle chain: from its request written to its receipt read, at the node it was sent to."""

from __future__ import annotations

from benchmarks.figures import run
from benchmarks.network.figure import Figure, at_most, network
from tests.testnet import await_head, heads
from zg_node.bench.account import DEVNET_FAUCET_KEY
from zg_node.bench.http import Endpoint
from zg_node.bench.latency import idle_latency
from zg_node.bench.measurement import Latency
from zg_node.bench.server import NODE_FEES

P50_MS, P99_MS = 15.0, 50.0
WAIT_S = 60.0
WARM_BLOCKS = 3
"""Heartbeats before the first transfer: by then the validators gossip with one another."""


def measure(samples: int) -> list[Figure]:
    with network({}) as validators:
        found: list[Latency] = []
        share = samples // len(validators.nodes)
        head = WARM_BLOCKS
        for index, node in enumerate(validators.nodes):
            with validators.client(index) as client:
                await_head(client, head, WAIT_S)  # it knows the account's nonce then
                endpoint = Endpoint.parse(node["rpc"])
                found.append(run(idle_latency(endpoint, DEVNET_FAUCET_KEY, NODE_FEES, share, polling=False)))
                (head,) = heads([client])
    ordered = sorted(found, key=lambda latency: latency.p50)
    p50 = sum(latency.p50 for latency in found) / len(found)
    note = f" ({ordered[0].p50:.1f}..{ordered[-1].p50:.1f} by node)"
    return [
        at_most("finality of a single transfer, p50", P50_MS, p50, "ms", note=note),
        at_most("finality of a single transfer, p99", P99_MS, max(latency.p99 for latency in found), "ms"),
    ]
