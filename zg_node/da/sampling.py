"""Is a blob there? A client's own random cells, each asked of whoever keeps its row, each verified by hashes alone.

    places: random (row, cell) ─▶ CELLS, one question each ─▶ verified ─┬─ all there ─▶ a claim with a probability
                                                                      └─ one missing ─▶ no claim

With cells of at most a fraction ρ of the rows to be had, `count` random ones are all there with a probability of at
most ρ^count. K rows out of n are enough to read a blob, so ρ = K/n is what has to be ruled out: 1/4, and 20 cells leave
2⁻⁴⁰. Whoever answers must not know beforehand which cells a client wants: places come from the system's randomness and
each is told only to the holders of its row.

The claim is about cells at large. Whoever withholds one column of cells from most rows, and serves the others, is met
by few samples; against that there are challenges on the chain, which make a holder show any cell, or pay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from zg_node import _core
from zg_node.da.assignment import Assignment
from zg_node.da.encoding import CELL_BYTES, BlobHeader
from zg_node.da.holders import Holder
from zg_node.da.lines import Asking
from zg_node.da.messages import Cell, Cells, CellsRequest, commitment_of
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Offence

SAMPLES_DEFAULT: Final = 20
ANSWER_TIMEOUT_S: Final = 5.0
AT_ONCE: Final = 16

Place = tuple[int, int]
"""(row, cell)."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """What became of a client's samples."""

    asked: int
    missing: tuple[Place, ...]
    """Cells that nobody who was asked could show."""
    liars: tuple[bytes, ...]
    """Signers that answered with something else than the committed cells."""
    unreachable: int
    """Holders that could not be asked."""
    miss_probability: float
    """That all these cells are there although the blob cannot be read: K/n to the power of their number."""

    @property
    def available(self) -> bool:
        """Whether every cell was there."""
        return not self.missing


def choose(length: int, count: int, random: Random) -> tuple[Place, ...]:
    """`count` places of a blob of `length` bytes, in rows as different as there are. `random` is a SystemRandom, but in
    tests."""
    k, n, row_bytes = _core.erasure_shape(length)
    cells = -(-row_bytes // CELL_BYTES)
    rows: list[int] = []
    while len(rows) < count:
        rows += random.sample(range(k + n), min(count - len(rows), k + n))
    return tuple((row, random.randrange(cells)) for row in rows)


def miss_probability(length: int, count: int) -> float:
    """The chance of `count` samples to be all there although too few rows are: ρ^count."""
    k, n, _ = _core.erasure_shape(length)
    return float((k / (k + n)) ** count)


async def sample(
    commitment: bytes,
    length: int,
    assignments: Sequence[Assignment],
    lines: Asking,
    random: Random,
    count: int = SAMPLES_DEFAULT,
) -> Sampled:
    """Ask for `count` random cells of a blob. Raises nothing for what holders do: it is in the answer."""
    places = choose(length, count, random)
    liars: dict[bytes, None] = {}
    turns = asyncio.Semaphore(AT_ONCE)

    async def shown(place: Place) -> bool:
        async with turns:
            for holder, peer in _keepers(place[0], assignments, lines):
                try:
                    answer = await lines.ask(peer, CellsRequest(commitment, (place,)).encode(), ANSWER_TIMEOUT_S)
                    check(commitment, length, place, Cells.decode(answer))
                    return True
                except InvalidMessage:
                    liars[holder.signer] = None
                    lines.report(peer, Offence.INVALID)
                except Unavailable:
                    continue
            return False

    found = await asyncio.gather(*map(shown, places))
    holders = {holder.signer: holder for assignment in assignments for holder in assignment.holders.holders}
    return Sampled(
        count,
        tuple(place for place, there in zip(places, found, strict=True) if not there),
        tuple(liars),
        sum(lines.peer_of(holder) is None for holder in holders.values()),
        miss_probability(length, count),
    )


def check(commitment: bytes, length: int, place: Place, answer: Cells) -> Cell:
    """The cell, when the answer is exactly the committed one of this place of a blob of `length` bytes. Raises
    InvalidMessage."""
    if commitment_of(answer.header) != commitment or BlobHeader.parse(answer.header).length != length:
        raise InvalidMessage("another header than the committed one")
    if len(answer.cells) != 1 or answer.cells[0][:2] != place:
        raise InvalidMessage("another cell than the one that was asked for")
    for _, reason in _core.refused_cells(answer.header, answer.cells):
        raise InvalidMessage(reason)
    return answer.cells[0]


def _keepers(row: int, assignments: Sequence[Assignment], lines: Asking) -> list[tuple[Holder, str]]:
    """Who may show cells of a row and can be asked, the likeliest first, nobody twice."""
    found: dict[str, Holder] = {}
    for assignment in assignments:
        for index in assignment.owners(row):
            holder = assignment.holders.holders[index]
            peer = lines.peer_of(holder)
            if peer is not None:
                found.setdefault(peer, holder)
    return [(holder, peer) for peer, holder in found.items()]
