"""Many schedules: consecutive seeds on every core, a progress line, and what to type when one fails."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TextIO

from tests.sim import consensus_only, whole_node
from tests.sim.outcome import Outcome
from tests.sim.plan import draw, draw_whole

BATCH = 8
PROGRESS_S = 0.5

MODES: dict[str, Callable[[int, bool], Outcome]] = {
    "consensus-only": lambda seed, keep: consensus_only.run(draw(seed), keep_trace=keep),
    "whole-node": lambda seed, keep: whole_node.run(draw_whole(seed), keep_trace=keep),
}


def play(mode: str, seed: int, *, keep_trace: bool = False) -> Outcome:
    """One schedule. What nodes log is left out: the trace tells it."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return MODES[mode](seed, keep_trace)
    finally:
        logging.disable(disabled)


def replay_command(mode: str, seed: int) -> str:
    """What shows schedule `seed` again."""
    return f"python -m tests.sim --{mode} --seed {seed} --trace"


@dataclass(slots=True)
class Summary:
    """What many schedules came to."""

    mode: str
    schedules: int = 0
    heights: int = 0
    virtual_s: float = 0.0
    wall_s: float = 0.0
    slowest_heal_s: float = 0.0
    views_held: int = 0
    sets: int = 0
    """Validator sets that took over from another one."""
    overrun: int = 0
    """Schedules that ended early, because too much of an epoch's stake was faulty for any promise."""
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.schedules += 1
        self.sets += outcome.sets - 1
        self.overrun += outcome.overrun is not None
        self.heights += max(0, outcome.height)
        self.virtual_s += outcome.virtual_s
        self.views_held = max(self.views_held, outcome.views_held)
        self.kinds.update(outcome.plan.kinds)
        if outcome.violation is not None:
            self.failures.append(outcome)
        else:
            self.slowest_heal_s = max(self.slowest_heal_s, outcome.after_heal_s)

    def __str__(self) -> str:
        rate = self.schedules / self.wall_s if self.wall_s else 0.0
        return "\n".join(
            [
                f"{self.mode}: {self.schedules} schedules, {self.heights} heights, {self.virtual_s:.0f} virtual s in "
                f"{self.wall_s:.1f} s ({rate:.1f} a second); {len(self.failures)} failed, {self.overrun} overrun",
                f"  slowest finality after the last fault {self.slowest_heal_s:.2f} s; views held {self.views_held}; "
                f"{self.sets} changes of the set",
                "  " + ", ".join(f"{kind} {count}" for kind, count in sorted(self.kinds.items())),
            ]
        )


def play_many(
    mode: str,
    first: int,
    count: int,
    *,
    processes: int | None = None,
    failures_max: int = 1,
    progress: TextIO | None = sys.stderr,
) -> Summary:
    """Play `count` schedules from seed `first` on; stops early after `failures_max` failures."""
    summary, began = Summary(mode), time.monotonic()
    shown = began
    for outcome in _outcomes(mode, range(first, first + count), processes or os.cpu_count() or 1):
        summary.add(outcome)
        if outcome.violation is not None and progress is not None:
            failed = replay_command(mode, outcome.plan.seed)
            print(f"\rseed {outcome.plan.seed}: {outcome.violation}\n  {failed}", file=progress, flush=True)
        if len(summary.failures) >= failures_max:
            break
        now = time.monotonic()
        if progress is not None and progress.isatty() and now - shown > PROGRESS_S:
            shown = now
            print(_bar(summary.schedules, count, now - began), end="", file=progress, flush=True)
    summary.wall_s = time.monotonic() - began
    if progress is not None and progress.isatty():
        print("\r" + " " * 78 + "\r", end="", file=progress)
    return summary


def _outcomes(mode: str, seeds: range, processes: int) -> Iterator[Outcome]:
    if processes == 1 or len(seeds) < 2 * BATCH:
        for seed in seeds:
            yield play(mode, seed)
        return
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=500) as pool:
        yield from pool.imap_unordered(partial(play, mode), seeds, chunksize=BATCH)


def _bar(done: int, count: int, seconds: float) -> str:
    width = 30
    filled = width * done // count
    left = seconds / done * (count - done)
    return f"\r[{'#' * filled}{'.' * (width - filled)}] {done}/{count}  {done / seconds:.1f}/s  {left:.0f} s left  "
