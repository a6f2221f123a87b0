"""Reports survive a round trip through JSON, keep the worst counts, and fit a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from zg_node.bench.measurement import LaneFigures, Latency, Measurement
from zg_node.bench.report import LatencyMs, Machine, Report, WorkloadReport, summarise
from zg_node.bench.stages import parse_stages
from zg_node.bench.text import bar, columns, render
from zg_node.errors import InvalidConfig


def measurement(server: str, tps: float, lost: int = 0) -> Measurement:
    lane = LaneFigures(1000, 0, lost, 0, 1000 - lost, 9, tps, tps - 1, tps * 21_000, 21_000, Latency(10, 20, 1000))
    return Measurement(server, lane, (lane,), 60.0, 3.0, {"zg_stage_seconds recover": 50.0}, ())


def report(workload: WorkloadReport) -> Report:
    return Report(
        version="0.1.0",
        commit="abc",
        machine=Machine(cpu="a CPU", cores=2, kernel="6", python="3.11", load_1min=0.1),
        started="2026-01-01T00:00:00+00:00",
        duration_s=1.0,
        shards=1,
        repeat=3,
        transactions=1000,
        batch=100,
        connections=8,
        senders=10,
        receivers="existing",
        rate_per_s=None,
        workloads={"simple": workload},
        idle_latency_ms=LatencyMs(p50=3.0, p99=9.0, samples=50),
        peer_idle_latency_ms=None,
    )


def test_the_figure_is_the_median_and_the_ratio_is_to_the_best_peer() -> None:
    ours = [measurement("node", tps) for tps in (900.0, 1000.0, 1300.0)]
    peers = {"slow": [measurement("slow", 100.0)], "fast": [measurement("fast", 400.0), measurement("fast", 600.0)]}
    figures = summarise(ours, peers)
    assert (figures.tps, figures.tps_low, figures.tps_high) == (1000.0, 900.0, 1300.0)
    assert figures.peer is not None
    assert figures.peer.server == "fast"
    assert figures.peer_ratio == 2.0
    assert [peer.server for peer in figures.peers] == ["fast", "slow"]


def test_a_loss_in_one_repeat_is_not_hidden_by_the_others() -> None:
    figures = summarise([measurement("node", 1.0), measurement("node", 1.0, lost=7), measurement("node", 1.0)], {})
    assert figures.lost == 7
    assert figures.peer_ratio is None


def test_a_report_read_back_is_the_same(tmp_path: Path) -> None:
    written = report(summarise([measurement("node", 1000.0)], {"anvil": [measurement("anvil", 400.0)]}))
    path = tmp_path / "report.json"
    path.write_text(written.to_json())
    assert Report.load(path) == written


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"workloads": 5}', "\x00"])
def test_what_is_no_report_is_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(InvalidConfig, match="is not a report of this version"):
        Report.load(path)


def test_the_table_names_figures_peer_and_stages() -> None:
    text = render(report(summarise([measurement("node", 1000.0)], {"anvil": [measurement("anvil", 400.0)]})))
    assert "1,000" in text
    assert "2.50x" in text
    assert "zg_stage_seconds recover" in text
    assert "p50 3.0 ms" in text


def test_columns_are_aligned() -> None:
    assert columns([("a", "1"), ("bb", "22")]) == "a    1\nbb  22"


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(10, 10, width=4) == "████"
    assert bar(5, 10, width=4) == "██"
    assert bar(0, 10) == bar(1, 0) == ""


def test_only_the_nodes_seconds_are_stages_and_shards_are_added_up() -> None:
    text = """
# TYPE zg_execution_stage_seconds counter
zg_execution_stage_seconds_total{shard="0",stage="recover"} 1.5
zg_execution_stage_seconds_total{shard="1",stage="recover"} 0.5
zg_execution_stage_seconds_created{shard="0",stage="recover"} 1.7e+09
zg_log_sync_seconds_bucket{le="0.1"} 4.0
zg_log_sync_seconds_sum 0.25
zg_rpc_requests_total{method="eth_call"} 12.0
process_cpu_seconds_total 99.0
"""
    assert parse_stages(text) == {"zg_execution_stage_seconds recover": 2.0, "zg_log_sync_seconds": 0.25}
