"""`python -m tests.sim --seed N [--schedules K] [--whole-node | --consensus-only] [--trace]`"""

from __future__ import annotations

import sys

import click

from tests.sim.run import MODES, play, play_many


@click.command()
@click.option("--seed", type=int, default=0, show_default=True, help="The schedule's seed; the first of many.")
@click.option("--schedules", type=click.IntRange(1), default=1, show_default=True, help="How many consecutive seeds.")
@click.option("--whole-node", "mode", flag_value="whole-node", help="Real execution and sync over virtual disks.")
@click.option("--consensus-only", "mode", flag_value="consensus-only", default="consensus-only", help="Toy blocks.")
@click.option("--trace", is_flag=True, help="Print every step of the schedule.")
@click.option("--processes", type=click.IntRange(1), default=None, help="How many at once; one a core by default.")
@click.option("--failures", type=click.IntRange(1), default=1, show_default=True, help="Stop after so many.")
def main(seed: int, schedules: int, mode: str, trace: bool, processes: int | None, failures: int) -> None:
    """Hunt for faults in virtual time; the same seed always gives the same schedule."""
    assert mode in MODES
    if schedules > 1:
        summary = play_many(mode, seed, schedules, processes=processes, failures_max=failures)
        click.echo(str(summary))
        left = seed + schedules - summary.next
        if left:
            click.echo(f"to go on: python -m tests.sim --{mode} --seed {summary.next} --schedules {left}")
        sys.exit(bool(summary.failures or left))
    outcome = play(mode, seed, keep_trace=trace)
    click.echo(str(outcome.plan))
    if trace or outcome.violation:
        click.echo("\n".join(outcome.trace))
    click.echo(f"heights {outcome.height}, {outcome.virtual_s:.2f} virtual s, trace {outcome.digest}")
    if outcome.violation:
        click.echo(f"violated: {outcome.violation}")
        sys.exit(1)


if __name__ == "__main__":
    main()
