"""Answers without an end: heights nobody has, a body that comes byte by byte, states of a hundred thousand chunks, and
silence."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.sim.liars.liar import Liar
from zg_node.consensus.sync_messages import (
    PARTED_MAX_BYTES,
    BlocksRequest,
    CandidateRequest,
    ChunkRequest,
    Manifest,
    Part,
    PartRequest,
    Piece,
    Range,
    Request,
    SnapshotRequest,
    Status,
    StatusRequest,
)
from zg_node.p2p.network import RequestHandler
from zg_node.types.block import BODY_MAX_BYTES

SILENCE_SHARE = 0.2
FAR = 10**9
CHUNKS = 100_000
JUNK_BYTES = 1 << 20


class Endless(Liar):
    def tells_truth(self, request: Request) -> bool:
        """What it has begun byte by byte it goes on with."""
        return not _goes_on(request) and super().tells_truth(request)

    async def lie(self, request: Request, peer: str, honest: RequestHandler) -> bytes:
        if not _goes_on(request) and self.rng.random() < SILENCE_SHARE:
            await asyncio.Event().wait()
        match request:
            case PartRequest(piece=piece):
                return Part(BODY_MAX_BYTES if piece is Piece.BODY else PARTED_MAX_BYTES, b"\0").encode()
            case CandidateRequest():
                return Part(PARTED_MAX_BYTES, b"\0").encode()
            case ChunkRequest():
                return bytes(JUNK_BYTES)
        return await super().lie(request, peer, honest)

    def bend(self, request: Request, truth: bytes) -> bytes:
        match request:
            case StatusRequest():
                status = Status.decode(truth)
                rows = (replace(row, number=FAR, first=0) for row in status.shards)
                return replace(status, shards=tuple(rows)).encode()
            case BlocksRequest():
                return replace(Range.decode(truth), bodies=(), body_size=BODY_MAX_BYTES).encode()
            case SnapshotRequest() if self.rng.random() < 0.5:
                found = Manifest.decode(truth)
                more = (bytes(32),) * (CHUNKS - len(found.chunks))
                return replace(found, chunks=(*found.chunks, *more)).encode()
        return truth


def _goes_on(request: Request) -> bool:
    return isinstance(request, PartRequest | CandidateRequest) and request.offset > 0
