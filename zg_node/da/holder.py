"""The holder's side of an offer: nothing is signed that is not paid, of the code, and on disk.

    offer ─▶ header, epoch ─▶ our rows ─┬─▶ paid? ─▶ pull ─▶ verify ─▶ store ─ fsync ─┬─▶ sign
                                        │             ▲                 │           │
                                        │             └── next part ────┘           │
                                        └─▶ all here before: read them again ───────┘

Rows come in parts that fit into one answer each; those that verified stay when a later part does not, so that another
attempt goes on from there. Whose rows with their paths would be longer than a blob asks for the blob and encodes it. An
offer that comes again gets the same signature again, once everything was read; what was lost meanwhile is pulled again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, TypeVar

from zg_node import _core
from zg_node.da.certificate import Blob, Key
from zg_node.da.encoding import CHECKSUM_BYTES, BlobHeader
from zg_node.da.extent import CRC_BYTES
from zg_node.da.holder_metrics import HolderMetrics
from zg_node.da.keepers import assignment_in
from zg_node.da.ledger import Ledger
from zg_node.da.lines import Asking
from zg_node.da.messages import Data, DataRequest, Offer, Row, Rows, RowsRequest, row_budget
from zg_node.da.store import Store
from zg_node.da.turns import Turns
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import RESPONSE_MAX_BYTES

log = logging.getLogger("zg.da")

T = TypeVar("T")

OFFERS_MAX: Final = 16
"""Pulled from at one time; others wait."""
OFFERS_PEER_MAX: Final = 8
"""Of one peer, with those that wait."""
PULLED_MAX_BYTES: Final = 512 << 20
"""What all that are pulled from may hold in memory."""
ENCODE_MAX_BYTES: Final = 8 << 20
"""Longer blobs are not encoded here: their rows are pulled."""
READ_BYTES: Final = 2 << 20
"""Of rows that are read at a time when they are offered again."""
ASK_TIMEOUT_S: Final = 15.0
OFFER_TIMEOUT_S: Final = 30.0
"""For all parts together, and a second more for each SLOWEST_BYTES_PER_S."""
SLOWEST_BYTES_PER_S: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Pull:
    """One offer that was found worth taking."""

    peer: str
    offer: Offer
    header: BlobHeader
    wanted: tuple[int, ...]
    """The rows that are ours."""

    @property
    def blob(self) -> Blob:
        return self.offer.blob

    @property
    def path_bytes(self) -> int:
        return 32 * (self.header.rows - 1).bit_length()

    @property
    def disk_bytes(self) -> int:
        """What the rows take in the store."""
        slot = self.header.row_bytes + self.path_bytes + CRC_BYTES
        return len(self.wanted) * slot + CHECKSUM_BYTES * self.header.data_rows

    @property
    def memory_bytes(self) -> int:
        """What is held meanwhile: the blob with all its rows, or an answer as it came and as it was cut."""
        rows = self.header.rows * self.header.row_bytes
        return 2 * rows if self.encodes else min(2 * rows, 3 * RESPONSE_MAX_BYTES)

    @property
    def encodes(self) -> bool:
        """Whether the blob is asked for, and not its rows: of a small one, their paths are longer than they are."""
        moved = len(self.wanted) * (self.header.row_bytes + self.path_bytes) + CHECKSUM_BYTES * self.header.data_rows
        return self.header.length <= min(ENCODE_MAX_BYTES, moved)


class Custodian:
    """Takes rows into custody and signs for them; on the event loop."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        key: Key,
        signer: bytes,
        lines: Asking,
        executor: Executor,
        metrics: HolderMetrics,
    ) -> None:
        """`signer` is the address of `key`; `executor` verifies and writes."""
        self._ledger = ledger
        self._store = store
        self._key = key
        self._signer = signer
        self._lines = lines
        self._executor = executor
        self._metrics = metrics
        self._turns = Turns(OFFERS_MAX, OFFERS_PEER_MAX, PULLED_MAX_BYTES)
        self._pulls: dict[tuple[str, Blob], asyncio.Task[None]] = {}

    async def accept(self, peer: str, offer: Offer) -> bytes:
        """Keep our rows of a blob that `peer` offers: the signature. Raises InvalidMessage when what the peer says or
        sends is wrong, Unavailable when it cannot be kept, or not yet."""
        header = BlobHeader.parse(offer.header)
        if offer.blob.length != header.length:
            raise InvalidMessage("offer: another length than its header's")
        pull = _Pull(peer, offer, header, await self._ours(offer.blob))
        await self._once(pull)
        await self._run(self._store.sync)
        if not self._complete(pull):
            raise Unavailable("the blob was let go meanwhile")
        self._metrics.signatures.inc()
        return self._key.sign_recoverable(offer.blob.digest(self._ledger.network), hasher=None)

    async def close(self) -> None:
        """End what is under way."""
        tasks = tuple(self._pulls.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ours(self, blob: Blob) -> tuple[int, ...]:
        """The rows that we have to keep. Raises Unavailable when we are no holder of its epoch."""
        now = self._ledger.epoch()
        if not now - 1 <= blob.epoch <= now or blob.expiry < now:
            raise Unavailable(f"a blob of epochs {blob.epoch} to {blob.expiry}, in epoch {now}")
        assignment = await assignment_in(self._ledger, blob, blob.epoch)
        index = assignment.holders.index_of(self._signer)
        if index is None:
            raise Unavailable(f"no holder of epoch {blob.epoch}")
        return assignment.rows_of(index)

    def _complete(self, pull: _Pull) -> bool:
        kept = self._store.kept(pull.blob)
        return kept is not None and kept.has_checksums and not self._store.lacking(pull.blob, pull.wanted)

    def _sound(self, pull: _Pull) -> bool:
        """Whether every row of ours is here as it was written, by reading; in the executor. What is not is lacking from
        then on."""
        if not self._complete(pull):
            return False
        self._store.checksums(pull.blob)
        step = max(1, READ_BYTES // (pull.header.row_bytes + pull.path_bytes))
        for start in range(0, len(pull.wanted), step):
            self._store.rows(pull.blob, pull.wanted[start : start + step])
        return self._complete(pull)

    async def _once(self, pull: _Pull) -> None:
        """Pull, or wait for what is under way already from the same peer; it goes on when nobody waits any more."""
        key = (pull.peer, pull.blob)
        task = self._pulls.get(key)
        if task is None:
            task = self._pulls[key] = asyncio.ensure_future(self._pull(pull))
            task.add_done_callback(lambda done: self._ended(key, done))
        await asyncio.shield(task)

    def _ended(self, key: tuple[str, Blob], task: asyncio.Task[None]) -> None:
        del self._pulls[key]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, InvalidMessage):
            self._metrics.refusals.inc()
            log.warning("da commitment=0x%s peer=%s refused: %s", key[1].commitment.hex(), key[0], error)

    async def _pull(self, pull: _Pull) -> None:
        """Have every row of ours in the store. Raises InvalidMessage, Unavailable."""
        async with self._turns.take(pull.peer, pull.memory_bytes):
            if await self._run(self._sound, pull):
                return
            if not await self._ledger.paid(pull.blob):
                raise Unavailable("no paid request for the blob is final here")
            self._store.check_room(pull.disk_bytes)
            timeout_s = OFFER_TIMEOUT_S + pull.disk_bytes / SLOWEST_BYTES_PER_S
            try:
                async with asyncio.timeout(timeout_s):
                    await (self._encode(pull) if pull.encodes else self._collect(pull))
            except TimeoutError as error:
                raise Unavailable(f"the rows took more than {timeout_s:.0f} s") from error

    async def _encode(self, pull: _Pull) -> None:
        """Ask for the blob and make the rows of it."""
        pieces: list[bytes] = []
        size = 0
        while size < pull.header.length:
            answer = Data.decode(await self._ask(pull, DataRequest(pull.blob.commitment, size).encode()))
            size += len(answer.piece)
            if answer.header != pull.offer.header or size > pull.header.length:
                raise InvalidMessage("data: not of the blob that was offered")
            pieces.append(answer.piece)

        def keep() -> int:
            encoding = _core.Encoding(b"".join(pieces))
            if encoding.header() != pull.offer.header:
                raise InvalidMessage("data: another blob than the one that was offered")
            rows = encoding.rows(self._store.lacking(pull.blob, pull.wanted))
            return self._store.add(pull.blob, pull.offer.header, encoding.checksums(), rows)

        self._metrics.stored.inc(await self._run(keep))

    async def _collect(self, pull: _Pull) -> None:
        """Ask for the rows that are not here yet, part by part."""
        budget = row_budget(pull.header.row_bytes, pull.path_bytes)
        checksums = await self._run(lambda: self._store.checksums(pull.blob) or b"")
        verifier: _core.RowVerifier | None = None
        while part := self._store.lacking(pull.blob, pull.wanted)[:budget]:
            request = RowsRequest(pull.blob.commitment, part, checksums=not checksums)
            answer = Rows.decode(await self._ask(pull, request.encode()))
            _check_form(pull, answer, part)
            checksums = checksums or answer.checksums
            if verifier is None:
                verifier = await self._run(_core.RowVerifier, pull.offer.header, checksums)
            self._metrics.stored.inc(await self._run(self._keep, pull, verifier, checksums, answer.rows))

    def _keep(self, pull: _Pull, verifier: _core.RowVerifier, checksums: bytes, rows: tuple[Row, ...]) -> int:
        """Verify rows and write them; in the executor. Raises InvalidMessage, Unavailable."""
        refused = verifier.refused(rows)
        if refused:
            place, reason = refused[0]
            raise InvalidMessage(f"row {rows[place][0]} and {len(refused) - 1} more: {reason}")
        return self._store.add(pull.blob, pull.offer.header, checksums, rows)

    async def _ask(self, pull: _Pull, message: bytes) -> bytes:
        return await self._lines.ask(pull.peer, message, ASK_TIMEOUT_S)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)


def _check_form(pull: _Pull, answer: Rows, part: tuple[int, ...]) -> None:
    """Raise InvalidMessage unless the answer holds some of the rows that were asked for, each once."""
    indices = [index for index, _, _ in answer.rows]
    if answer.header != pull.offer.header:
        raise InvalidMessage("rows: not of the blob that was offered")
    if not indices or len(set(indices)) != len(indices) or not set(part).issuperset(indices):
        raise InvalidMessage("rows: not those that were asked for")
