"""Empty blocks: as many as possible, and at the default pace. What is left of the CPU per block is consensus."""

from __future__ import annotations

import time

from benchmarks.network.figure import VALIDATORS, Figure, at_least, at_most, network, shown
from tests.jsonrpc import Client
from tests.testnet import Validators, await_head, heads
from zg_node.bench.process import cpu_seconds

BLOCKS_PER_S = 50.0
CPU_MS = 2.0
BURST_MS = 1
PACED_MS = 500
WARM_UP_BLOCKS = 20
WAIT_S = 60.0


def burst(seconds: float) -> list[Figure]:
    """A block as soon as the last one is final, on one shard."""
    blocks, cpu_ms, elapsed = _run(BURST_MS, seconds)
    name = "consensus and an empty block, CPU a block and node, in a burst"
    return [
        at_least("blocks/s in a burst, one shard", BLOCKS_PER_S, blocks / elapsed, "blocks/s"),
        at_most(name, CPU_MS, cpu_ms / blocks / VALIDATORS, "ms", 2, " (all of the node's)"),
    ]


def idle(seconds: float) -> list[Figure]:
    """A block every 500 ms. Half as many cost less by what a block costs: the rest of an idle node is no block's."""
    often, often_ms, _ = _run(PACED_MS, seconds)
    seldom, seldom_ms, _ = _run(2 * PACED_MS, seconds)
    a_block = (often_ms - seldom_ms) / (often - seldom) / VALIDATORS
    whole = often_ms / often / VALIDATORS
    return [
        at_most("consensus and an empty block, CPU a block and node, paced", CPU_MS, a_block, "ms", 2),
        shown("CPU of an idle node a block, everything counted", f"{whole:.2f} ms at a block every {PACED_MS} ms"),
    ]


def _run(block_time_ms: int, seconds: float) -> tuple[int, float, float]:
    """(blocks, CPU milliseconds of all nodes and their p2p hosts, seconds)."""
    with network({"consensus.block_time_ms": block_time_ms}) as validators, validators.client(0) as client:
        await_head(client, heads([client])[0] + WARM_UP_BLOCKS, WAIT_S)
        return _measure(validators, client, seconds)


def _measure(validators: Validators, client: Client, seconds: float) -> tuple[int, float, float]:
    first, cpu, began = heads([client])[0], cpu_seconds(validators.pid), time.monotonic()
    time.sleep(seconds)
    last, cpu_after, ended = heads([client])[0], cpu_seconds(validators.pid), time.monotonic()
    return last - first, 1000 * (cpu_after - cpu), ended - began
