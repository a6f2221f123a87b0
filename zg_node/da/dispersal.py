"""Offering a blob to all of its holders, until more than two thirds of the stake have signed.

    Offer ─▶ every holder at once ─▶ it pulls its rows, verifies, fsyncs ─▶ signature ─▶ Tally ─▶ certificate
                 ▲                                                  │
                 └──── again after a pause while it refuses ◀───────┘

A holder may refuse because its root chain is a moment behind ours and does not show the payment yet, so a refusal is
not the end. Once the quorum has signed, the others are still served for a while: each more is redundancy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from zg_node.da.certificate import Certificate, Tally
from zg_node.da.lines import Asking
from zg_node.da.messages import Offer, Signature
from zg_node.errors import BadSignature, InvalidMessage, Unavailable
from zg_node.p2p.network import Offence

log = logging.getLogger("zg.da")

REASONS_MAX = 3
"""Holders that an error names."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long holders are waited for; seconds."""

    answer_s: float = 28.0
    """For one offer: the network gives up on an answer after 30."""
    connect_s: float = 10.0
    """For the connections to a quorum's holders, before anything is paid."""
    quorum_s: float = 60.0
    """For the quorum, from the first offer on."""
    renewal_s: float = 10.0
    """For the same when the blob is certified already, and holders only see whether they have their rows."""
    grace_s: float = 0.1
    """For the others' signatures to be in the certificate too: only who is in it is paid, and can be challenged."""
    linger_s: float = 10.0
    """For the others to have their rows, after that."""
    pause_first_s: float = 0.05
    pause_max_s: float = 2.0


PATIENCE = Patience()


class Dispersal:
    """One blob's offers, from `certificate` to `finish`."""

    def __init__(self, offer: Offer, tally: Tally, lines: Asking, patience: Patience = PATIENCE) -> None:
        self._offer = offer
        self._tally = tally
        self._lines = lines
        self._patience = patience
        self._quorum = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._refusals: dict[int, str] = {}

    async def certificate(self, on_stake: Callable[[int], None] = lambda stake: None) -> Certificate:
        """Offer, and return when everyone has signed, or a moment after the quorum has; `on_stake` is told the stake
        that has. Raises Unavailable, which says who refused and why; `finish` has to be awaited either way."""
        await self._offer_all(self._patience.quorum_s, on_stake)
        await asyncio.wait(self._tasks, timeout=self._patience.grace_s)
        certificate = self._tally.certificate()
        assert certificate is not None, "signatures are not taken back"
        return certificate

    async def renew(self) -> None:
        """Offer a blob that is certified already: who has lost its rows has them again. Raises Unavailable when a
        quorum does not; `finish` has to be awaited either way."""
        await self._offer_all(self._patience.renewal_s, lambda stake: None)

    async def _offer_all(self, timeout_s: float, on_stake: Callable[[int], None]) -> None:
        message = self._offer.encode()
        for index in range(len(self._tally.holders.holders)):
            self._tasks.append(asyncio.ensure_future(self._persuade(index, message, on_stake)))
        quorum = asyncio.ensure_future(self._quorum.wait())
        everyone = asyncio.ensure_future(asyncio.wait(self._tasks))
        try:
            await asyncio.wait({quorum, everyone}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            quorum.cancel()
            everyone.cancel()
        if self._tally.certificate() is None:
            raise Unavailable(self._explain())

    async def finish(self, *, linger: bool) -> None:
        """End the offers; with `linger` only after those who have not signed yet had their time."""
        if linger and self._tasks:
            await asyncio.wait(self._tasks, timeout=self._patience.linger_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _persuade(self, index: int, message: bytes, on_stake: Callable[[int], None]) -> None:
        """Offer to one holder until it signs or lies; once the quorum is there, nobody waits for its connection."""
        pause_s = self._patience.pause_first_s
        while True:
            peer = self._lines.peer_of(self._tally.holders.holders[index])
            if peer is not None:
                if await self._offered(index, peer, message, on_stake):
                    return
            elif self._quorum.is_set():
                return
            else:
                self._refusals[index] = "not connected"
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._patience.pause_max_s)

    async def _offered(self, index: int, peer: str, message: bytes, on_stake: Callable[[int], None]) -> bool:
        """Offer once; returns whether there is nothing more to ask this holder for."""
        try:
            answer = await self._lines.ask(peer, message, self._patience.answer_s)
            if self._tally.add(index, Signature.decode(answer).signature):
                on_stake(self._tally.stake)
        except InvalidMessage as error:
            bad = isinstance(error, BadSignature)
            self._lines.report(peer, Offence.BAD_SIGNATURE if bad else Offence.MALFORMED)
            log.info("da holder=%d peer=%s: %s", index, peer, error)
            self._refusals[index] = str(error)
            return True
        except Unavailable as error:
            self._refusals[index] = str(error)
            return False
        self._refusals.pop(index, None)
        if self._tally.certificate() is not None:
            self._quorum.set()
        return True

    def _explain(self) -> str:
        holders = self._tally.holders
        named = [
            f"0x{holders.holders[index].signer.hex()}: {reason}"
            for index, reason in sorted(self._refusals.items())[:REASONS_MAX]
        ]
        more = len(self._refusals) - len(named)
        return (
            f"holders with {self._tally.stake:,} of {holders.total:,} stake signed, {holders.quorum:,} are needed"
            + "".join(f"; {line}" for line in named)
            + (f"; and {more} more" if more > 0 else "")
        )
