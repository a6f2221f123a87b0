"""Where to cut: mostly around the moments that matter, each kind of them as often as the others, and some anywhere."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import PurePosixPath
from random import Random

from tests.faults.power_cut.check import Cut
from tests.faults.power_cut.disk import Flavour
from tests.faults.power_cut.recording import ACKNOWLEDGED, PROMISED, Op

THOROUGH_EVERY = 20
ANYWHERE = 4
"""One cut in so many is anywhere."""


def choose(ops: list[Op], count: int, flavours: int, rng: Random) -> list[Cut]:
    """`count` different cuts, each with nothing unsynced kept and in `flavours` other flavours."""
    moments = _moments(ops)
    rest = list(Flavour)[1:]
    chosen: set[int] = set()
    count = min(count, len(ops))
    while len(chosen) < count:
        kinds = [positions for positions in moments.values() if positions]
        if rng.randrange(ANYWHERE) == 0 or not kinds:
            chosen.add(rng.randrange(len(ops)))
            continue
        positions = rng.choice(kinds)
        chosen.add(positions.pop(rng.randrange(len(positions))))
    return [
        Cut(after, (Flavour.LEAST, *rng.sample(rest, flavours)), thorough=index % THOROUGH_EVERY == 0)
        for index, after in enumerate(sorted(chosen))
    ]


def after_promises(ops: list[Op], count: int, rng: Random) -> list[Cut]:
    """Cuts right after something was said to the outside or a name was changed; nothing unsynced kept."""
    told = [index for index, op in enumerate(ops) if op.kind in (ACKNOWLEDGED, PROMISED, "u", "r")]
    return [Cut(after, (Flavour.LEAST,)) for after in sorted(rng.sample(told, min(count, len(told))))]


def _moments(ops: list[Op]) -> dict[tuple[str, str], list[int]]:
    """(kind, kind of file) → the operations after which it happened; for a sync also the one before it."""
    moments: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, op in enumerate(ops):
        if op.kind in "wtc" or (op.kind == "o" and not op.number & os.O_CREAT):
            continue
        path = PurePosixPath(op.path)
        kind = (op.kind, f"{path.parent}/*{path.suffix}")
        moments[kind].append(index)
        if op.kind == "s" and index > 0:
            moments[kind].append(index - 1)
    return dict(moments)
