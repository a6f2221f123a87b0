"""A validator dies and comes back: what the views that it should have led cost, and how soon it votes again."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.network.figure import VALIDATORS, Figure, at_most, network
from benchmarks.network.watch import Seen, collect, watch
from tests.running_node import RunningNode
from tests.testnet import Validators

PACE_MS = 100
DELTA_MS = 250
"""The default of consensus.delta_ms."""
ROUNDS_AFTER = 8
VOTING_S = 2.0
VICTIM = 3


def leader(rounds: int) -> list[Figure]:
    """Kill one of four, and look at the time between the blocks around its turns."""
    first, later = [], []
    pace = 0.0
    for _ in range(rounds):
        with network({"consensus.block_time_ms": PACE_MS}) as validators, validators.client(0) as client:
            watched = _voter(validators.nodes[0]["home"])
            before = collect(client, 5 * VALIDATORS)
            if before[-1].leader == watched:
                before += collect(client, 1)  # the one that is asked stays alive
            pace = median(_gaps(before))
            victim = before[-1].leader
            pid = _pid_of(validators, victim)
            order = [seen.leader for seen in before[-VALIDATORS:]]
            os.kill(pid, signal.SIGKILL)
            after = collect(client, ROUNDS_AFTER * VALIDATORS)
        missed = _missed(after, order)
        first.append(missed[0] - pace)
        later += [gap - pace for gap in missed[2:]]
    limit = 2 * DELTA_MS
    return [
        at_most(
            "first missed turn of a dead leader costs", limit + 50, 1000 * median(first), "ms", 0, " (2Δ = 500 ms)"
        ),
        at_most("a later missed turn, known to be dead, costs", 50, 1000 * median(later), "ms", 0),
    ]


def restart(rounds: int) -> list[Figure]:
    """Kill -9, start again, and wait for a block that it has proposed."""
    ready, voting = [], []
    with network({"consensus.block_time_ms": PACE_MS}) as validators, validators.client(0) as client:
        victim = validators.nodes[VICTIM]
        address = _voter(victim["home"])
        with tempfile.TemporaryDirectory() as folder:
            node = RunningNode(Path(victim["home"]), Path(folder) / "log")
            os.kill(victim["pid"], signal.SIGKILL)
            try:
                for _ in range(rounds):
                    collect(client, 2 * VALIDATORS)
                    began = time.monotonic()
                    node.start()
                    ready.append(time.monotonic() - began)
                    seen = next(seen for seen in watch(client) if seen.leader == address)
                    voting.append(max(0.0, seen.at - began - ready[-1]))
                    node.kill()
            finally:
                node.close()
    note = f" (start-up {median(ready):.1f} s)"
    return [at_most("kill -9 to its next own block, beside start-up", VOTING_S, median(voting), "s", 2, note)]


def _gaps(blocks: list[Seen]) -> list[float]:
    return [block.at - parent.at for parent, block in itertools.pairwise(blocks)]


def _missed(blocks: list[Seen], order: list[str]) -> list[float]:
    """Seconds between the blocks before and after each turn of the last one in `order`."""
    before, after = order[-2], order[0]
    return [
        block.at - parent.at
        for parent, block in itertools.pairwise(blocks)
        if (parent.leader, block.leader) == (before, after)
    ]


def _pid_of(validators: Validators, address: str) -> int:
    """The process of the validator with this address."""
    return next(int(node["pid"]) for node in validators.nodes if _voter(node["home"]) == address)


def _voter(home: str) -> str:
    return (Path(home) / "shard-0" / "voter").read_text().split()[0]
