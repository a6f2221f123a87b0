"""A report for a terminal: tables of aligned columns, and bars."""

from __future__ import annotations

from collections.abc import Sequence

from zg_node.bench.report import Figures, LatencyMs, Report

BAR_COLUMNS = 40
EIGHTHS = " ▏▎▍▌▋▊▉█"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of the same length, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def bar(value: float, largest: float, width: int = BAR_COLUMNS) -> str:
    """A bar whose length is `value` of `largest`, in eighths of a column."""
    eighths = round(8 * width * value / largest) if largest > 0 else 0
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).strip()


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _latency(latency: LatencyMs) -> tuple[str, str]:
    return _number(latency.p50, 1), _number(latency.p99, 1)


def _row(name: str, figures: Figures, ratio: float | None) -> tuple[str, ...]:
    spread = f"{figures.tps_low:,.0f}..{figures.tps_high:,.0f}"
    unfinished = f"{figures.rejected}/{figures.lost}/{figures.failed}"
    return (
        name,
        _number(figures.tps),
        spread,
        _number(figures.tps_submit_to_final),
        "-" if ratio is None else f"{ratio:.2f}x",
        _number(figures.gas_per_s / 1e6),
        _number(figures.gas_per_transaction),
        *_latency(figures.latency_ms),
        _number(figures.server_cpu_us, 1),
        _number(figures.client_cpu_us, 1),
        unfinished,
    )


HEADING = (
    "workload",
    "TPS",
    "low..high",
    "to final",
    "peer",
    "Mgas/s",
    "gas/tx",
    "p50 ms",
    "p99 ms",
    "server µs",
    "client µs",
    "rej/lost/fail",
)


def render(report: Report) -> str:
    """The whole report."""
    rate = f", at most {report.rate_per_s:,.0f}/s" if report.rate_per_s else ""
    noun = "shard" if report.shards == 1 else "shards"
    lines = [
        f"zg_node {report.version} {report.commit} · {report.started} · {report.duration_s:,.0f} s",
        f"{report.machine.cpu}, {report.machine.cores} cores, load {report.machine.load_1min} at the start, "
        f"Linux {report.machine.kernel}, Python {report.machine.python}",
        f"{report.shards} {noun}, {report.transactions:,} transactions each from {report.senders:,} senders to "
        f"{report.receivers} receivers, batches of {report.batch} over {report.connections} connections{rate}, "
        f"median of {report.repeat}",
        "",
    ]
    rows: list[tuple[str, ...]] = [HEADING]
    for name, workload in report.workloads.items():
        rows.append(_row(name, workload, workload.peer_ratio))
        rows += [_row(f"  {peer.server}", peer, None) for peer in workload.peers]
    lines.append(columns(rows))
    lines += _shards(report) + _stages(report) + _idle(report) + _refusals(report)
    lines += ["", bars(report)]
    return "\n".join(lines)


def _shards(report: Report) -> list[str]:
    if report.shards == 1:
        return []
    rows: list[tuple[str, ...]] = [("TPS by shard", *map(str, range(report.shards)))]
    rows += [(name, *(_number(s.tps) for s in workload.per_shard)) for name, workload in report.workloads.items()]
    return ["", columns(rows)]


def _stages(report: Report) -> list[str]:
    stages = sorted({stage for workload in report.workloads.values() for stage in workload.stages_us})
    if not stages:
        return []
    rows: list[tuple[str, ...]] = [("µs a transaction, by the node's counters", *report.workloads)]
    rows += [
        (stage, *(_number(workload.stages_us.get(stage), 2) for workload in report.workloads.values()))
        for stage in stages
    ]
    return ["", columns(rows)]


def _idle(report: Report) -> list[str]:
    lines = []
    for name, latency in (("zg-node", report.idle_latency_ms), ("anvil (default)", report.peer_idle_latency_ms)):
        if latency is not None:
            p50, p99 = _latency(latency)
            lines.append(f"send to final, idle, {name}: p50 {p50} ms, p99 {p99} ms of {latency.samples} transfers")
    return ["", *lines] if lines else []


def _refusals(report: Report) -> list[str]:
    words = {
        f"{figures.server} said: {error}"
        for workload in report.workloads.values()
        for figures in (workload, *workload.peers)
        for error in figures.errors
    }
    return ["", *sorted(words)] if words else []


def bars(report: Report) -> str:
    """TPS of each workload as a bar, the best peer's under it."""
    pairs = []
    for name, workload in report.workloads.items():
        pairs.append((name, workload.tps))
        if workload.peer is not None:
            pairs.append((f"  {workload.peer.server}", workload.peer.tps))
    largest = max((tps for _, tps in pairs), default=0.0)
    rows = [(name, f"{tps:,.0f}") for name, tps in pairs]
    return "\n".join(
        f"{line}  {bar(tps, largest)}" for line, (_, tps) in zip(columns(rows).splitlines(), pairs, strict=True)
    )
