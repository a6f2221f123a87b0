"""Half load for a quarter of an hour: does memory grow? Expected: below 1 MB a minute after a warm-up of five minutes.

Each round is signed in other processes while the one before is sent, so the load never pauses for long. The slope is
that of the least-squares line through the resident memory, read once a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from statistics import linear_regression
from typing import TypeAlias

import click

from benchmarks.figures import print_machine, run
from zg_node.bench.load import Request
from zg_node.bench.process import rss_bytes
from zg_node.bench.run import Lane, LoadSettings
from zg_node.bench.server import Server, run_node
from zg_node.bench.signing import SigningPool
from zg_node.bench.workload import WorkloadName

SAMPLE_S = 1.0
ROUND_S = 10.0
REPORT_S = 60.0
Sample: TypeAlias = tuple[float, int, int]
"""(monotonic seconds, bytes of resident memory, transactions final so far)."""


class Soak:
    """A lane that is driven round after round, and what was seen meanwhile."""

    def __init__(self, server: Server, settings: LoadSettings) -> None:
        assert server.pid is not None
        self.samples: list[Sample] = []
        self.lost = 0
        self._pid = server.pid
        self._final = 0
        self._transactions = settings.transactions
        self._lane = Lane(server.shards[0], settings, server.fees)

    async def drive(self, pool: SigningPool, seconds: float) -> None:
        """Send rounds until `seconds` have passed. Raises Unavailable when the node goes away."""
        await self._lane.prepare(rounds=int(seconds / ROUND_S) + 2)
        end = time.monotonic() + seconds
        following = asyncio.create_task(self._sign(pool))
        sampling = asyncio.create_task(self._sample())
        try:
            while time.monotonic() < end:
                shares = await following
                following = asyncio.create_task(self._sign(pool))
                log, errors = await self._lane.drive(shares)
                final = sum(len(block.hashes) for block in log.blocks)
                self._final += final
                self.lost += self._transactions - final
                for error in errors:
                    click.echo(f"refused: {error}", err=True)
        finally:
            sampling.cancel()
            await asyncio.gather(following, sampling, return_exceptions=True)
            self._lane.close()

    async def _sign(self, pool: SigningPool) -> Sequence[Sequence[Request]]:
        return self._lane.render(await asyncio.to_thread(pool.sign, self._lane.plans()))

    async def _sample(self) -> None:
        reported = started = time.monotonic()
        while True:
            now = time.monotonic()
            self.samples.append((now, rss_bytes(self._pid), self._final))
            if now - reported >= REPORT_S:
                reported = now
                click.echo(
                    f"{(now - started) / 60:5.1f} min  {self.samples[-1][1] / 1e6:6.1f} MB  {self._final:,} final",
                    err=True,
                )
            await asyncio.sleep(SAMPLE_S)


def slope_mb_per_minute(samples: Sequence[Sample]) -> float:
    """Of the least-squares line through the resident memory."""
    minutes = [at / 60 for at, _, _ in samples]
    return linear_regression(minutes, [rss / 1e6 for _, rss, _ in samples]).slope


async def measure(workload: WorkloadName, rate: float, warm_up_min: float, minutes: float) -> None:
    settings = LoadSettings(workload, transactions=round(rate * ROUND_S), batch=10, rate_per_s=rate)
    async with run_node(1) as server:
        soak = Soak(server, settings)
        with SigningPool(1) as pool:
            await soak.drive(pool, 60 * (warm_up_min + minutes))
    begin = soak.samples[0][0] + 60 * warm_up_min
    counted = [sample for sample in soak.samples if sample[0] >= begin]
    if len(counted) < 2:
        raise click.ClickException("too short to measure a slope")
    tps = (counted[-1][2] - counted[0][2]) / (counted[-1][0] - counted[0][0])
    click.echo(
        f"resident memory {counted[0][1] / 1e6:.1f} → {counted[-1][1] / 1e6:.1f} MB, "
        f"slope {slope_mb_per_minute(counted):+.2f} MB a minute, at {tps:,.0f} TPS; {soak.lost:,} transactions lost"
    )


@click.command()
@click.option("--workload", type=click.Choice([name.value for name in WorkloadName]), default="simple")
@click.option("--rate", default=10_000.0, show_default=True, help="Transactions a second: half of the full load.")
@click.option("--warm-up-min", default=5.0, show_default=True)
@click.option("--minutes", default=15.0, show_default=True)
def main(workload: str, rate: float, warm_up_min: float, minutes: float) -> None:
    print_machine(f"soak, {workload} at {rate:,.0f}/s for {minutes:g} minutes after {warm_up_min:g} of warm-up")
    run(measure(WorkloadName(workload), rate, warm_up_min, minutes))


if __name__ == "__main__":
    main()
