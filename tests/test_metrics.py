"""Metrics: a registry of one node, rendered for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter

from zg_node.metrics import new_registry, render


def test_a_counter_appears_in_the_rendered_text() -> None:
    registry = new_registry()
    requests = Counter("zg_rpc_requests", "Requests answered.", ["method"], registry=registry)
    requests.labels("eth_call").inc(3)
    assert b'zg_rpc_requests_total{method="eth_call"} 3.0\n' in render(registry)


def test_the_process_is_measured_from_the_start() -> None:
    assert b"process_resident_memory_bytes" in render(new_registry())


def test_two_nodes_in_one_process_do_not_share_a_registry() -> None:
    first, second = new_registry(), new_registry()
    Counter("zg_test_events", "Events.", registry=first).inc()
    assert b"zg_test_events" not in render(second)
