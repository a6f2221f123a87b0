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
