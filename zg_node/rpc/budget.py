"""How much memory the answers of all clients together may take between being made and being taken."""

from __future__ import annotations


class AnswerBudget:
    """Bytes of batches in the making, of responses that wait for their turn, and of what stalled clients leave untaken.

    One client's bounds are generous; a thousand clients that use theirs up at once would exhaust the machine."""

    __slots__ = ("_most_bytes", "used_bytes")

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.used_bytes = 0

    @property
    def exceeded(self) -> bool:
        return self.used_bytes > self._most_bytes

    def change(self, before_bytes: int, after_bytes: int) -> int:
        """A holder that had `before_bytes` now has `after_bytes`, which are returned for the next time."""
        self.used_bytes += after_bytes - before_bytes
        return after_bytes
