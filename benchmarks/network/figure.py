"""A line of the table, and the network that it was measured on."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.testnet import Validators

VALIDATORS = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """What was aimed at and what came out."""

    name: str
    target: str
    measured: str
    met: bool | None
    """None where there is no target to meet, or nothing could be measured."""


def at_most(name: str, limit: float, value: float, unit: str, digits: int = 1, note: str = "") -> Figure:
    """A figure that should not be larger than `limit`."""
    return Figure(name, f"≤ {limit:g} {unit}", f"{value:,.{digits}f} {unit}{note}", value <= limit)


def at_least(name: str, limit: float, value: float, unit: str, digits: int = 0, note: str = "") -> Figure:
    """A figure that should not be smaller than `limit`."""
    return Figure(name, f"≥ {limit:g} {unit}", f"{value:,.{digits}f} {unit}{note}", value >= limit)


def shown(name: str, measured: str) -> Figure:
    """A figure without a target."""
    return Figure(name, "", measured, None)


@contextlib.contextmanager
def network(changes: Mapping[str, object], shards: int = 1) -> Iterator[Validators]:
    """`zg-node testnet` in a fresh directory with these settings on every node; its disk is the machine's, fsync on."""
    with tempfile.TemporaryDirectory(prefix="zg-bench-") as folder:
        validators = Validators(Path(folder) / "network", Path(folder) / "errors", VALIDATORS, shards)
        validators.configure(changes)
        try:
            validators.start()
            yield validators
        finally:
            validators.close()
