"""Storing and reading blobs: what a client of data availability asks a node for.

    put   encode ─▶ pay (final) ─▶ offer to every holder ─▶ quorum of signatures ─▶ certify (final)
                 └ certified already ─▶ offer, so that who has lost its rows has them again
    get   certificate on chain ─▶ rows of whoever keeps them ─▶ verify ─▶ recover ─▶ blob

Nothing is paid before enough holders are connected. A put that fails after the payment leaves the fee in escrow: nobody
has earned it, and after a number of blocks the contract gives it back to whoever asks. The same blob may be put again;
a request that is paid is not paid twice.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from typing import Final

from zg_node import _core
from zg_node.da.certificate import Blob, Tally
from zg_node.da.dispersal import PATIENCE, Dispersal, Patience
from zg_node.da.encoding import BLOB_MAX_BYTES
from zg_node.da.keepers import keepers
from zg_node.da.ledger import Certified, Ledger
from zg_node.da.lines import SELF, Asking
from zg_node.da.messages import Offer, commitment_of
from zg_node.da.outbox import Outbox
from zg_node.da.retrieval import Liar, gather, recover
from zg_node.da.turns import Turns
from zg_node.errors import InvalidRequest, Unavailable, ZgError

log = logging.getLogger("zg.da")

PUTS_MAX: Final = 4
"""Blobs encoded and dispersed at one time; the others wait."""
GETS_MAX: Final = 4
WAITING_MAX: Final = 128
"""Puts, and gets, under way or waiting."""
MEMORY_MAX_BYTES: Final = 768 << 20
"""What all puts may hold meanwhile, and all gets; a blob that needs more is alone."""
MEMORY_FACTOR: Final = 6
"""A blob as it came, and its rows with parity, in memory; a little more while they are made."""
PAYMENTS_MAX: Final = 3
"""Attempts to pay for a blob while epochs end."""


class Stage(Enum):
    """How far a put is."""

    WAITING = "waiting"
    ENCODING = "encoding"
    PAYING = "paying"
    OFFERING = "offering"
    CERTIFYING = "certifying"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class PutProgress:
    """How far a put is; filled in as it goes."""

    length: int
    stage: Stage = Stage.WAITING
    commitment: bytes | None = None
    stake: int = 0
    """Of the holders that have signed."""
    quorum: int = 0
    """Stake that is needed."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A blob, and what reading it took."""

    data: bytes
    certified: Certified
    liars: tuple[Liar, ...]
    received_bytes: int


