"""What a holder counts about itself."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class HolderMetrics:
    """One a node."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.signatures = Counter("zg_da_signatures", "Signatures given for rows that are durable.", registry=registry)
        self.stored = Counter("zg_da_stored_bytes", "Rows and paths written.", registry=registry)
        self.served = Counter("zg_da_served_bytes", "Answers out of the store.", registry=registry)
        self.refusals = Counter("zg_da_refused_offers", "Offers whose rows did not verify.", registry=registry)
        self.scrubbed = Counter("zg_da_scrubbed_bytes", "Stored rows read by the scrubber.", registry=registry)
        self.damaged = Counter("zg_da_damaged_rows", "Stored rows that the scrubber found damaged.", registry=registry)
        self.repaired = Counter(
            "zg_da_repaired_rows", "Rows fetched or recovered after the signing.", registry=registry
        )
        self.repair_moved = Counter("zg_da_repair_bytes", "Received for these rows.", registry=registry)
        self.pruned = Counter("zg_da_pruned_bytes", "Removed with what had expired.", registry=registry)
        self._kept = Gauge("zg_da_kept_bytes", "Rows and paths on disk.", registry=registry)

    def watch_store(self, used_bytes: Callable[[], float]) -> None:
        """Where to read how much the store holds."""
        self._kept.set_function(used_bytes)
