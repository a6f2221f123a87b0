"""What a shard's execution counts about itself; read when a scrape comes, so it costs nothing between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from zg_node import _core
from zg_node.types.block import StoredBlock


class Measured(Protocol):
    """What of a chain is measured."""

    shard: int
    head: StoredBlock
    pool: _core.Pool
    state: _core.State

    def stages(self) -> dict[str, float]:
        """CPU seconds by stage."""
        ...

    transactions: int
    """Finalised since the start."""


class ExecutionCollector(Collector):
    """Metrics of every shard."""

    def __init__(self, registry: CollectorRegistry, chains: Callable[[], Sequence[Measured]]) -> None:
        self._chains = chains
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        stage = CounterMetricFamily("zg_execution_stage_seconds", "CPU time by stage.", labels=["shard", "stage"])
        height = GaugeMetricFamily("zg_execution_height_blocks", "Number of the finalised head.", labels=["shard"])
        done = CounterMetricFamily("zg_execution_transactions", "Finalised since the start.", labels=["shard"])
        waiting = GaugeMetricFamily("zg_execution_pool_transactions", "In the mempool.", labels=["shard", "kind"])
        unflushed = GaugeMetricFamily("zg_execution_unflushed_bytes", "State not yet in LevelDB.", labels=["shard"])
        for chain in self._chains():
            shard = str(chain.shard)
            for name, seconds in chain.stages().items():
                stage.add_metric([shard, name], seconds)
            height.add_metric([shard], chain.head.number)
            done.add_metric([shard], chain.transactions)
            executable, queued = chain.pool.len()
            waiting.add_metric([shard, "executable"], executable)
            waiting.add_metric([shard, "queued"], queued)
            unflushed.add_metric([shard], chain.state.pending_bytes())
        return [stage, height, done, waiting, unflushed]
