"""Who leads a view: stake-weighted round-robin, the same on every node.

Smooth weighted rotation: every turn each validator gains its stake in credit, the richest leads and pays the total.
Over any long stretch a validator leads in proportion to its stake, and never in a burst.
"""

from __future__ import annotations

from collections.abc import Sequence

TURNS_PER_VALIDATOR = 16


def schedule(stakes: Sequence[int]) -> tuple[int, ...]:
    """Validator indices by turn, for `view % len`; equal stakes give plain round-robin. `stakes` are positive."""
    if len(set(stakes)) == 1:
        return tuple(range(len(stakes)))
    total = sum(stakes)
    credit = [0] * len(stakes)
    turns: list[int] = []
    for _ in range(TURNS_PER_VALIDATOR * len(stakes)):
        credit = [have + stake for have, stake in zip(credit, stakes, strict=True)]
        richest = max(range(len(stakes)), key=lambda index: (credit[index], -index))
        credit[richest] -= total
        turns.append(richest)
    return tuple(turns)
