"""What the network counts; the host's process reports its own counts every two seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from zg_node.p2p.framing import Frame

HOST_COUNTERS = {
    "connections": "Connections that completed a handshake.",
    "handshakes_failed": "Inbound connections that did not complete one.",
    "refused": "Connections refused: banned, too many, too fast.",
    "guarded": "Errors that a peer provoked in the library and a guard stopped.",
    "bytes_received": "Bytes read from streams that peers opened.",
    "throttled": "Reads that waited because a peer was beyond its bucket.",
    "dropped": "Messages that did not fit into a peer's queue.",
    "gossip_received": "Gossip messages taken, duplicates not counted.",
    "gossip_duplicates": "Gossip messages seen before.",
    "gossip_rejected": "Gossip messages with a bad signature, size or topic.",
    "bans": "Peers banned.",
}
HOST_GAUGES = {
    "cpu_seconds": "CPU time of the host's process.",
    "resident_bytes": "Memory of the host's process.",
}


SENT_KINDS = {
    Frame.PUBLISH: "publish",
    Frame.SEND: "send",
    Frame.BROADCAST: "broadcast",
    Frame.REQUEST: "request",
}
RECEIVED_KINDS = {Frame.GOSSIP: "gossip", Frame.DIRECT: "direct", Frame.ASKED: "request"}


class Tally(Collector):
    """A counter of messages by kind, made when it is asked for: a message is counted by `counts[kind] += 1`."""

    def __init__(self, name: str, text: str, kinds: Mapping[Frame, str]) -> None:
        self.counts = dict.fromkeys(kinds, 0)
        self._name = name
        self._text = text
        self._kinds = kinds

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._text, labels=["kind"])
        for kind, label in self._kinds.items():
            family.add_metric([label], self.counts[kind])
        yield family


class P2pMetrics:
    """Metrics of the network; once a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.peers = Gauge("zg_p2p_peers", "Connected peers.", registry=registry)
        sent = Tally("zg_p2p_sent", "Messages given to the host.", SENT_KINDS)
        received = Tally("zg_p2p_received", "Messages taken from the host.", RECEIVED_KINDS)
        registry.register(sent)
        registry.register(received)
        self.sent, self.received = sent.counts, received.counts
        self.queue_drops = Counter(
            "zg_p2p_queue_drops", "Messages dropped because the host did not take them.", registry=registry
        )
        self.offences = Counter("zg_p2p_offences", "Offences reported.", ["offence"], registry=registry)
        self.restarts = Counter("zg_p2p_host_restarts", "Times the host's process ended.", registry=registry)
        self._counters = {
            name: Counter(f"zg_p2p_{name}", text, registry=registry) for name, text in HOST_COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(f"zg_p2p_host_{name}", text, registry=registry) for name, text in HOST_GAUGES.items()
        }
        self._last: dict[str, float] = {}

    def host_started(self) -> None:
        """The next counts begin at zero again."""
        self._last = {}

    def take(self, counts: Mapping[str, float]) -> None:
        """Counts of the host's process since it started."""
        for name, counter in self._counters.items():
            value = counts.get(name, 0.0)
            counter.inc(max(0.0, value - self._last.get(name, 0.0)))
            self._last[name] = value
        for name, gauge in self._gauges.items():
            gauge.set(counts.get(name, 0.0))
