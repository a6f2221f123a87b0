"""Where py-evm is known to differ from the specification. It is no longer developed, so this table does not shrink.

A listed case must fail: one that passes is reported, and its line here is to go.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from tests.conformance.case import Verdict

DEVIATIONS: dict[str, str] = {
    "tests/byzantium/eip198_modexp_precompile/*base_0x-exponent_0x-modulus_0x*": "modexp: an empty base gives 0",
}
"""Patterns of case names in `fnmatch`'s syntax, where a bracket is `[[]`, with the reason."""


def reason(verdict: Verdict) -> str | None:
    """Why the case is known to fail on its engine; None when it is not."""
    if verdict.engine != "py-evm":
        return None
    return next((why for pattern, why in DEVIATIONS.items() if fnmatchcase(verdict.name, pattern)), None)


def judged(verdict: Verdict) -> Verdict:
    """`verdict` with what is known taken into account."""
    known = reason(verdict)
    if known is None:
        return verdict
    return replace(verdict, error=None if verdict.error is not None else f"passes, but is listed: {known}")
