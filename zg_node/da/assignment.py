"""Who keeps which rows of a blob.

    holders   0        1   2              3          by signer's address
    positions ├────────┼───┼──────────────┼───────┤  n of them, in proportion to stake: the first holder of each
    rows      the same circle, turned by `offset`: position p is row (p − offset) mod n

Who has fewer than min(ROWS_MIN, n) positions also keeps those that follow, up to that many, so that any one honest
holder proves the encoding to itself. The rotation follows from a beacon that nobody knows before the set is closed.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from zg_node.da.certificate import Blob
from zg_node.da.holders import HolderSet
from zg_node.types.hashing import keccak

ROWS_MIN = 148
"""Rows of rate 1/4 that prove an encoding but for 2⁻¹⁰⁰: ⌈100 / (1 − log₂(1 + 1/4))⌉."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The rows of one blob among the holders of one epoch; made by `assign`."""

    holders: HolderSet
    rows: int
    """n: data and parity rows together."""
    offset: int
    """How far the rows are turned, below n."""

    def span(self, holder: int) -> tuple[int, int, int]:
        """(first position, positions of which it is the first holder, positions that it keeps)."""
        starts, total = self.holders.starts, self.holders.total
        first, end = (self.rows * starts[index] // total for index in (holder, holder + 1))
        return first, end - first, max(end - first, min(ROWS_MIN, self.rows))

    def rows_of(self, holder: int) -> tuple[int, ...]:
        """The indices of all rows that a holder keeps, those first of which it is the first holder."""
        first, _, kept = self.span(holder)
        return tuple((position - self.offset) % self.rows for position in range(first, first + kept))

    def first_owner(self, row: int) -> int:
        """The index of a row's first holder."""
        position = (row + self.offset) % self.rows
        # The last holder whose first position ⌊n·S/W⌋ is not past it: S ≤ (position + 1)·W/n, strictly.
        limit = ((position + 1) * self.holders.total - 1) // self.rows
        return bisect_right(self.holders.starts, limit) - 1

    def owners(self, row: int) -> tuple[int, ...]:
        """The indices of all who keep a row, its first holder first."""
        position, first = (row + self.offset) % self.rows, self.first_owner(row)
        spans = ((holder, self.span(holder)) for holder in range(len(self.holders.holders)) if holder != first)
        return (first, *(holder for holder, (start, _, kept) in spans if (position - start) % self.rows < kept))


def assign(holders: HolderSet, blob: Blob, beacon: bytes, rows: int) -> Assignment:
    """Spread the `rows` rows of a blob over holders: those of its own epoch for what is signed, those of a later one
    for who keeps it then. `beacon`, 32 bytes, is that of the blob's own epoch."""
    seed = keccak(beacon + blob.quorum.to_bytes(4, "big") + blob.commitment)
    return Assignment(holders, rows, int.from_bytes(seed, "big") % rows)