class Client:
    """Puts and gets of one node; on the event loop."""

    def __init__(
        self,
        ledger: Ledger,
        lines: Asking,
        outbox: Outbox,
        threads: int = 1,
        patience: Patience = PATIENCE,
    ) -> None:
        """`threads` encode and verify, for each blob."""
        self._ledger = ledger
        self._lines = lines
        self._outbox = outbox
        self._threads = threads
        self._patience = patience
        self._puts = Turns(PUTS_MAX, WAITING_MAX, MEMORY_MAX_BYTES)
        self._gets = Turns(GETS_MAX, WAITING_MAX, MEMORY_MAX_BYTES)
        self._lingering: set[asyncio.Task[None]] = set()

    async def put(self, data: bytes, quorum: int, epochs: int, progress: PutProgress) -> Certified:
        """Store a blob with quorum `quorum` for `epochs` epochs, this one included. Raises InvalidRequest when it
        cannot be stored, Unavailable when it could not be this time; the fee is refundable then."""
        try:
            async with self._puts.take(SELF, MEMORY_FACTOR * len(data)):
                certified = await self._put(data, quorum, epochs, progress)
        except BaseException:
            progress.stage = Stage.FAILED
            raise
        progress.stage = Stage.DONE
        return certified

    async def get(self, commitment: bytes) -> Retrieved:
        """Read a blob. Raises InvalidRequest when the chain has no certificate of it, or it has expired, Unavailable
        when too few rows can be had."""
        certified = await self.certified(commitment)
        blob, epoch = certified.blob, self._ledger.epoch()
        if blob.expiry < epoch:
            raise InvalidRequest(f"blob 0x{commitment.hex()} was kept until epoch {blob.expiry}, and this is {epoch}")
        async with self._gets.take(SELF, MEMORY_FACTOR * blob.length):
            assignments = await keepers(self._ledger, blob)
            gathered = await gather(commitment, blob.length, assignments, self._lines, threads=self._threads)
            encoding = await recover(gathered, self._threads)
            return Retrieved(encoding.blob(), certified, gathered.liars, gathered.received_bytes)

    async def certified(self, commitment: bytes) -> Certified:
        """The blob as the chain has it. Raises InvalidRequest when it has none."""
        certified = await self._ledger.certified(commitment)
        if certified is None:
            raise InvalidRequest(f"no blob 0x{commitment.hex()} is certified: see `zg-node da put`")
        return certified

    async def close(self) -> None:
        """End what lingers."""
        for task in self._lingering:
            task.cancel()
        await asyncio.gather(*self._lingering, return_exceptions=True)

    async def _put(self, data: bytes, quorum: int, epochs: int, progress: PutProgress) -> Certified:
        if not 0 < len(data) <= BLOB_MAX_BYTES:
            raise InvalidRequest(f"a blob of {len(data)} bytes: 1 to {BLOB_MAX_BYTES} can be stored")
        progress.stage = Stage.ENCODING
        encoding = await asyncio.to_thread(_core.Encoding, data, None, self._threads)
        header = encoding.header()
        commitment = progress.commitment = commitment_of(header)
        with ExitStack() as held:
            held.enter_context(self._outbox.hold(encoding, data))
            known = await self._known(commitment, len(data), quorum, epochs)
            if known is not None:
                await self._renew(known.blob, header, held)
                return known
            await self._connected(progress)
            progress.stage = Stage.PAYING
            blob = await self._pay(commitment, len(data), quorum, epochs)
            try:
                dispersal = await self._certify(blob, header, progress)
            except ZgError as error:
                raise Unavailable(
                    f"the blob is paid for and not certified: {error}. Put it again, or take the fee back later: "
                    f"zg-node da refund 0x{commitment.hex()}"
                ) from error
            self._linger(dispersal, held.pop_all())
        certified = await self._ledger.certificate(blob)
        if certified is None:
            raise Unavailable("the certificate is final, and not known here yet: ask for the blob's status")
        return certified

    async def _known(self, commitment: bytes, length: int, quorum: int, epochs: int) -> Certified | None:
        """A certificate with this quorum that lasts as long as is asked for."""
        epoch = self._ledger.epoch()
        longest = await self._ledger.certified(commitment)
        if longest is not None and longest.blob.quorum == quorum and longest.blob.expiry >= epoch + epochs - 1:
            return longest
        return await self._ledger.certificate(Blob(commitment, length, quorum, epoch, epoch + epochs - 1))

    async def _renew(self, blob: Blob, header: bytes, held: ExitStack) -> None:
        """Offer a certified blob again, while its holders take offers of its epoch. What they do not take now is
        certified all the same."""
        if blob.epoch < self._ledger.epoch() - 1:
            return
        holders = await self._ledger.holders(blob.epoch)
        tally = Tally(blob, holders, self._ledger.network)
        dispersal = Dispersal(Offer(header, blob), tally, self._lines, self._patience)
        try:
            await dispersal.renew()
        except Unavailable as error:
            log.warning("da commitment=0x%s is certified, and not kept by a quorum: %s", blob.commitment.hex(), error)
        self._linger(dispersal, held.pop_all())

    async def _connected(self, progress: PutProgress) -> None:
        """Wait for the connections to a quorum's holders. Raises Unavailable when they do not come."""
        holders = await self._ledger.holders(self._ledger.epoch())
        progress.quorum = holders.quorum
        deadline = asyncio.get_running_loop().time() + self._patience.connect_s
        while True:
            stake = sum(holder.stake for holder in holders.holders if self._lines.peer_of(holder) is not None)
            if stake >= holders.quorum:
                return
            if asyncio.get_running_loop().time() >= deadline:
                raise Unavailable(
                    f"holders with {stake:,} of {holders.total:,} stake are connected, {holders.quorum:,} are needed: "
                    "nothing was paid, try again later"
                )
            await asyncio.sleep(self._patience.pause_first_s)

    async def _certify(self, blob: Blob, header: bytes, progress: PutProgress) -> Dispersal:
        """From a blob that is paid for to its certificate; returns the offers, some of which still go on."""
        holders = await self._ledger.holders(blob.epoch)
        progress.stage, progress.quorum = Stage.OFFERING, holders.quorum
        tally = Tally(blob, holders, self._ledger.network)
        dispersal = Dispersal(Offer(header, blob), tally, self._lines, self._patience)
        try:
            certificate = await dispersal.certificate(lambda stake: setattr(progress, "stake", stake))
            progress.stage = Stage.CERTIFYING
            await self._ledger.certify(certificate)
        except BaseException:
            await dispersal.finish(linger=False)
            raise
        return dispersal

    async def _pay(self, commitment: bytes, length: int, quorum: int, epochs: int) -> Blob:
        """Make sure that the blob is paid for, in the epoch that is; returns its fields."""
        for attempt in range(PAYMENTS_MAX):
            epoch = self._ledger.epoch()
            blob = Blob(commitment, length, quorum, epoch, epoch + epochs - 1)
            if await self._ledger.paid(blob):
                return blob
            try:
                await self._ledger.pay(blob)
                return blob
            except ZgError:
                # Another put of the same blob, or an epoch that ended meanwhile; the next round finds out.
                if attempt == PAYMENTS_MAX - 1 or not (self._ledger.epoch() > epoch or await self._ledger.paid(blob)):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _linger(self, dispersal: Dispersal, held: ExitStack) -> None:
        """Let the holders that have not signed yet have their rows, in the background."""

        async def linger() -> None:
            with held:
                await dispersal.finish(linger=True)

        task = asyncio.ensure_future(linger())
        self._lingering.add(task)
        task.add_done_callback(self._lingering.discard)
