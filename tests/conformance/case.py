"""A state test: one transaction over one state, and what should become of it.

The format is that of ethereum/execution-spec-tests: a file is an object of tests by name; a test has a block
environment, a pre-state, a transaction and, by fork, its results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FORKS = ("osaka", "prague", "cancun")
"""Forks that an engine of ours may run, the newest first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case under an engine."""

    engine: str
    fork: str
    name: str
    """The test's name, with the case's index when the fork has several."""
    error: str | None
    """Why it failed; None when it passed."""


def number(text: str) -> int:
    """An integer in the fixtures' hexadecimal."""
    return int(text, 16)


def octets(text: str) -> bytes:
    """Bytes in the fixtures' hexadecimal."""
    return bytes.fromhex(text.removeprefix("0x"))


def posts(test: dict[str, Any], fork: str) -> list[dict[str, Any]]:
    """The test's results for a fork, one a case."""
    return next((results for name, results in test["post"].items() if name.lower() == fork), [])


def case_name(name: str, index: int) -> str:
    """How a verdict calls a case."""
    return f"{name}[{index}]" if index else name
