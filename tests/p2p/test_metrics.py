"""Messages are counted by kind, and shown as Prometheus counters."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from zg_node.p2p.framing import Frame
from zg_node.p2p.metrics import P2pMetrics


def test_counted_messages_show_in_the_registry() -> None:
    registry = CollectorRegistry()
    metrics = P2pMetrics(registry)
    metrics.sent[Frame.SEND] += 2
    metrics.received[Frame.DIRECT] += 1
    assert registry.get_sample_value("zg_p2p_sent_total", {"kind": "send"}) == 2
    assert registry.get_sample_value("zg_p2p_sent_total", {"kind": "publish"}) == 0
    assert registry.get_sample_value("zg_p2p_received_total", {"kind": "direct"}) == 1
    assert b"# TYPE zg_p2p_sent_total counter" in generate_latest(registry)
