"""Two against two, then the wire is mended: how long until blocks are final again."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.network.figure import VALIDATORS, Figure, at_most
from tests.faults.network.cluster import Cluster
from tests.faults.network.namespaces import Namespaces, NotPermitted
from tests.testnet import await_head, heads

HEAL_S = 3.0
SPLIT_S = 10.0
WAIT_S = 60.0


def heal(rounds: int) -> list[Figure]:
    name = "two against two for 10 s: mended to final at every node"
    namespaces = Namespaces(VALIDATORS)
    try:
        namespaces.open()
    except NotPermitted as reason:
        return [Figure(name, f"≤ {HEAL_S:g} s", f"not measured: {reason}", None)]
    try:
        found = _measure(namespaces, rounds)
    finally:
        namespaces.close()
    note = f" ({min(found):.1f}..{max(found):.1f} of {rounds})"
    return [at_most(name, HEAL_S, median(found), "s", 1, note)]


def _measure(namespaces: Namespaces, rounds: int) -> list[float]:
    """Seconds, once a round."""
    found = []
    with tempfile.TemporaryDirectory(prefix="zg-bench-") as folder:
        cluster = Cluster(Path(folder), namespaces, shards=1)
        try:
            cluster.start()
            clients = [cluster.client(node) for node in range(VALIDATORS)]
            for turn in range(rounds):
                await_head(clients[0], heads(clients[:1])[0] + VALIDATORS, WAIT_S)
                one = {0, 1 + turn % (VALIDATORS - 1)}
                cluster.split(one, set(range(VALIDATORS)) - one)
                time.sleep(SPLIT_S)
                stood = max(heads(clients))
                cluster.heal()
                began = time.monotonic()
                for client in clients:
                    await_head(client, stood + 1, WAIT_S)
                found.append(time.monotonic() - began)
            for client in clients:
                client.close()
        finally:
            cluster.close()
    return found
