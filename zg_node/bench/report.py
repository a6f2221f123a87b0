"""Reports: figures of several repeats reduced to medians and spread, as JSON and as a table.

The JSON is what `Report` says, one object; `workloads` maps each workload's name to its figures:

    {"workloads": {"simple": {"tps": …, "peer_ratio": …, "per_shard": […], "latency_ms": {…}, …}}, "commit": …, …}
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from zg_node.bench.measurement import LaneFigures, Latency, Measurement, Spread
from zg_node.errors import InvalidConfig

REPORT_MAX_BYTES = 4 * 1024 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True, ser_json_inf_nan="null")


class Machine(_Part):
    cpu: str
    cores: int
    kernel: str
    python: str
    load_1min: float
    """The load average when the suite began: other programs spoil figures."""


class LatencyMs(_Part):
    p50: float | None
    p99: float | None
    samples: int

    @classmethod
    def of(cls, latency: Latency) -> LatencyMs:
        known = [None if math.isnan(value) else round(value, 2) for value in (latency.p50, latency.p99)]
        return cls(p50=known[0], p99=known[1], samples=latency.samples)


class Figures(_Part):
    """One server under one load: medians over the repeats, counts of the worst repeat."""

    server: str
    tps: float
    """Sustained, all shards together."""
    tps_low: float
    tps_high: float
    tps_submit_to_final: float
    gas_per_s: float
    gas_per_transaction: float
    latency_ms: LatencyMs
    server_cpu_us: float | None
    """A transaction."""
    client_cpu_us: float
    rejected: int
    lost: int
    failed: int
    final: int
    blocks: int
    errors: tuple[str, ...]


class ShardFigures(_Part):
    tps: float
    latency_ms: LatencyMs


class WorkloadReport(Figures):
    per_shard: tuple[ShardFigures, ...]
    stages_us: dict[str, float]
    """The node's own account of where a transaction's time goes."""
    peer_ratio: float | None
    """tps over the best peer's; None without a peer."""
    peer: Figures | None
    """The best of `peers`."""
    peers: tuple[Figures, ...]


class Report(_Part):
    version: str
    commit: str
    machine: Machine
    started: str
    """UTC, ISO 8601."""
    duration_s: float
    shards: int
    repeat: int
    transactions: int
    """Per shard."""
    batch: int
    connections: int
    senders: int
    receivers: str
    rate_per_s: float | None
    workloads: dict[str, WorkloadReport]
    idle_latency_ms: LatencyMs | None
    peer_idle_latency_ms: LatencyMs | None

    @classmethod
    def load(cls, path: Path) -> Report:
        """Raises InvalidConfig unless the file is a report."""
        if path.stat().st_size > REPORT_MAX_BYTES:
            raise InvalidConfig(f"{path} is too large for a report")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InvalidConfig(f"{path} is not a report of this version: {where}: {first['msg']}") from error

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


def _median_latency(latencies: Sequence[Latency]) -> LatencyMs:
    return LatencyMs.of(
        Latency(
            statistics.median(latency.p50 for latency in latencies),
            statistics.median(latency.p99 for latency in latencies),
            sum(latency.samples for latency in latencies),
        )
    )


def _figures(measurements: Sequence[Measurement]) -> Figures:
    totals = [measurement.total for measurement in measurements]
    tps = Spread.of([total.tps for total in totals])
    worst = max(totals, key=lambda total: total.rejected + total.lost + total.failed)
    cpu = [m.server_cpu_us for m in measurements if m.server_cpu_us is not None]

    def middle(values: Sequence[float]) -> float:
        return round(statistics.median(values), 1)

    return Figures(
        server=measurements[0].server,
        tps=round(tps.median, 1),
        tps_low=round(tps.low, 1),
        tps_high=round(tps.high, 1),
        tps_submit_to_final=middle([total.tps_submit_to_final for total in totals]),
        gas_per_s=middle([total.gas_per_s for total in totals]),
        gas_per_transaction=middle([total.gas_per_transaction for total in totals]),
        latency_ms=_median_latency([total.latency_ms for total in totals]),
        server_cpu_us=middle(cpu) if cpu else None,
        client_cpu_us=middle([m.client_cpu_us for m in measurements]),
        rejected=worst.rejected,
        lost=worst.lost,
        failed=worst.failed,
        final=worst.final,
        blocks=worst.blocks,
        errors=tuple(dict.fromkeys(error for m in measurements for error in m.errors)),
    )


def _shard(figures: Sequence[LaneFigures]) -> ShardFigures:
    return ShardFigures(
        tps=round(statistics.median(lane.tps for lane in figures), 1),
        latency_ms=_median_latency([lane.latency_ms for lane in figures]),
    )


def summarise(ours: Sequence[Measurement], peers: Mapping[str, Sequence[Measurement]]) -> WorkloadReport:
    """All repeats of one workload; `peers` by configuration. The best peer is the one with the highest median."""
    others = sorted((_figures(runs) for runs in peers.values()), key=lambda figures: -figures.tps)
    mine = _figures(ours)
    best = others[0] if others else None
    stages = {name for measurement in ours for name in measurement.stages_us}
    return WorkloadReport(
        **mine.model_dump(),
        per_shard=tuple(_shard(lanes) for lanes in zip(*(m.per_shard for m in ours), strict=True)),
        stages_us={
            name: round(statistics.median(m.stages_us.get(name, 0.0) for m in ours), 2) for name in sorted(stages)
        },
        peer_ratio=round(mine.tps / best.tps, 2) if best and best.tps else None,
        peer=best,
        peers=tuple(others),
    )
