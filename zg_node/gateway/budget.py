"""Memory that one listener's clients share."""

from __future__ import annotations


class Budget:
    """Bytes that are held for clients, of all of them together."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.held_bytes = 0

    def take(self, size: int) -> bool:
        """Whether there is room for so many more, which then count."""
        if self.held_bytes + size > self._max_bytes:
            return False
        self.held_bytes += size
        return True

    def give(self, size: int) -> None:
        """So many are held no longer."""
        self.held_bytes -= size
