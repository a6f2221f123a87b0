"""What became of the blobs that clients of the disperser ask after: a LevelDB of request id → outcome.

    request id   number u64 ‖ chance 8       numbers in the order of dispersal; chance, so that no id is given twice
    outcome      status u8 ‖ [locator]       the locator of a FINALIZED one, as the standard mode spells it

An outcome survives the end of the process. A put does not: one that was under way then is FAILED, and dispersing the
blob again costs nothing if it was certified all the same.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Final

from zg_node.da.ledger import Certified
from zg_node.da.service import PutJob
from zg_node.errors import Corrupt, InvalidRequest, Unavailable
from zg_node.gateway.index import open_index
from zg_node.gateway.locator import Locator, Mode

REQUESTS_MAX: Final = 256
"""Remembered once they are over; those under way are remembered besides."""
CHANCE_BYTES: Final = 8

_NUMBER = struct.Struct(">Q")


class Status(IntEnum):
    """Of a blob, as 0G's clients read it."""

    UNKNOWN = 0
    PROCESSING = 1
    CONFIRMED = 2
    FAILED = 3
    FINALIZED = 4
    INSUFFICIENT_SIGNATURES = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a blob is."""

    status: Status
    locator: Locator | None = None
    """Of a FINALIZED one."""

    @classmethod
    def of(cls, job: PutJob) -> Outcome:
        """Of a put under way or over."""
        if job.certified is not None:
            return cls(Status.FINALIZED, Locator.of(job.certified.blob))
        if job.failure is None:
            return cls(Status.PROCESSING)
        return cls(Status.INSUFFICIENT_SIGNATURES if _lacks_signatures(job) else Status.FAILED)

    def encode(self) -> bytes:
        """As it is kept."""
        return bytes((self.status,)) + (self.locator.encode(Mode.STANDARD) if self.locator is not None else b"")

    @classmethod
    def decode(cls, kept: bytes) -> Outcome:
        """Raises ValueError."""
        status = Status(kept[0] if kept else Status.UNKNOWN)
        if status is Status.FINALIZED:
            return cls(status, Locator.decode(kept[1:], Mode.STANDARD))
        return cls(status)


class Requests:
    """On disk, and all of it in memory; on the event loop. Nothing waits for the disk."""

    def __init__(self, directory: Path, chance: Callable[[int], bytes] = os.urandom) -> None:
        """`chance` gives so many unpredictable bytes. Raises Corrupt, OSError."""
        self._chance = chance
        self._outcomes: dict[bytes, Outcome] = {}
        """In the order of their ids."""
        self._db = open_index(directory)
        try:
            for request_id, kept in self._db.iterator():
                outcome = Outcome.decode(kept)
                over = outcome.status is not Status.PROCESSING
                self._outcomes[request_id] = outcome if over else Outcome(Status.FAILED)
            last = next(reversed(self._outcomes), bytes(_NUMBER.size))
            (self._number,) = _NUMBER.unpack_from(last)
        except (ValueError, InvalidRequest, struct.error) as error:
            self._db.close()
            raise Corrupt(f"{directory} holds what is no request: {error}. Remove it to begin anew") from error

    def add(self, job: PutJob) -> bytes:
        """Follow a put; returns its request id."""
        self._number += 1
        request_id = _NUMBER.pack(self._number) + self._chance(CHANCE_BYTES)
        self._keep(request_id, Outcome.of(job))
        job.task.add_done_callback(partial(self._settle, request_id, job))
        self._forget()
        return request_id

    def find(self, request_id: bytes) -> Outcome | None:
        """None for an id that was never given, or is forgotten."""
        return self._outcomes.get(request_id)

    def close(self) -> None:
        """What ends from now on is not kept."""
        self._db.close()

    def _settle(self, request_id: bytes, job: PutJob, task: asyncio.Task[Certified]) -> None:
        if not self._db.closed:
            self._keep(request_id, Outcome.of(job))

    def _keep(self, request_id: bytes, outcome: Outcome) -> None:
        self._outcomes[request_id] = outcome
        self._db.put(request_id, outcome.encode())

    def _forget(self) -> None:
        over = [key for key, outcome in self._outcomes.items() if outcome.status is not Status.PROCESSING]
        for request_id in over[:-REQUESTS_MAX]:
            del self._outcomes[request_id]
            self._db.delete(request_id)


def _lacks_signatures(job: PutJob) -> bool:
    """Whether a put failed because too little stake signed, or could be reached to sign."""
    error = job.task.exception() if job.task.done() and not job.task.cancelled() else None
    return isinstance(error, Unavailable) and job.progress.quorum > 0 and job.progress.stake < job.progress.quorum
