"""From what was sent and what was seen to figures; no clocks, no sockets.

sustained TPS        transactions of all blocks but the first seen, over the time from the first to the last seen
submit-to-final TPS  all final transactions, over the time from the first request written to the last block seen
latency              from the request written to the block seen, of every transaction
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zg_node.bench.observer import Outcome, SeenBlock


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; NaN without samples."""

    p50: float
    p99: float
    samples: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        ordered = sorted(seconds)
        return cls(1000 * percentile(ordered, 0.50), 1000 * percentile(ordered, 0.99), len(ordered))


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """Nearest rank of a sorted sequence; NaN when it is empty."""
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, max(0, math.ceil(fraction * len(ordered)) - 1))]


@dataclass(frozen=True, slots=True)
class LaneLog:
    """What the load generator noted about one shard."""

    sent_at: Mapping[bytes, float]
    """Monotonic seconds at which each transaction's request was written, by hash."""
    rejected: int
    blocks: Sequence[SeenBlock]
    outcomes: Mapping[bytes, Outcome]


@dataclass(frozen=True, slots=True)
class LaneFigures:
    """One shard, or all shards taken together."""

    sent: int
    rejected: int
    """The server refused them at once."""
    lost: int
    """Accepted, and in no block when the run ended."""
    failed: int
    """In a block, and their receipt says that they failed."""
    final: int
    """In a block, and their receipt says that they succeeded."""
    blocks: int
    tps: float
    """Sustained."""
    tps_submit_to_final: float
    gas_per_s: float
    """Gas of the blocks that the sustained figure counts, over the same time."""
    gas_per_transaction: float
    latency_ms: Latency


def sustained(blocks: Sequence[SeenBlock]) -> tuple[float, float] | None:
    """(transactions, gas) a second between the first and the last block seen; None when all were seen at once."""
    if not blocks:
        return None
    first = min(block.seen_at for block in blocks)
    span = max(block.seen_at for block in blocks) - first
    if span == 0:
        return None
    later = [block for block in blocks if block.seen_at > first]
    return sum(len(block.hashes) for block in later) / span, sum(block.gas_used for block in later) / span


def figures(logs: Sequence[LaneLog]) -> LaneFigures:
    """The figures of one or more shards over their common time. Transactions of others in the blocks are left out."""
    blocks: list[SeenBlock] = []
    latencies: list[float] = []
    succeeded = failed = gas = 0
    for log in logs:
        for block in log.blocks:
            ours = tuple(tx_hash for tx_hash in block.hashes if tx_hash in log.sent_at)
            if ours:
                blocks.append(SeenBlock(block.number, block.seen_at, block.gas_used, ours))
                latencies += [block.seen_at - log.sent_at[tx_hash] for tx_hash in ours]
                outcomes = [log.outcomes[tx_hash] for tx_hash in ours]
                succeeded += sum(outcome.succeeded for outcome in outcomes)
                failed += sum(not outcome.succeeded for outcome in outcomes)
                gas += sum(outcome.gas_used for outcome in outcomes)
    sent = sum(len(log.sent_at) for log in logs)
    rejected = sum(log.rejected for log in logs)
    included = succeeded + failed
    elapsed = (
        max(block.seen_at for block in blocks) - min(min(log.sent_at.values()) for log in logs if log.sent_at)
        if blocks
        else math.inf
    )
    over_all = (included / elapsed, gas / elapsed)
    tps, gas_per_s = sustained(blocks) or over_all
    return LaneFigures(
        sent=sent,
        rejected=rejected,
        lost=sent - rejected - included,
        failed=failed,
        final=succeeded,
        blocks=len(blocks),
        tps=tps,
        tps_submit_to_final=over_all[0],
        gas_per_s=gas_per_s,
        gas_per_transaction=gas / included if included else 0.0,
        latency_ms=Latency.of(latencies),
    )


@dataclass(frozen=True, slots=True)
class Measurement:
    """One load against one server."""

    server: str
    total: LaneFigures
    per_shard: tuple[LaneFigures, ...]
    server_cpu_us: float | None
    """The server's CPU time a transaction, in microseconds; None when its process is not known."""
    client_cpu_us: float
    """The load generator's own, without signing."""
    stages_us: Mapping[str, float]
    """The server's own account of its time a transaction, where it keeps one."""
    errors: tuple[str, ...]
    """A few of the server's refusals."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))
