"""Answers to `/zg/dachunk/1`: offers go to the custodian, the rest comes out of what is here.

    OFFER ─▶ custodian (late answer)
    ROWS  ─▶ blobs that this node disperses, in memory ─▶ else the store, each row checked as it is read
    DATA  ─▶ blobs that this node disperses
    CELLS ─▶ the store

Bytes are allowed to each peer at a rate; who is in debt waits, and who would wait too long is refused.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final, Protocol, assert_never

from zg_node import _core
from zg_node.da.certificate import Blob
from zg_node.da.holder import Custodian
from zg_node.da.holder_metrics import HolderMetrics
from zg_node.da.lines import SELF
from zg_node.da.messages import (
    CONTENT_MAX_BYTES,
    Cell,
    Cells,
    CellsRequest,
    DataRequest,
    Offer,
    Row,
    Rows,
    RowsRequest,
    Signature,
    decode_request,
    row_budget,
)
from zg_node.da.store import Store
from zg_node.da.turns import Turns
from zg_node.errors import Unavailable
from zg_node.p2p.bucket import Bucket

ANSWERS_MAX: Final = 4
"""Read and encoded at one time; others wait."""
ANSWERS_PEER_MAX: Final = 16
PEER_BYTES_PER_S: Final = 64 << 20
PEER_BYTES_BURST: Final = 256 << 20
DEBT_MAX_S: Final = 2.0
PEERS_MAX: Final = 1024
"""Peers whose allowance is remembered."""


class Pending(Protocol):
    """Blobs on their way out of this node."""

    def __contains__(self, commitment: bytes) -> bool: ...

    def answer(self, peer: str, request: RowsRequest | DataRequest) -> bytes:
        """From any thread. Raises Unavailable, InvalidMessage."""
        ...


class Server:
    """The handler of `/zg/dachunk/1`; on the event loop."""

    def __init__(
        self,
        store: Store,
        pending: Pending,
        custodian: Custodian | None,
        executor: Executor,
        metrics: HolderMetrics,
        now_s: Callable[[], float],
    ) -> None:
        """`custodian` None is for a node that signs nothing; `now_s` is monotonic."""
        self._store = store
        self._pending = pending
        self._custodian = custodian
        self._executor = executor
        self._metrics = metrics
        self._now_s = now_s
        self._turns = Turns(ANSWERS_MAX, ANSWERS_PEER_MAX, ANSWERS_MAX * CONTENT_MAX_BYTES)
        self._allowances: OrderedDict[str, Bucket] = OrderedDict()

    async def answer(self, peer: str, message: bytes) -> bytes:
        """A peer's question. Raises InvalidMessage, Unavailable."""
        request = decode_request(message)
        if isinstance(request, Offer):
            if self._custodian is None:
                raise Unavailable("this node keeps no rows")
            return Signature(await self._custodian.accept(peer, request)).encode()
        async with self._turns.take(peer, CONTENT_MAX_BYTES):
            await self._await_allowance(peer)
            answer = await asyncio.get_running_loop().run_in_executor(self._executor, self._read, peer, request)
            self._allowance(peer).take(len(answer), self._now_s())
        self._metrics.served.inc(len(answer))
        return answer

    def _read(self, peer: str, request: RowsRequest | CellsRequest | DataRequest) -> bytes:
        """In the executor."""
        match request:
            case DataRequest():
                return self._pending.answer(peer, request)
            case RowsRequest():
                if request.commitment in self._pending:
                    return self._pending.answer(peer, request)
                return stored_rows(self._store, request).encode()
            case CellsRequest():
                return stored_cells(self._store, request).encode()
            case _:
                assert_never(request)

    async def _await_allowance(self, peer: str) -> None:
        """Wait until the peer may have more; we may always. Raises Unavailable when that would take too long."""
        debt_s = self._allowance(peer).take(0, self._now_s())
        if debt_s > 0 and peer != SELF:
            if debt_s > DEBT_MAX_S:
                raise Unavailable("the peer has had its share for now")
            await asyncio.sleep(debt_s)

    def _allowance(self, peer: str) -> Bucket:
        allowance = self._allowances.pop(peer, None)
        if allowance is None:
            allowance = Bucket.full(PEER_BYTES_PER_S, PEER_BYTES_BURST, self._now_s())
        self._allowances[peer] = allowance
        if len(self._allowances) > PEERS_MAX:
            self._allowances.popitem(last=False)
        return allowance


def stored_rows(store: Store, request: RowsRequest) -> Rows:
    """What the store has of the rows, as much as fits. Raises Unavailable when it has none."""
    blob, header, row_bytes, path_bytes = _stored(store, request.commitment)
    wanted = tuple(dict.fromkeys(request.rows))
    rows = _rows(store, request.commitment, wanted[: row_budget(row_bytes, path_bytes)])
    checksums = store.checksums(blob) if request.checksums else b""
    if not rows or checksums is None:
        raise Unavailable("none of the rows is here")
    return Rows(header, checksums, tuple(rows))


def stored_cells(store: Store, request: CellsRequest) -> Cells:
    """What the store has of the cells. Raises Unavailable when it has none, InvalidMessage for a cell that is not."""
    _, header, _, _ = _stored(store, request.commitment)
    by_row: dict[int, list[int]] = {}
    for row, cell in dict.fromkeys(request.places):
        by_row.setdefault(row, []).append(cell)
    cells: list[Cell] = []
    for index, own in by_row.items():
        for found in _rows(store, request.commitment, (index,)):
            cells += _core.row_cells(header, found, own)
    if not cells:
        raise Unavailable("none of the cells is here")
    return Cells(header, tuple(cells))


def _stored(store: Store, commitment: bytes) -> tuple[Blob, bytes, int, int]:
    """(blob, header, bytes of a row, bytes of a path). Raises Unavailable."""
    for blob in store.blobs_of(commitment):
        kept = store.kept(blob)
        if kept is not None:
            return blob, kept.header, kept.row_bytes, kept.path_bytes
    raise Unavailable("nothing of the blob is here")


def _rows(store: Store, commitment: bytes, wanted: Sequence[int]) -> list[Row]:
    """From whichever request for the same commitment has them."""
    found: dict[int, Row] = {}
    for blob in store.blobs_of(commitment):
        missing = [row for row in wanted if row not in found]
        if missing:
            found |= {row[0]: row for row in store.rows(blob, missing)}
    return list(found.values())
