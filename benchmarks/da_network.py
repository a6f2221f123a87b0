"""Data availability on a real network: node processes on this machine, blobs from upload to final certificate.

    throughput   `--puts` blobs of `--size-mib`, `--at-once` at a time over all nodes: bytes over the time from the
                 first store to the last certificate; median and p99 of a put   target ≥ 20 MB/s, p99 < 3 s
    cost         one blob of each size: bytes that all nodes send one another   target < 64 KiB for 1 KiB
    reading      with all holders, and with a third of them killed
    liars        a third of 12 holders (in memory) serves corrupt rows          target ≤ 2 × the time

Consensus runs meanwhile: of the nodes, `--validators` vote and the others only follow the chain; all of them hold rows.
Expected before measuring: two cores for 16 nodes and 16 libp2p hosts allow 100 ms of CPU a MB at 20 MB/s. Encoding,
checks and the disk take 35 of them, the rows' way through four processes 25, and following the chain the rest, so the
target is met with few validators and missed with 16, which send one another ten times the votes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.figures import print_machine, spread
from tests.da.cluster import Cluster, flipped
from tests.testnet import Validators
from zg_node.bench.process import cpu_seconds, tree
from zg_node.cli.client import RpcClient
from zg_node.da.client import PutProgress
from zg_node.errors import Unavailable

PIECE_BYTES = 2 << 20
POLL_S = 0.05
SETTLE_S = 3.0
"""For holders that sign after the quorum to have their rows."""
REACHABLE_S = 60.0
READS = 5
COST_SIZES = (1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20)
PEER_BYTES = 106_500_000
"""What 0G disperses for any blob of up to 31 MiB, by its own constants."""


@dataclass(frozen=True, slots=True)
class Put:
    """One blob's way."""

    commitment: str
    begun_s: float
    ended_s: float

    @property
    def seconds(self) -> float:
        return self.ended_s - self.begun_s


class Node:
    """One of the network's nodes."""

    def __init__(self, facts: dict[str, Any], metrics_port: int) -> None:
        self.rpc = RpcClient(facts["rpc"], 600)
        self.pid = int(facts["pid"])
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"

    def upload(self, data: bytes) -> int:
        """Bring a blob; returns the upload."""
        upload, offset = self.rpc.quantity("zg_daUpload", len(data)), 0
        while offset < len(data):
            piece = data[offset : offset + PIECE_BYTES]
            self.rpc.bring(upload, offset, piece)
            offset += len(piece)
        return upload

    def store(self, upload: int) -> Put:
        """From the whole blob in the node's memory to the final certificate. Raises Unavailable."""
        begun_s = time.monotonic()
        job = self.rpc.quantity("zg_daStore", upload)
        while True:
            progress = self.rpc.call("zg_daProgress", job)
            if progress["failure"] is not None:
                raise Unavailable(progress["failure"])
            if progress["certificate"] is not None:
                return Put(progress["certificate"]["commitment"], begun_s, time.monotonic())
            time.sleep(POLL_S)

    def sent_bytes(self) -> float:
        """To other nodes, for data availability, since its start."""
        with urllib.request.urlopen(self._metrics, timeout=30) as answer:
            text = answer.read().decode()
        lines = [line for line in text.splitlines() if line.startswith('zg_da_moved_bytes_total{direction="sent"}')]
        return float(lines[0].split()[1]) if lines else 0.0


def wait_reachable(nodes: Sequence[Node]) -> None:
    """Until every node reaches every holder. Raises Unavailable."""
    deadline = time.monotonic() + REACHABLE_S
    while not all(h["reachable"] for node in nodes for h in node.rpc.call("zg_daHolders")["holders"]):
        if time.monotonic() > deadline:
            raise Unavailable("not every holder is reached by every node")
        time.sleep(0.5)


def measure_throughput(nodes: Sequence[Node], size: int, puts: int, at_once: int) -> list[Put]:
    """Blobs are uploaded before the clock of their put starts; each worker begins its next put after the last."""
    generator, lock = random.Random(size), threading.Lock()

    def put(number: int) -> Put:
        node = nodes[number % len(nodes)]
        with lock:
            data = generator.randbytes(size)
        return node.store(node.upload(data))

    with ThreadPoolExecutor(at_once) as workers:
        return list(workers.map(put, range(puts)))


def cpu_shares(network: Validators) -> dict[str, float]:
    """CPU seconds so far: of the nodes' own processes, and of their libp2p hosts."""
    shares = {"nodes": 0.0, "hosts": 0.0}
    for facts in network.nodes:
        whole, children = cpu_seconds(facts["pid"]), sum(map(cpu_seconds, tree(facts["pid"])[1:]))
        shares["nodes"] += whole - children
        shares["hosts"] += children
    return shares


def report_throughput(found: Sequence[Put], size: int, cpu_s: dict[str, float]) -> None:
    wall_s = max(put.ended_s for put in found) - min(put.begun_s for put in found)
    seconds = sorted(put.seconds for put in found)
    p99 = seconds[min(len(seconds) - 1, int(0.99 * len(seconds)))]
    rate = len(found) * size / wall_s / 1e6
    click.echo(f"throughput: {len(found)} puts of {size / 2**20:g} MiB in {wall_s:.1f} s: {rate:.1f} MB/s")
    each = ", ".join(f"{name} {1000 * spent / (len(found) * size / 1e6):.0f} ms" for name, spent in cpu_s.items())
    click.echo(f"            CPU a MB, uploads and consensus included: {each}")
    click.echo(f"            a put {statistics.median(seconds):.2f} s, p99 {p99:.2f} s")


