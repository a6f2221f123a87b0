"""What every gateway asks of data availability: puts that go on by themselves, gets, what a block certified.

A put outlives the client that asked for it: whoever hangs up finds the blob stored all the same.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from zg_node.da.ledger import Certified
from zg_node.da.service import DataAvailability, PutJob
from zg_node.errors import InvalidRequest, Unavailable
from zg_node.gateway.locator import Locator

WAITING_MAX_BYTES: Final = 512 << 20
"""Of the blobs that are being stored."""
LIVE_MAX: Final = 1 << 24
"""Certificates that are looked through; what is beyond is not found by its block."""


class UnknownBlob(InvalidRequest):
    """The chain has no certificate of what a client asks for, or it has expired."""


class Blobs:
    """The node's blobs, put with one quorum for a fixed time."""

    def __init__(
        self, service: DataAvailability, quorum: int, epochs: int, max_bytes: int, head: Callable[[], int]
    ) -> None:
        """`epochs` are paid for, the running one included; `max_bytes` a blob; `head` is the final root block."""
        self._service = service
        self._quorum = quorum
        self._epochs = epochs
        self._waiting_bytes = 0
        self.max_bytes = max_bytes
        self.head = head

    def begin(self, data: bytes) -> PutJob:
        """Store a blob in the background. Raises InvalidRequest, Unavailable."""
        if not 0 < len(data) <= self.max_bytes:
            raise InvalidRequest(f"a blob of {len(data)} bytes: 1 to {self.max_bytes} are taken here")
        if self._waiting_bytes and self._waiting_bytes + len(data) > WAITING_MAX_BYTES:
            raise Unavailable("too many blobs are being stored: try again in a moment")
        job = self._service.job(self._service.begin_put(data, self._quorum, self._epochs))
        self._waiting_bytes += len(data)
        job.task.add_done_callback(partial(self._stored, len(data)))
        return job

    async def put(self, data: bytes) -> Certified:
        """Store a blob; returns when its certificate is final. Raises InvalidRequest, Unavailable."""
        return await asyncio.shield(self.begin(data).task)

    async def get(self, commitment: bytes) -> bytes:
        """The blob. Raises UnknownBlob, Unavailable when too few rows can be had."""
        await self._newest(commitment)
        return (await self._service.get(commitment)).data

    async def get_at(self, locator: Locator) -> bytes:
        """The blob, if it is certified for that epoch and quorum. Raises UnknownBlob, Unavailable."""
        newest = await self._newest(locator.commitment)
        if Locator.of(newest.blob) != locator:
            live = await self._service.ledger.live(0, LIVE_MAX)
            if all(Locator.of(certified.blob) != locator for certified in live):
                where = f"epoch {locator.epoch}, quorum {locator.quorum}"
                raise UnknownBlob(f"blob 0x{locator.commitment.hex()} is not certified for {where}")
        return (await self._service.get(locator.commitment)).data

    async def certified_in(self, first: int, last: int) -> Sequence[Certified]:
        """What the root blocks from `first` to `last` certified and is not past its expiry, in order."""
        live = await self._service.ledger.live(0, LIVE_MAX)
        start = bisect_left(live, first, key=lambda certified: certified.block)
        return live[start : bisect_right(live, last, start, key=lambda certified: certified.block)]

    async def _newest(self, commitment: bytes) -> Certified:
        """The certificate that lasts longest. Raises UnknownBlob."""
        ledger = self._service.ledger
        certified = await ledger.certified(commitment)
        if certified is None:
            raise UnknownBlob(f"no blob 0x{commitment.hex()} is certified")
        if certified.blob.expiry < ledger.epoch():
            raise UnknownBlob(f"blob 0x{commitment.hex()} was kept until epoch {certified.blob.expiry}")
        return certified

    def _stored(self, size: int, task: asyncio.Task[Certified]) -> None:
        self._waiting_bytes -= size
