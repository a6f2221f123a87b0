"""Answers to peers that are behind: everything of `/zg/blocksync/1` that a node has.

    request ─▶ decode_request (bounds) ─▶ executor: read, encode ─▶ answer of at most RESPONSE_MAX_BYTES

Work a request is bounded by the answer's size. What is not here raises Unavailable, which closes the stream; what no
honest peer asks raises InvalidMessage, which scores it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, assert_never

from zg_node.consensus.messages import Certificate
from zg_node.consensus.sync_messages import (
    RANGE_MAX_BODY_BYTES,
    TAIL_MAX_HEADERS,
    BlocksRequest,
    CandidateRequest,
    ChunkRequest,
    EpochsRequest,
    Headers,
    Manifest,
    PartRequest,
    Piece,
    Range,
    Request,
    ShardStatus,
    SnapshotRequest,
    Status,
    StatusRequest,
    cut,
    decode_request,
    encode_epochs,
)
from zg_node.errors import Unavailable
from zg_node.p2p.network import RESPONSE_MAX_BYTES
from zg_node.types.block import StoredBlock

SERVED_MAX = 4
"""Requests answered at one time; the others wait, and the network bounds how many."""


class Blocks(Protocol):
    """What is asked of a shard's block store, from any thread."""

    @property
    def first(self) -> int:
        """The oldest block from which on every block is kept."""
        ...

    def epoch(self, epoch: int) -> bytes | None:
        """The encoded `EpochProof` of an epoch that is over."""
        ...


class ServedChain(Protocol):
    """What is asked of a shard's chain, from any thread."""

    @property
    def head(self) -> StoredBlock: ...

    @property
    def blocks(self) -> Blocks: ...

    def by_number(self, number: int) -> StoredBlock | None: ...


class Snapshots(Protocol):
    """A state that others may copy, from any thread."""

    def manifest(self) -> tuple[int, bytes, tuple[bytes, ...]] | None:
        """(block number, block hash, keccak of every chunk) of the newest one; None while there is none."""
        ...

    def chunk(self, number: int, index: int) -> bytes:
        """Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """What a shard has to offer."""

    chain: ServedChain
    candidate: Callable[[int, bytes], bytes | None]
    """(view, block hash) → the encoded block, if consensus has it; called on the event loop."""
    snapshots: Snapshots | None = None


class SyncServer:
    """The handler of `/zg/blocksync/1`."""

    def __init__(self, network: bytes, sources: Mapping[int, Source], executor: Executor) -> None:
        self._network = network
        self._sources = sources
        self._executor = executor
        self._turns = asyncio.Semaphore(SERVED_MAX)

    async def answer(self, peer: str, message: bytes) -> bytes:
        """A peer's question. Raises InvalidMessage, Unavailable."""
        request = decode_request(message)
        if isinstance(request, StatusRequest):
            return self._status(request)
        source = self._sources.get(request.shard)
        if source is None:
            raise Unavailable(f"shard {request.shard} is not here")
        if isinstance(request, CandidateRequest):
            block = source.candidate(request.view, request.block_hash)
            if block is None:
                raise Unavailable(f"no such block of view {request.view}")
            return cut(block, request.offset).encode()
        async with self._turns:
            return await asyncio.get_running_loop().run_in_executor(self._executor, _answer, source, request)

    def _status(self, request: StatusRequest) -> bytes:
        if request.network != self._network:
            raise Unavailable("another network")
        rows = []
        for shard, source in sorted(self._sources.items()):
            head = source.chain.head
            rows.append(ShardStatus(shard, head.number, head.hash, head.consensus.view, source.chain.blocks.first))
        return Status(self._network, tuple(rows)).encode()


def _answer(source: Source, request: Request) -> bytes:
    match request:
        case BlocksRequest():
            return range_of(source.chain, request).encode()
        case PartRequest():
            return cut(_piece(_block(source.chain, request.number), request.piece), request.offset).encode()
        case EpochsRequest():
            return encode_epochs(_epochs(source.chain.blocks, request))
        case SnapshotRequest():
            manifest = source.snapshots.manifest() if source.snapshots is not None else None
            if manifest is None:
                raise Unavailable("no snapshot")
            return Manifest(*manifest).encode()
        case ChunkRequest():
            if source.snapshots is None:
                raise Unavailable("no snapshot")
            return source.snapshots.chunk(request.number, request.index)
        case StatusRequest() | CandidateRequest():
            raise AssertionError("answered on the event loop")
        case _:
            assert_never(request)


def range_of(chain: ServedChain, request: BlocksRequest) -> Range:
    """As many of the wanted blocks as fit, and what proves them final. Raises Unavailable."""
    blocks = _wanted(chain, request)
    fit = request.max_bytes > 0 and len(blocks[0].body) <= _budget(request)
    bodies = tuple(block.body for block in blocks) if fit else ()
    certificate = Certificate.decode(blocks[-1].certificate)
    headers = [Headers(block.header, block.consensus) for block in blocks]
    while headers[-1].header.hash != certificate.block_hash:
        if len(headers) >= request.count + TAIL_MAX_HEADERS:
            raise Unavailable(f"block {request.first} is too far below the certificate that proves it")
        block = _block(chain, headers[-1].header.number + 1)
        headers.append(Headers(block.header, block.consensus))
    return Range(tuple(headers), bodies, len(blocks[0].body), certificate)


def _wanted(chain: ServedChain, request: BlocksRequest) -> list[StoredBlock]:
    """The blocks from the first on that are asked for, of one epoch, as far as their bodies fit; at least one."""
    blocks = [_block(chain, request.first)]
    used = len(blocks[0].body)
    for number in range(request.first + 1, min(request.last, chain.head.number) + 1):
        block = _block(chain, number)
        used += len(block.body)
        if block.consensus.epoch != blocks[0].consensus.epoch or used > _budget(request):
            break
        blocks.append(block)
    return blocks


def _budget(request: BlocksRequest) -> int:
    """Bytes of bodies that an answer may hold, or that are read for one of headers alone."""
    return min(request.max_bytes or RANGE_MAX_BODY_BYTES, RANGE_MAX_BODY_BYTES)


def _block(chain: ServedChain, number: int) -> StoredBlock:
    """A final block that has a certificate, which block 0 has not. Raises Unavailable."""
    block = chain.by_number(number) if number > 0 else None
    if block is None:
        raise Unavailable(f"block {number} is not here")
    return block


def _piece(block: StoredBlock, piece: Piece) -> bytes:
    match piece:
        case Piece.BODY:
            return block.body
        case Piece.SENDERS:
            return block.senders
        case Piece.RECEIPTS:
            return block.receipts
        case _:
            assert_never(piece)


def _epochs(blocks: Blocks, request: EpochsRequest) -> list[bytes]:
    """Consecutive encoded proofs from the first on, as many as are here and fit."""
    proofs: list[bytes] = []
    size = 0
    for epoch in range(request.first, request.first + request.count):
        encoded = blocks.epoch(epoch)
        size += len(encoded or b"") + 8
        if encoded is None or size > RESPONSE_MAX_BYTES - 64:
            break
        proofs.append(encoded)
    return proofs
