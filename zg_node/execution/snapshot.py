"""A shard's state after the last block of an epoch: served to nodes that join, and installed by them.

    serving     epoch's last block is committed ─▶ SnapshotSource.take ─▶ manifest, chunks
    installing  <home>/shard-i/snapshot/
                    state/    chunk after chunk (`_core.SnapshotImport`), a state only with the certified root
                    blocks/   block 0 and the snapshot's block
                    ready     both are whole: `recover_snapshot` moves them into the shard's directory

A process that is killed before `ready` is there goes on after its last chunk; after that, the next start finishes the
move. At no moment does a directory pose as a state that it is not.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zg_node import _core
from zg_node.db.blocks import BlockStore
from zg_node.db.durable import make_directory, sync_directory, write_file
from zg_node.errors import Corrupt, InvalidBlock, InvalidMessage, Unavailable
from zg_node.execution.genesis import Genesis
from zg_node.types.block import Header, StoredBlock

CHUNK_BYTES = 1 << 20
"""A chunk ends with the record that brings it to this size. All nodes must cut alike."""
CHUNKS_MAX = 100_000
KEPT = 2
"""Snapshots that are served at one time: who has begun with one may finish while the next is there."""
IMPORT_CACHE_BYTES = 16 << 20
FOLDER = "snapshot"
READY = "ready"


# ── serving ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Taken:
    snapshot: _core.Snapshot
    number: int
    block_hash: bytes
    hashes: tuple[bytes, ...]
    starts: tuple[bytes | None, ...]
    """After which position each chunk begins."""


class SnapshotSource:
    """The newest snapshots of one shard. `take` from one thread, the rest from any."""

    def __init__(self, state: _core.State) -> None:
        self._state = state
        self._kept: tuple[_Taken, ...] = ()
        self._stopped = threading.Event()

    def take(self, number: int) -> bool:
        """Cut the state after the finalised block `number` and serve it from now on; False when it is not kept any
        more, or when `close` was called. Reads the whole state."""
        try:
            snapshot = self._state.snapshot(number, CHUNK_BYTES)
        except Unavailable:
            return False
        hashes: list[bytes] = []
        starts: list[bytes | None] = [None]
        while len(starts) > len(hashes) and len(hashes) < CHUNKS_MAX and not self._stopped.is_set():
            chunk_hash, end = snapshot.chunk_hash(starts[-1])
            hashes.append(chunk_hash)
            if end is not None:
                starts.append(end)
        if len(starts) > len(hashes) or self._stopped.is_set():
            snapshot.close()
            return False
        _, block_hash, _ = snapshot.block()
        kept = (_Taken(snapshot, number, block_hash, tuple(hashes), tuple(starts)), *self._kept)
        self._kept = kept[:KEPT]
        for old in kept[KEPT:]:
            old.snapshot.close()
        return True

    def manifest(self) -> tuple[int, bytes, tuple[bytes, ...]] | None:
        """(block number, block hash, keccak of every chunk) of the newest snapshot."""
        kept = self._kept
        return (kept[0].number, kept[0].block_hash, kept[0].hashes) if kept else None

    def chunk(self, number: int, index: int) -> bytes:
        """Raises Unavailable."""
        taken = next((taken for taken in self._kept if taken.number == number), None)
        if taken is None or index >= len(taken.starts):
            raise Unavailable(f"no chunk {index} of block {number}")
        try:
            return taken.snapshot.chunk(taken.starts[index])[0]
        except RuntimeError as error:  # closed meanwhile
            raise Unavailable(f"the snapshot of block {number} is not served any more") from error

    def close(self) -> None:
        """Let go of the state; a `take` under way ends."""
        self._stopped.set()
        kept, self._kept = self._kept, ()
        for taken in kept:
            taken.snapshot.close()


# ── installing ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Installation:
    """A snapshot on its way into a shard's directory, whose chain is not open. One thread at a time."""

    def __init__(self, directory: Path, genesis: Callable[[Path], StoredBlock]) -> None:
        """`directory` is <home>/shard-i; `genesis` makes the shard's block 0 with the help of an empty directory."""
        self._directory = directory
        self._folder = directory / FOLDER
        self._genesis = genesis
        self._import: _core.SnapshotImport | None = None

    def open(self, number: int, block_hash: bytes, root: bytes) -> int:
        """Begin with the certified state `root` after a block, or go on with it; returns the chunk that is due.

        What was begun with another block, or is damaged, is thrown away."""
        self.close()
        make_directory(self._folder)
        arguments = (str(self._folder / "state"), IMPORT_CACHE_BYTES, number, block_hash, root)
        try:
            self._import = _core.SnapshotImport(*arguments)
        except (InvalidBlock, Corrupt):
            self.discard()
            make_directory(self._folder)
            self._import = _core.SnapshotImport(*arguments)
        return self._import.next_chunk()

    def add(self, index: int, chunk: bytes) -> None:
        """Add the chunk that is due, durably. Raises InvalidMessage."""
        self._opened().add(index, chunk)

    def counts(self) -> tuple[int, int]:
        """(accounts, slots) so far."""
        return self._opened().counts()

    def check(self, block: StoredBlock) -> None:
        """Raise InvalidMessage unless body, senders and receipts are the header's."""
        try:
            _core.check_block(block.header.raw, block.body, block.senders, block.receipts)
        except Corrupt as error:
            raise InvalidMessage(f"snapshot: {error}") from error

    def finish(self, block: StoredBlock, epochs: Mapping[int, bytes]) -> None:
        """Make the shard begin with a checked `block`; `epochs` are the proofs that led to it. The next `Chain` opens
        there. Raises InvalidMessage when the chunks are not the block's state: nothing is left of them then."""
        try:
            self._opened().finish()
        except InvalidBlock as error:
            self.discard()
            raise InvalidMessage(f"snapshot: {error}") from error
        self._import = None
        self._write_blocks(block, epochs)
        for database in ("state", "blocks"):
            _sync(self._folder / database)
        write_file(self._folder / READY, b"")
        recover_snapshot(self._directory)

    def discard(self) -> None:
        """Throw away what is there."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Leave it; another `Installation` may go on."""
        if self._import is not None:
            self._import.close()
            self._import = None

    def _opened(self) -> _core.SnapshotImport:
        assert self._import is not None, "open comes first"
        return self._import

    def _write_blocks(self, block: StoredBlock, epochs: Mapping[int, bytes]) -> None:
        blocks, scratch = self._folder / "blocks", self._folder / "genesis"
        for left in (blocks, scratch):
            shutil.rmtree(left, ignore_errors=True)
        store = BlockStore(blocks)
        try:
            store.begin_with(self._genesis(scratch), block, _core.body_hashes(block.body))
            for epoch, proof in epochs.items():
                store.put_epoch(epoch, proof)
        finally:
            store.close()
            shutil.rmtree(scratch, ignore_errors=True)


