"""A holder in a process of its own that dies at a step that was set before.

    python -m tests.faults.da_keeper HOME STEP

It takes an offer after the other from a sender in the same process, and tells each signature on its standard output as
soon as it has it. At the STEP-th operation on its files it kills itself with SIGKILL, before or after the operation.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from prometheus_client import CollectorRegistry

from tests.da.cluster import MemoryLedger, key_of
from tests.da.custody import offer_of
from zg_node import _core
from zg_node.da.certificate import Blob
from zg_node.da.holder import Custodian
from zg_node.da.holder_metrics import HolderMetrics
from zg_node.da.holders import Holder, HolderSet
from zg_node.da.lines import SELF, Lines
from zg_node.da.messages import DataRequest, RowsRequest, decode_request
from zg_node.da.outbox import Outbox
from zg_node.da.rowfiles import RowFiles, SystemRowFiles
from zg_node.da.store import Store
from zg_node.db.files import AppendFile
from zg_node.keys import address_of

P = ParamSpec("P")
T = TypeVar("T")

BLOBS = 4
LENGTH = 3_000
PLENTY = 1 << 30


class Fuse:
    """Ends the process at the n-th operation: before it when n is odd, after it when n is even."""

    def __init__(self, step: int) -> None:
        self.left = step

    def burn(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do an operation, or die."""
        self.left -= 2
        if self.left in (-1, -2):
            if self.left == -2:
                operation(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        return operation(*args, **kwargs)


class MortalFile:
    """An open file whose writes and syncs are steps."""

    def __init__(self, file: AppendFile, fuse: Fuse) -> None:
        self._file = file
        self._fuse = fuse

    def write(self, parts: Sequence[bytes]) -> None:
        half = len(parts) // 2
        self._fuse.burn(self._file.write, parts[:half])
        self._fuse.burn(self._file.write, parts[half:])

    def truncate(self, length_bytes: int) -> None:
        self._fuse.burn(self._file.truncate, length_bytes)

    def sync(self) -> None:
        self._fuse.burn(self._file.sync)

    def close(self) -> None:
        self._file.close()


class MortalFiles(SystemRowFiles):
    """The operating system's, with a fuse."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def make_directory(self, directory: Path) -> None:
        self._fuse.burn(super().make_directory, directory)

    def append(self, path: Path) -> AppendFile:
        return MortalFile(self._fuse.burn(super().append, path), self._fuse)

    def sync_directory(self, directory: Path) -> None:
        self._fuse.burn(super().sync_directory, directory)


def blob_of(number: int) -> bytes:
    """The bytes that are offered."""
    return random.Random(number).randbytes(LENGTH + number)


def ledger() -> MemoryLedger:
    """A chain with one holder, to which every blob is paid."""
    holders = HolderSet((Holder(address_of(key_of(0).secret), 1, ""),))
    return MemoryLedger(dict.fromkeys(range(10), holders), now=5)


def offered(number: int) -> Blob:
    """The blob of an offer; they expire in two different epochs."""
    return offer_of(_core.Encoding(blob_of(number)), LENGTH + number, 5, 7 + number % 2).blob


async def keep(home: Path, files: RowFiles) -> None:
    """Take all offers, telling each signature."""
    chain, outbox, key = ledger(), Outbox(), key_of(0)
    lines = Lines(None, address_of(key.secret), lambda sent, received: None)

    async def answer(peer: str, message: bytes) -> bytes:
        request = decode_request(message)
        assert isinstance(request, RowsRequest | DataRequest)
        return outbox.answer(peer, request)

    lines.serve(answer)
    store = Store(home, PLENTY, files)
    with ThreadPoolExecutor(2) as executor:
        signer = address_of(key.secret)
        metrics = HolderMetrics(CollectorRegistry())
        custodian = Custodian(chain, store, key, signer, lines, executor, metrics)
        for number in range(BLOBS):
            blob = blob_of(number)
            encoding = _core.Encoding(blob)
            offer = offer_of(encoding, len(blob), 5, 7 + number % 2)
            chain.requests.add(offer.blob)
            with outbox.hold(encoding, blob):
                signature = await custodian.accept(SELF, offer)
            sys.stdout.write(f"{number} {signature.hex()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(keep(Path(sys.argv[1]), MortalFiles(Fuse(int(sys.argv[2])))))