def measure_cost(nodes: Sequence[Node]) -> list[tuple[int, float]]:
    """(bytes of a blob, bytes that all nodes send for it)."""
    generator = random.Random(1)
    costs = []
    for size in COST_SIZES:
        before = sum(node.sent_bytes() for node in nodes)
        nodes[0].store(nodes[0].upload(generator.randbytes(size)))
        time.sleep(SETTLE_S)
        moved = sum(node.sent_bytes() for node in nodes) - before
        costs.append((size, moved))
        click.echo(
            f"cost: {size / 1024:>8,.0f} KiB moves {moved / 1024:>10,.1f} KiB, {moved / size:6.2f} times its size"
        )
    return costs


def measure_loss(nodes: Sequence[Node], put: Put) -> None:
    """Read a blob with every holder there, and again, from another node, without a third of them."""
    started = time.monotonic()
    nodes[0].rpc.call("zg_daGet", put.commitment, 0, 1)
    whole_s = time.monotonic() - started
    gone = nodes[-(len(nodes) // 3) :]
    for node in gone:
        os.kill(node.pid, signal.SIGKILL)
    started = time.monotonic()
    nodes[1].rpc.call("zg_daGet", put.commitment, 0, 1)
    click.echo(
        f"reading: {whole_s:.2f} s; with {len(gone)} of {len(nodes)} holders killed a moment ago "
        f"{time.monotonic() - started:.2f} s"
    )


def measure_liars(size: int) -> None:
    """Read a blob from holders in memory, all of them honest, then with a third that changes a bit of every row."""

    async def main() -> tuple[list[float], list[float]]:
        cluster = Cluster([10] * 12)
        await cluster.connect()
        certified = await cluster.client.put(random.Random(2).randbytes(size), 0, 1, PutProgress(size))
        await asyncio.gather(*cluster.client._lingering)

        async def read() -> float:
            started = time.perf_counter()
            found = await cluster.client.get(certified.blob.commitment)
            assert len(found.data) == size
            return time.perf_counter() - started

        honest = [await read() for _ in range(READS)]
        for keeper in cluster.keepers[::3]:
            keeper.corrupt = flipped
        cluster.network.report = lambda peer, offence: None  # type: ignore[method-assign]
        return honest, [await read() for _ in range(READS)]

    honest, lying = asyncio.run(main())
    ratio = statistics.median(lying) / statistics.median(honest)
    click.echo(f"liars: {spread(honest, 's', 3)} without, {spread(lying, 's', 3)} with a third of them: {ratio:.2f} ×")


def plot(costs: Sequence[tuple[int, float]], holders: int, path: Path) -> None:
    """Bytes moved against bytes of the blob, both logarithmic."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    panel = figure.subplots()
    sizes = [size for size, _ in costs]
    panel.loglog(sizes, [moved for _, moved in costs], "o-", color="#2f6f9f", label=f"zg_node, {holders} holders")
    panel.loglog(sizes, [PEER_BYTES] * len(sizes), "--", color="#c8a45a", label="0G, by its constants")
    panel.loglog(sizes, sizes, ":", color="#888888", label="the blob itself")
    panel.set_xlabel("bytes of the blob")
    panel.set_ylabel("bytes moved between nodes")
    panel.grid(True, which="major", alpha=0.3)
    panel.legend(fontsize=9)
    rcParams["svg.hashsalt"] = "zg_node"  # the same picture for the same figures
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


@click.command()
@click.option("--nodes", "count", default=16, show_default=True)
@click.option("--validators", default=4, show_default=True, help="How many of the nodes vote.")
@click.option("--size-mib", default=8, show_default=True)
@click.option("--puts", default=24, show_default=True)
@click.option("--at-once", default=4, show_default=True)
@click.option("--cost/--no-cost", default=True, show_default=True)
@click.option(
    "--plot", "picture", type=click.Path(path_type=Path), help="Draw the cost against the size, as SVG or PNG."
)
def main(count: int, validators: int, size_mib: int, puts: int, at_once: int, cost: bool, picture: Path | None) -> None:
    logging.getLogger("zg.da").setLevel(logging.ERROR)  # liars are warned of, and here they are meant
    print_machine(f"data availability, {count} node processes, {validators} of them validators")
    measure_liars(size_mib << 20)
    with tempfile.TemporaryDirectory(prefix="zg-bench-") as folder:
        datadir, errors = Path(folder) / "network", Path(folder) / "errors"
        network = Validators(datadir, errors, validators, 1, holders=count - validators)
        try:
            network.start()
            ports = list(network.ports)[count : 2 * count]
            nodes = [Node(facts, port) for facts, port in zip(network.nodes, ports, strict=True)]
            wait_reachable(nodes)
            if cost:
                costs = measure_cost(nodes)
                if picture is not None:
                    plot(costs, count, picture)
            before = cpu_shares(network)
            found = measure_throughput(nodes, size_mib << 20, puts, at_once)
            spent = {name: after - before[name] for name, after in cpu_shares(network).items()}
            report_throughput(found, size_mib << 20, spent)
            measure_loss(nodes, found[0])
        finally:
            network.close()


if __name__ == "__main__":
    main()
