"""Answers challenges: shows the root chain, in time, any cell that somebody pays to see, and so is not slashed.

chain ─▶ challenges of our signer ─▶ row from the store ─┬─▶ cell, path ─▶ transaction
                                 repair ◀── not there ───┘        └── failed: again, until the deadline
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

from zg_node import _core
from zg_node.da.certificate import Blob
from zg_node.da.messages import Cell
from zg_node.da.scrubber import Mender
from zg_node.da.store import Store
from zg_node.errors import Unavailable, ZgError

log = logging.getLogger("zg.da")

POLL_S: Final = 2.0
OPEN_MAX: Final = 256
"""Challenges that are remembered; the contract lets a holder have fewer open ones."""
MENDS_MAX: Final = 3
"""Attempts to repair a row that is asked for and not here."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Challenge:
    """That we show a cell."""

    number: int
    blob: Blob
    row: int
    cell: int
    deadline: int
    """The last root block for the answer."""


class Court(Protocol):
    """The contract's challenges, as the node's own final root chain has them."""

    def height(self) -> int:
        """Number of the last final root block."""
        ...

    async def challenges(self, signer: bytes, first: int) -> tuple[Sequence[Challenge], int]:
        """Open challenges of a holder among those numbered `first` or later, and the first number that was not looked
        at. Raises Unavailable."""
        ...

    async def answer(self, number: int, header: bytes, cell: bytes, path: bytes) -> None:
        """Show a cell; returns once that is final. Raises Unavailable, InvalidRequest."""
        ...


class Witness:
    """One a node; on the event loop."""

    def __init__(
        self,
        court: Court,
        store: Store,
        mender: Mender,
        signer: bytes,
        executor: Executor,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`signer` is our address as a holder; `executor` reads."""
        self._court = court
        self._store = store
        self._mender = mender
        self._signer = signer
        self._executor = executor
        self._sleep = sleep
        self._next = 0
        self._open: dict[int, Challenge] = {}
        self._mends: Counter[int] = Counter()

    async def run(self) -> None:
        """Look and answer until cancelled."""
        while True:
            try:
                await self.look()
            except Unavailable as error:
                log.info("da challenges are not known: %s", error)
            await self._sleep(POLL_S)

    async def look(self) -> int:
        """Answer what is open, as far as that works now; returns how many answers were given. Raises Unavailable when
        the chain does not say what is open."""
        if len(self._open) < OPEN_MAX:
            found, self._next = await self._court.challenges(self._signer, self._next)
            self._open |= {challenge.number: challenge for challenge in found}
        for challenge in [c for c in self._open.values() if c.deadline <= self._court.height()]:
            log.warning("da challenge=%d was not answered in time", challenge.number)
            self._close(challenge)
        return sum(await asyncio.gather(*map(self._answer, tuple(self._open.values()))))

    async def _answer(self, challenge: Challenge) -> bool:
        commitment = challenge.blob.commitment.hex()
        try:
            header, cell = await self._find(challenge)
            await self._court.answer(challenge.number, header, cell[2], cell[3])
        except ZgError as error:
            log.warning("da challenge=%d commitment=0x%s not answered yet: %s", challenge.number, commitment, error)
            return False
        log.info("da challenge=%d commitment=0x%s answered", challenge.number, commitment)
        self._close(challenge)
        return True

    async def _find(self, challenge: Challenge) -> tuple[bytes, Cell]:
        """The header and the cell that is asked for. Raises Unavailable."""
        rows = await self._read(challenge)
        if not rows and self._mends[challenge.number] < MENDS_MAX:
            self._mends[challenge.number] += 1
            await self._mender.mend(challenge.blob, (challenge.row,))
            rows = await self._read(challenge)
        kept = self._store.kept(challenge.blob)
        if not rows or kept is None:
            raise Unavailable(f"row {challenge.row} is not here")
        (cell,) = _core.row_cells(kept.header, rows[0], [challenge.cell])
        return kept.header, cell

    async def _read(self, challenge: Challenge) -> list[tuple[int, bytes, bytes]]:
        loop, wanted = asyncio.get_running_loop(), (challenge.row,)
        return await loop.run_in_executor(self._executor, self._store.rows, challenge.blob, wanted)

    def _close(self, challenge: Challenge) -> None:
        del self._open[challenge.number]
        self._mends.pop(challenge.number, None)
