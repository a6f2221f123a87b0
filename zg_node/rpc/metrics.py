"""What a listener counts, read when Prometheus asks: nothing is added to the path of a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from zg_node.rpc.server import RpcServer


class RpcCollector(Collector):
    """Register once a server: `registry.register(RpcCollector(server))`."""

    def __init__(self, server: RpcServer) -> None:
        self._server = server

    def describe(self) -> Iterable[Metric]:
        """Nothing to collect while registering."""
        return ()

    def collect(self) -> Iterable[Metric]:
        server = self._server
        requests = CounterMetricFamily("zg_rpc_requests", "Requests taken, by method.", labels=["method"])
        for method, count in sorted(server.dispatcher.counts.items()):
            requests.add_metric([method], count)
        yield requests
        yield CounterMetricFamily("zg_rpc_connections_accepted", "Connections.", value=server.accepted)
        gauges = {
            "zg_rpc_connections": ("Open connections.", server.connections),
            "zg_rpc_subscriptions": ("Subscriptions, and filters on transactions.", server.subscriptions),
            "zg_rpc_transactions_waiting": ("Transactions that wait for validation.", server.transactions_waiting),
            "zg_rpc_work_waiting": ("Heavy requests begun or waiting for a thread.", server.work_waiting),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value=value)
