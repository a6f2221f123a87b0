"""The suite: every workload, several times, against the node and the peer in turn, on fresh servers each time.

for each workload:  node ─ peer A ─ peer B ─ peer C      first round: every configuration of the peer once
                    node ─ best peer                     further rounds: the best of them
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from zg_node.bench.latency import idle_latency
from zg_node.bench.measurement import Measurement
from zg_node.bench.report import LatencyMs, Machine, Report, WorkloadReport, summarise
from zg_node.bench.run import LoadSettings, Voice, measure
from zg_node.bench.server import PEER_CONFIGURATIONS, Server, at_url, peer_name, run_anvil, run_node
from zg_node.bench.signing import SigningPool
from zg_node.bench.workload import WorkloadName
from zg_node.errors import Unavailable

PEER_DURATION_MAX_S = 45.0
"""A configuration of the peer that takes longer is cut off; its figure is then of what it did in that time."""
PROC_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class SuiteSettings:
    load: LoadSettings
    """Its workload is replaced by each of `workloads` in turn."""
    workloads: tuple[WorkloadName, ...]
    shards: int = 1
    repeat: int = 1
    peer: bool = False
    url: str | None = None
    """Measure what runs here; None starts a node for every measurement."""
    metrics_url: str | None = None
    pid: int | None = None
    idle_samples: int = 50
    """Transfers of the idle-latency probe; 0 leaves it out."""


@contextlib.asynccontextmanager
async def _subject(settings: SuiteSettings) -> AsyncIterator[Server]:
    if settings.url is not None:
        source = at_url(settings.url, settings.shards, settings.metrics_url, settings.pid)
    else:
        source = run_node(settings.shards)
    async with source as server:
        yield server


async def run_suite(settings: SuiteSettings, voice: Voice) -> Report:
    """Raises what `measure` raises for the node; a peer that fails is reported and left out."""
    settings.load.check()
    started = time.time()
    workloads: dict[str, WorkloadReport] = {}
    with SigningPool() as pool:
        for name in settings.workloads:
            load = replace(settings.load, workload=name)
            workloads[name.value] = await _run_workload(settings, load, pool, voice)
        idle = peer_idle = None
        if settings.idle_samples:
            voice.say("idle latency")
            async with _subject(settings) as server:
                idle = await idle_latency(
                    server.shards[0], settings.load.faucet_key, server.fees, settings.idle_samples
                )
            if settings.peer:
                async with run_anvil(()) as server:
                    peer_idle = await idle_latency(
                        server.endpoint, settings.load.faucet_key, server.fees, settings.idle_samples
                    )
    return Report(
        version=metadata.version("zg-node"),
        commit=commit(),
        machine=machine(),
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        duration_s=round(time.time() - started, 1),
        shards=settings.shards,
        repeat=settings.repeat,
        transactions=settings.load.transactions,
        batch=settings.load.batch,
        connections=settings.load.connections,
        senders=settings.load.senders,
        receivers=settings.load.receivers.value,
        rate_per_s=settings.load.rate_per_s,
        workloads=workloads,
        idle_latency_ms=LatencyMs.of(idle) if idle else None,
        peer_idle_latency_ms=LatencyMs.of(peer_idle) if peer_idle else None,
    )


async def _run_workload(settings: SuiteSettings, load: LoadSettings, pool: SigningPool, voice: Voice) -> WorkloadReport:
    ours: list[Measurement] = []
    peers: dict[str, list[Measurement]] = {}
    configurations: Sequence[Sequence[str]] = PEER_CONFIGURATIONS if settings.peer else ()
    for repeat in range(settings.repeat):
        voice.say(f"{load.workload.value}, round {repeat + 1} of {settings.repeat}: {settings.url or 'zg-node'}")
        async with _subject(settings) as server:
            seeded = replace(load, seed=f"{load.seed} {load.workload.value} {repeat}")
            ours.append(await measure(server, seeded, pool, voice))
        for configuration in configurations:
            voice.say(f"{load.workload.value}, round {repeat + 1} of {settings.repeat}: {peer_name(configuration)}")
            try:
                async with run_anvil(configuration) as server:
                    limited = replace(seeded, duration_max_s=PEER_DURATION_MAX_S)
                    peers.setdefault(server.name, []).append(await measure(server, limited, pool, voice))
            except Unavailable as error:
                voice.say(f"{peer_name(configuration)} did not get through the load: {error}")
        if peers:
            best = max(peers, key=lambda name: peers[name][0].total.tps)
            configurations = [c for c in PEER_CONFIGURATIONS if peer_name(c) == best]
    return summarise(ours, peers)


def commit() -> str:
    """The checkout's commit, with "+" when files differ from it; "" outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    try:
        described = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()


def machine() -> Machine:
    """What the figures were taken on."""
    try:
        lines = PROC_CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(
        cpu=models[0] if models else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=platform.python_version(),
        load_1min=round(os.getloadavg()[0], 2),
    )
