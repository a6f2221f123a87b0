"""Many schedules: consecutive seeds on every core, a progress line, and what to type when one fails."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TextIO

from tests.sim import consensus_only, whole_node
from tests.sim.outcome import Outcome
from tests.sim.plan import draw, draw_whole

BATCH = 8
PROGRESS_S = 0.5
WIPE = "\r" + " " * 78 + "\r"
"""Makes room where the progress bar was."""

MODES: dict[str, Callable[[int, bool], Outcome]] = {
    "consensus-only": lambda seed, keep: consensus_only.run(draw(seed), keep_trace=keep),
    "whole-node": lambda seed, keep: whole_node.run(draw_whole(seed), keep_trace=keep),
}


def play(mode: str, seed: int, *, keep_trace: bool = False) -> Outcome:
    """One schedule. What nodes log is left out: the trace tells it."""
    with _undisturbed():
        return MODES[mode](seed, keep_trace)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No logging, and no search for cycles of garbage: a schedule leaves a few megabytes, looked for at its end."""
    disabled, collecting = logging.root.manager.disable, gc.isenabled()
    logging.disable(logging.CRITICAL)
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
        if collecting:
            gc.enable()
        logging.disable(disabled)


def replay_command(mode: str, seed: int) -> str:
    """What shows schedule `seed` again."""
    return f"python -m tests.sim --{mode} --seed {seed} --trace"


@dataclass(slots=True)
class Summary:
    """What many schedules came to."""

    mode: str
    first: int
    """The first seed; those after it follow one another."""
    schedules: int = 0
    heights: int = 0
    virtual_s: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    """Of the processes that played them."""
    slowest_heal_s: float = 0.0
    views_held: int = 0
    sets: int = 0
    """Validator sets that took over from another one."""
    overrun: int = 0
    """Schedules that ended early, because too much of an epoch's stake was faulty for any promise."""
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)

    @property
    def next(self) -> int:
        """The first seed that was not played."""
        return self.first + self.schedules

    def add(self, outcome: Outcome, cpu_s: float) -> None:
        """Count a schedule, and what it took."""
        self.schedules += 1
        self.cpu_s += cpu_s
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
        cpu_s = self.cpu_s / self.schedules if self.schedules else 0.0
        return "\n".join(
            [
                f"{self.mode}: {self.schedules} schedules, seeds {self.first} to {self.next - 1}; "
                f"{self.heights} heights, {len(self.failures)} violations, {cpu_s:.3f} CPU s a schedule",
                f"  {self.virtual_s:.0f} virtual s in {self.wall_s:.1f} s; {self.overrun} overrun; slowest finality "
                f"after the last fault {self.slowest_heal_s:.2f} s; views held {self.views_held}; "
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
    """Play `count` schedules from seed `first` on, in their order. Stops early after `failures_max` violations, and
    when interrupted; `Summary.next` is where to go on then."""
    summary, began = Summary(mode, first), time.monotonic()
    shown = 0.0
    terminal = progress is not None and progress.isatty()
    try:
        for outcome, cpu_s in _outcomes(mode, range(first, first + count), processes or os.cpu_count() or 1):
            summary.add(outcome, cpu_s)
            if outcome.violation is not None and progress is not None:
                failed = replay_command(mode, outcome.plan.seed)
                print(f"{WIPE}seed {outcome.plan.seed}: {outcome.violation}\n  {failed}", file=progress, flush=True)
            if len(summary.failures) >= failures_max:
                break
            now = time.monotonic()
            if terminal and now - shown > PROGRESS_S:
                shown = now
                print(_bar(summary, count, now - began), end="", file=progress, flush=True)
    except KeyboardInterrupt:
        pass
    summary.wall_s = time.monotonic() - began
    if terminal:
        print(WIPE, end="", file=progress, flush=True)
    return summary


def _outcomes(mode: str, seeds: range, processes: int) -> Iterator[tuple[Outcome, float]]:
    """Every seed's outcome, and the CPU seconds that it took."""
    if processes == 1 or len(seeds) < 2 * BATCH:
        yield from (_timed(mode, seed) for seed in seeds)
        return
    ours = signal.SIGINT, signal.SIG_IGN
    with multiprocessing.get_context("spawn").Pool(processes, signal.signal, ours, maxtasksperchild=500) as pool:
        yield from pool.imap(partial(_timed, mode), seeds, chunksize=BATCH)


def _timed(mode: str, seed: int) -> tuple[Outcome, float]:
    began = time.process_time()
    outcome = play(mode, seed)
    return outcome, time.process_time() - began


def _bar(summary: Summary, count: int, seconds: float) -> str:
    width, done = 30, summary.schedules
    filled = width * done // count
    left_s = seconds / done * (count - done)
    return f"\r[{'#' * filled}{'.' * (width - filled)}] {done}/{count}  {done / seconds:.1f}/s  {left_s:.0f} s left  "
