"""What happened, line by line: always hashed, so that runs can be compared; kept only when somebody will read it."""

from __future__ import annotations

import hashlib
from collections import deque

TAIL_LINES = 60


class Trace:
    """`digest` after a run is the run's fingerprint."""

    def __init__(self, *, keep: bool = False) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._lines: deque[str] = deque(maxlen=None if keep else TAIL_LINES)

    def add(self, at_s: float, who: str, what: str) -> None:
        line = f"{at_s * 1000:11.3f} ms  {who:<6} {what}"
        self._hash.update(line.encode())
        self._lines.append(line)

    @property
    def lines(self) -> tuple[str, ...]:
        """Every line when they are kept, else the last ones."""
        return tuple(self._lines)

    def digest(self) -> str:
        """32 hex digits over every line."""
        return self._hash.hexdigest()
