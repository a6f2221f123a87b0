"""What data availability counts about itself."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)


class DaMetrics:
    """One a node."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.puts = Counter("zg_da_puts", "Blobs that were certified for clients here.", registry=registry)
        self.put_bytes = Counter("zg_da_put_bytes", "Bytes of those blobs.", registry=registry)
        self.put_failures = Counter("zg_da_put_failures", "Blobs that got no certificate.", registry=registry)
        self.put_seconds = Histogram(
            "zg_da_put_seconds", "From a blob to its final certificate.", buckets=SECONDS, registry=registry
        )
        self.gets = Counter("zg_da_gets", "Blobs that were read for clients here.", registry=registry)
        self.get_bytes = Counter("zg_da_get_bytes", "Bytes of those blobs.", registry=registry)
        self.get_failures = Counter("zg_da_get_failures", "Blobs that could not be read.", registry=registry)
        self.liars = Counter("zg_da_liars", "Answers with rows that are not the committed ones.", registry=registry)
        self.moved = Counter(
            "zg_da_moved_bytes", "Exchanged with other nodes, by direction.", ["direction"], registry=registry
        )
        self._outbox = Gauge("zg_da_outbox_bytes", "Rows of blobs that are being dispersed.", registry=registry)

    def count_moved(self, sent: int, received: int) -> None:
        """Bytes of one exchange with a peer."""
        self.moved.labels("sent").inc(sent)
        self.moved.labels("received").inc(received)

    def watch_outbox(self, held_bytes: Callable[[], float]) -> None:
        """Where to read how much waits for holders."""
        self._outbox.set_function(held_bytes)
