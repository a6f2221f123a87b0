"""A report as a picture: TPS of each workload beside the best peer, and latency under load."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from zg_node.bench.report import Report
from zg_node.errors import InvalidConfig

OURS, THEIRS = "#2f6f9f", "#c8a45a"


def write_png(reports: Sequence[Report], path: Path) -> None:
    """One row of panels a report. Raises InvalidConfig when matplotlib is not installed."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InvalidConfig("plots need matplotlib: pip install 'zg-node[bench]'") from error
    figure = Figure(figsize=(10, 3.8 * len(reports)), layout="constrained")
    panels = figure.subplots(len(reports), 2, squeeze=False)
    for report, (speed, latency) in zip(reports, panels, strict=True):
        names = list(report.workloads)
        workloads = report.workloads.values()
        places = range(len(names))
        ours = speed.bar([x - 0.2 for x in places], [w.tps for w in workloads], 0.38, color=OURS, label="zg_node")
        speed.bar_label(ours, fmt="{:,.0f}", fontsize=8)
        if any(w.peer for w in workloads):
            theirs = speed.bar(
                [x + 0.2 for x in places],
                [w.peer.tps if w.peer else 0 for w in workloads],
                0.38,
                color=THEIRS,
                label="best anvil",
            )
            speed.bar_label(theirs, fmt="{:,.0f}", fontsize=8)
        speed.set_xticks(list(places), names)
        speed.set_title(f"transactions a second, {report.shards} shard(s), batch {report.batch}", fontsize=10)
        speed.legend(fontsize=8)
        for offset, shade, label in ((-0.2, 1.0, "p50"), (0.2, 0.5, "p99")):
            heights = [getattr(w.latency_ms, label) or 0 for w in workloads]
            drawn = latency.bar([x + offset for x in places], heights, 0.38, color=OURS, alpha=shade, label=label)
            latency.bar_label(drawn, fmt="{:,.0f}", fontsize=8)
        latency.set_xticks(list(places), names)
        latency.set_title("send to final under full load, ms", fontsize=10)
        latency.legend(fontsize=8)
    figure.suptitle(f"zg_node {reports[-1].version} {reports[-1].commit} · {reports[-1].machine.cpu}", fontsize=10)
    figure.savefig(path, dpi=130)
