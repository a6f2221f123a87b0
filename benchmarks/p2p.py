"""Four nodes on loopback, each with its host's process. Expected, by the targets that were set before measuring:

    echo of a direct message     p50 0.4 ms, p99 1 ms      gossip, 200 B at 500/s    p50 1.5 ms, p99 6 ms
    connect                      15 ms                     gossip, 33 KB at 160/s    p99 10 ms
    large direct messages        200 MB/s                  CPU of a host at 11,000 tx/s (33 KB at 40/s)    6 % of a core
    direct messages, everybody to everybody: CPU of a host for one in or out, 30 µs

Every figure includes both sockets between node and host. `--path` chooses our own Yamux and gossip, or the library's.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
from prometheus_client import CollectorRegistry

from benchmarks.figures import print_machine, run
from zg_node.p2p.client import P2pNetwork
from zg_node.p2p.settings import P2pSettings
from zg_node.p2p.topics import topic

NODES = 4
NETWORK = "0123456789abcdef"
TX = topic(NETWORK, 0, "tx")
ECHO = "/zg/echo/1"
STAMP_BYTES = 8
LARGE_BYTES = 4 * 1024 * 1024
LARGE_COUNT = 20
"""Fewer bytes than a peer may send in a burst."""
COUNTS_S = 1.2
"""For hosts to say how much CPU time they took."""
SETTLE_S = 2.5
"""For meshes to form."""
CALM_S = 0.3
"""Between two connections, which exchange their addresses first."""
CALLERS = 8
"""Nodes that only connect, one after the other."""


class Member:
    """A node that echoes direct messages and times gossip."""

    def __init__(self, home: Path, number: int, fast_path: bool) -> None:
        self.registry = CollectorRegistry()
        settings = P2pSettings(
            "/ip4/127.0.0.1/tcp/0", (), secrets.token_bytes(32), home / str(number), NETWORK, 1, fast_path, dht=False
        )
        self.network = P2pNetwork(settings, self.registry)
        self.direct: asyncio.Queue[bytes] = asyncio.Queue()
        self.delays_s: list[float] = []
        self.echoes = number == 0
        self.network.on_direct(self._take_direct)
        self.network.subscribe(TX, self._take_gossip)
        self.network.serve(ECHO, self._answer)

    def _take_direct(self, peer: str, message: bytes) -> None:
        if self.echoes:
            self.network.send(peer, message)
        else:
            self.direct.put_nowait(message)

    def _take_gossip(self, peer: str, message: bytes) -> None:
        sent_ns = int.from_bytes(message[:STAMP_BYTES], "big")
        self.delays_s.append((time.monotonic_ns() - sent_ns) / 1e9)

    async def _answer(self, peer: str, question: bytes) -> bytes:
        return question

    def cpu_s(self) -> float:
        """CPU time of the host, as it last said."""
        return self.registry.get_sample_value("zg_p2p_host_cpu_seconds") or 0.0


async def connect(member: Member, other: Member) -> float:
    """Dial; returns the seconds until the peer is there, who may have come by itself."""
    connected = asyncio.Event()
    member.network.on_peer(lambda peer, _: connected.set() if peer.id == other.network.peer_id else None)
    began = time.perf_counter()
    member.network.dial(other.network.addresses[0])
    if other.network.peer_id in {peer.id for peer in member.network.peers()}:
        return time.perf_counter() - began
    await connected.wait()
    elapsed = time.perf_counter() - began
    await asyncio.sleep(CALM_S)
    return elapsed


async def call(home: Path, number: int, other: Member, fast_path: bool) -> float:
    """Connect once; returns the seconds that it took."""
    caller = Member(home, number, fast_path)
    await caller.network.start()
    try:
        return await connect(caller, other)
    finally:
        await caller.network.stop()


@asynccontextmanager
async def members(fast_path: bool) -> AsyncIterator[tuple[list[Member], list[float]]]:
    """Four connected nodes, and how long each connection took."""
    with tempfile.TemporaryDirectory() as home:
        nodes = [Member(Path(home), number, fast_path) for number in range(NODES)]
        try:
            for node in nodes:
                await node.network.start()
            connects = [await call(Path(home), NODES + number, nodes[0], fast_path) for number in range(CALLERS)]
            for at, one in enumerate(nodes):
                for two in nodes[:at]:
                    await connect(one, two)
            await asyncio.sleep(SETTLE_S)
            yield nodes, connects
        finally:
            await asyncio.gather(*(node.network.stop() for node in nodes))


async def echo(one: Member, other: Member, samples: int) -> list[float]:
    """Seconds of direct round trips, one at a time."""
    times = []
    for _ in range(samples):
        began = time.perf_counter()
        one.network.send(other.network.peer_id, b"x" * 200)
        await one.direct.get()
        times.append(time.perf_counter() - began)
    return times


async def requests(one: Member, other: Member, samples: int) -> list[float]:
    """Seconds of requests on streams of their own, one at a time."""
    times = []
    for _ in range(samples):
        began = time.perf_counter()
        await one.network.request(other.network.peer_id, ECHO, b"x" * 200, 5)
        times.append(time.perf_counter() - began)
    return times


async def stream(one: Member, other: Member, count: int) -> float:
    """MB/s of large direct messages."""
    message = os.urandom(LARGE_BYTES)
    began = time.perf_counter()
    for _ in range(count):
        one.network.send(other.network.peer_id, message)
        await other.direct.get()
    return count * LARGE_BYTES / (time.perf_counter() - began) / 1e6


async def everybody(nodes: list[Member], rounds: int) -> tuple[list[float], float]:
    """(seconds of rounds in which each node broadcasts and hears the others, host CPU in seconds a message in or
    out)."""
    nodes[0].echoes = False
    await asyncio.sleep(COUNTS_S)
    times, cpu_before = [], sum(node.cpu_s() for node in nodes)
    for _ in range(rounds):
        began = time.perf_counter()
        for node in nodes:
            node.network.broadcast(b"x" * 300)
        for node in nodes:
            for _ in range(NODES - 1):
                await node.direct.get()
        times.append(time.perf_counter() - began)
    await asyncio.sleep(COUNTS_S)
    messages = rounds * NODES * 2 * (NODES - 1)
    return times, (sum(node.cpu_s() for node in nodes) - cpu_before) / messages


async def gossip(nodes: list[Member], size: int, rate: float, seconds: float) -> tuple[list[float], float, float]:
    """(delays in seconds, share delivered, CPU of one host as a share of a core) of messages by all nodes in turn."""
    for node in nodes:
        node.delays_s.clear()
    cpu_before, began, count = sum(node.cpu_s() for node in nodes), time.perf_counter(), int(rate * seconds)
    body = os.urandom(size - STAMP_BYTES)
    for index in range(count):
        await asyncio.sleep(max(0.0, began + index / rate - time.perf_counter()))
        stamp = time.monotonic_ns().to_bytes(STAMP_BYTES, "big")
        nodes[index % NODES].network.publish(TX, stamp + body)
    elapsed = time.perf_counter() - began
    await asyncio.sleep(COUNTS_S)
    cpu = (sum(node.cpu_s() for node in nodes) - cpu_before) / NODES / elapsed
    delays = [delay for node in nodes for delay in node.delays_s]
    return delays, len(delays) / (count * (NODES - 1)), cpu


def quantiles(times_s: list[float]) -> str:
    """Median and 99th percentile."""
    ordered = sorted(times_s)
    if not ordered:
        return "nothing arrived"
    return f"p50 {ordered[len(ordered) // 2] * 1e3:.2f} ms, p99 {ordered[int(len(ordered) * 0.99)] * 1e3:.2f} ms"


async def measure(fast_path: bool, samples: int, seconds: float) -> None:
    async with members(fast_path) as (nodes, connects):
        click.echo(f"connect              {quantiles(connects)} of {len(connects)}   (target 15 ms)")
        click.echo(f"echo                 {quantiles(await echo(nodes[1], nodes[0], samples))}   (target 0.4, 1)")
        click.echo(f"request              {quantiles(await requests(nodes[1], nodes[0], samples))}")
        click.echo(f"large messages       {await stream(nodes[0], nodes[1], LARGE_COUNT):.0f} MB/s   (target 200)")
        rounds, cpu_s = await everybody(nodes, samples)
        click.echo(f"all to all           {quantiles(rounds)} a round, {cpu_s * 1e6:.0f} µs a message   (target 30)")
        for name, size, rate, target in (
            ("gossip 200 B, 500/s", 200, 500.0, "target 1.5, 6"),
            ("gossip 33 KB, 160/s", 33_000, 160.0, "target p99 10"),
            ("11,000 tx/s, 40/s  ", 33_000, 40.0, "target CPU 6 %"),
        ):
            delays, share, cpu = await gossip(nodes, size, rate, seconds)
            click.echo(f"{name}  {quantiles(delays)}, delivered {share:.1%}, CPU {cpu:.1%} a host   ({target})")


@click.command()
@click.option("--path", type=click.Choice(["fast", "stock"]), default="fast", show_default=True)
@click.option("--samples", default=1_000, show_default=True, help="Echoes and requests.")
@click.option("--seconds", default=5.0, show_default=True, help="Length of each gossip load.")
def main(path: str, samples: int, seconds: float) -> None:
    print_machine(f"p2p, {NODES} nodes, {path} path")
    run(measure(path == "fast", samples, seconds))


if __name__ == "__main__":
    main()