def recover_snapshot(directory: Path) -> bool:
    """Finish an installation that was interrupted when everything was there; call before opening a shard's `Chain`.

    True when the shard begins with a snapshot that it did not have before. What is not whole is left to go on with."""
    folder = directory / FOLDER
    if not (folder / READY).exists():
        return False
    shutil.rmtree(directory / "log", ignore_errors=True)
    for name in ("blocks", "state"):
        whole = folder / name
        if whole.exists():
            shutil.rmtree(directory / name, ignore_errors=True)
            whole.rename(directory / name)
            sync_directory(directory)
    shutil.rmtree(folder)
    sync_directory(directory)
    return True


def block_zero(genesis: Genesis, shard: int, set_hash: bytes, scratch: Path) -> StoredBlock:
    """A shard's block 0; `scratch` does not exist yet, and is left behind."""
    consensus, attributes = genesis.block_zero(shard, set_hash)
    state = _core.State(str(scratch), IMPORT_CACHE_BYTES, None)
    try:
        executed = _core.Engine(genesis.chain_id(shard)).genesis(state, attributes, genesis.allocation(shard))
    finally:
        state.close()
    header = Header.decode(executed.header)
    return StoredBlock(header, consensus, executed.body, executed.senders, executed.receipts, b"")


def _sync(directory: Path) -> None:
    """LevelDB syncs what it writes, but not the names by which it finds it."""
    for path in directory.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_directory(directory)
