"""What a node counts about itself, in the form that Prometheus reads.

Each package declares its metrics once, as a class built on the node's registry, and is handed the instance:

    class RpcMetrics:
        def __init__(self, registry: CollectorRegistry) -> None:
            self.requests = Counter("zg_rpc_requests", "Requests answered.", ["method"], registry=registry)

Names are `zg_<package>_<noun>_<unit>`. Labels take values from a fixed set, never from a peer or a user, so that
nobody can grow the registry.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""What `render` is served as."""

LATENCY_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds for histograms of how long something took."""


def new_registry() -> CollectorRegistry:
    """A registry of one node that already tells the process's memory, CPU time, files and garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def render(registry: CollectorRegistry) -> bytes:
    """Everything in `registry` as text, one sample a line."""
    return generate_latest(registry)
