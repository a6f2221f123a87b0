"""How a schedule ended."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.plan import Plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """`violation` is None when every invariant held."""

    plan: Plan
    violation: str | None
    digest: str
    """Fingerprint of the trace."""
    trace: tuple[str, ...]
    """The last lines, or all of them when they were asked for."""
    height: int
    """Lowest among the honest nodes."""
    virtual_s: float
    after_heal_s: float
    """From the end of the last fault to the end of the schedule."""
    views_held: int
    """Most views that an instance held."""
    sets: int = 1
    """Different validator sets of the epochs that were begun."""
    overrun: int | None = None
    """The epoch from which on nothing was promised, since the faulty held a third of its stake or more: then there is
    no violation, and the schedule ended early."""
