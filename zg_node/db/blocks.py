"""Finalised blocks, receipts and indices of one shard in LevelDB (plyvel).

    b ‖ number(8)  → header, consensus header, body, senders, receipts, certificate (six u32 lengths first)
    l ‖ number(8)  → 256-byte logs bloom
    h ‖ block hash → number(8)
    t ‖ tx hash    → number(8) ‖ index(4)
    e ‖ epoch(8)   → what proves the epoch's end to a light client
    g              → number(8): the block that the chain begins with here, when that is not block 0
    m ‖ number(8)  → nothing: the last block that is here

A chain that began with a snapshot has block 0, then nothing, then every block from the snapshot's on.

Blocks wait in memory until `checkpoint` writes them, each batch synced by itself: LevelDB promises nothing about the
order in which unsynced batches survive a power cut. The block log holds them until then.

A batch removes the `m` of the block before and puts its own. So if LevelDB ever drops a batch from the middle of its
log, two are left, and opening says so. What it drops from the end is what a power cut tore, and the block log has it.
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import plyvel

from zg_node.errors import Corrupt, InvalidMessage, Unavailable
from zg_node.types.block import ConsensusHeader, Header, StoredBlock

_LENGTHS = struct.Struct(">6I")
_LOCATION = struct.Struct(">QI")
_RESTORE = "restore the directory from a copy, or begin anew and run `zg-node db import`"
CACHE_MAX_BLOCKS = 256
CACHE_MAX_BYTES = 64 * 1024 * 1024
"""Blocks that were read or written lately, by their number and by their size."""


class BlockStore:
    """Reads from any thread; `add` from the committing thread, `checkpoint` from one other thread at a time."""

    def __init__(self, directory: Path, cache_bytes: int = 16 * 1024 * 1024) -> None:
        """Open or create. Raises Unavailable when another process has it, Corrupt when LevelDB cannot read it."""
        self._directory = directory
        self._db = _open(directory, cache_bytes)
        self._recent: dict[int, StoredBlock] = {}
        self._recent_numbers: dict[bytes, int] = {}
        self._recent_locations: dict[bytes, tuple[int, int]] = {}
        self._tx_hashes: dict[int, list[bytes]] = {}
        self._cache: OrderedDict[int, StoredBlock] = OrderedDict()
        self._cache_bytes = 0
        self._cache_lock = threading.Lock()
        self.durable = self._last()
        self.first = int.from_bytes(self._get(b"g") or b"", "big")
        """The oldest block from which on every block is here."""

    def add(self, block: StoredBlock, tx_hashes: bytes) -> None:
        """Make a finalised block readable; it is written by the next checkpoint."""
        hashes = [tx_hashes[i : i + 32] for i in range(0, len(tx_hashes), 32)]
        number = block.number
        self._tx_hashes[number] = hashes
        self._recent_locations.update((tx_hash, (number, index)) for index, tx_hash in enumerate(hashes))
        self._recent_numbers[block.hash] = number
        self._recent[number] = block

    def checkpoint(self) -> int:
        """Write every waiting block, synced; returns the number of the last durable block. Raises OSError, Corrupt."""
        for number in sorted(self._recent):
            self._write(self._recent[number], self._tx_hashes[number])
            self.durable = number
            block = self._recent[number]
            self._remember(block)
            for tx_hash in self._tx_hashes.pop(number):
                del self._recent_locations[tx_hash]
            del self._recent_numbers[block.hash]
            del self._recent[number]
        return self.durable

    def begin_with(self, genesis: StoredBlock, block: StoredBlock, tx_hashes: bytes) -> None:
        """Fill an empty store, durably, with block 0 and with a later block from which the chain goes on."""
        assert self.durable < 0, "only an empty store begins anywhere"
        hashes = [tx_hashes[i : i + 32] for i in range(0, len(tx_hashes), 32)]
        try:
            with self._db.write_batch(sync=True) as batch:
                _put(batch, genesis, [])
                _put(batch, block, hashes)
                batch.put(b"g", block.number.to_bytes(8, "big"))
                batch.put(b"m" + block.number.to_bytes(8, "big"), b"")
        except plyvel.Error as error:
            raise OSError(f"writing block {block.number} failed: {_words(error)}") from error
        self.durable = self.first = block.number

    def put_epoch(self, epoch: int, proof: bytes) -> None:
        """Keep what proves the end of an epoch, durably. Raises OSError."""
        try:
            self._db.put(b"e" + epoch.to_bytes(8, "big"), proof, sync=True)
        except plyvel.Error as error:
            raise OSError(f"writing the end of epoch {epoch} failed: {_words(error)}") from error

    def epoch(self, epoch: int) -> bytes | None:
        """What proves the end of an epoch; None when it is not over, or not known here."""
        return self._get(b"e" + epoch.to_bytes(8, "big")) if 0 <= epoch < 1 << 63 else None

    def by_number(self, number: int) -> StoredBlock | None:
        """The block, or None when there is none."""
        block = self._recent.get(number)
        if block is not None or number < 0 or number >= 1 << 63:
            return block
        with self._cache_lock:
            block = self._cache.get(number)
            if block is not None:
                self._cache.move_to_end(number)
                return block
        data = self._get(b"b" + number.to_bytes(8, "big"))
        if data is None:
            return self._recent.get(number)
        block = _decode(data, number)
        self._remember(block)
        return block

    def number_of(self, block_hash: bytes) -> int | None:
        """The number of the block with this hash."""
        number = self._recent_numbers.get(block_hash)
        if number is not None:
            return number
        data = self._get(b"h" + block_hash)
        return int.from_bytes(data, "big") if data is not None else self._recent_numbers.get(block_hash)

    def transaction(self, tx_hash: bytes) -> tuple[int, int] | None:
        """(block number, index) of a finalised transaction."""
        location = self._recent_locations.get(tx_hash)
        if location is not None:
            return location
        data = self._get(b"t" + tx_hash)
        if data is None:
            return self._recent_locations.get(tx_hash)
        number, index = _LOCATION.unpack(data)
        return number, index

    def blooms(self, first: int, last: int) -> bytes:
        """256 bytes a block for the blocks first … last, inclusive; zeros where there is no block."""
        start, stop = (b"l" + n.to_bytes(8, "big") for n in (first, last + 1))
        stored = {int.from_bytes(key[1:], "big"): bloom for key, bloom in self._range(start, stop)}
        out = []
        for number in range(first, last + 1):
            block = self._recent.get(number)
            out.append(block.header.bloom if block is not None else stored.get(number, bytes(256)))
        return b"".join(out)

    def waiting(self) -> int:
        """Blocks that the next checkpoint will write."""
        return len(self._recent)

    def compact(self) -> None:
        self._db.compact_range()

    def close(self) -> None:
        self._db.close()

    def _get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key, verify_checksums=True)
        except plyvel.Error as error:
            raise _corrupt(self._directory, error) from error
        return value

    def _range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from self._db.iterator(start=start, stop=stop, verify_checksums=True)
        except plyvel.Error as error:
            raise _corrupt(self._directory, error) from error

    def _last(self) -> int:
        """The number of the last block here; -1 when there is none. Raises Corrupt when one before it is missing."""
        marks = [int.from_bytes(key[1:], "big") for key, _ in self._range(b"m", b"n")]
        if len(marks) > 1:
            raise Corrupt(f"{self._directory} is damaged: block {marks[0] + 1} is missing; {_RESTORE}")
        return marks[0] if marks else -1

    def _write(self, block: StoredBlock, tx_hashes: list[bytes]) -> None:
        try:
            with self._db.write_batch(sync=True) as batch:
                _put(batch, block, tx_hashes)
                batch.delete(b"m" + (block.number - 1).to_bytes(8, "big", signed=True))
                batch.put(b"m" + block.number.to_bytes(8, "big"), b"")
        except plyvel.Error as error:
            raise OSError(f"writing block {block.number} failed: {_words(error)}") from error

    def _remember(self, block: StoredBlock) -> None:
        with self._cache_lock:
            if block.number not in self._cache:
                self._cache[block.number] = block
                self._cache_bytes += _size(block)
            self._cache.move_to_end(block.number)
            while len(self._cache) > CACHE_MAX_BLOCKS or self._cache_bytes > CACHE_MAX_BYTES:
                _, oldest = self._cache.popitem(last=False)
                self._cache_bytes -= _size(oldest)


def _size(block: StoredBlock) -> int:
    return len(block.body) + len(block.senders) + len(block.receipts)


def _put(batch: plyvel.WriteBatch, block: StoredBlock, tx_hashes: list[bytes]) -> None:
    key = block.number.to_bytes(8, "big")
    parts = [
        block.header.raw, block.consensus.encode(), block.body, block.senders, block.receipts, block.certificate,
    ]  # fmt: skip
    batch.put(b"b" + key, b"".join([_LENGTHS.pack(*map(len, parts)), *parts]))
    batch.put(b"l" + key, block.header.bloom)
    batch.put(b"h" + block.hash, key)
    for index, tx_hash in enumerate(tx_hashes):
        batch.put(b"t" + tx_hash, _LOCATION.pack(block.number, index))


def _open(directory: Path, cache_bytes: int) -> plyvel.DB:
    """Open or create; a torn tail of LevelDB's log, which it calls corruption too, is dropped."""
    options = {
        "create_if_missing": not directory.exists(), "lru_cache_size": cache_bytes, "bloom_filter_bits": 10,
        "write_buffer_size": 8 * 1024 * 1024, "max_open_files": 256,
    }  # fmt: skip
    try:
        try:
            return plyvel.DB(str(directory), paranoid_checks=True, **options)
        except plyvel.CorruptionError:
            plyvel.DB(str(directory), paranoid_checks=False, **options).close()
            return plyvel.DB(str(directory), paranoid_checks=True, **options)
    except plyvel.Error as error:
        if isinstance(error, plyvel.IOError) and "lock" in str(error).lower():
            raise Unavailable(f"{directory} is in use by another process") from error
        raise _corrupt(directory, error) from error


def _corrupt(directory: Path, error: plyvel.Error) -> Corrupt:
    return Corrupt(f"{directory} is damaged: {_words(error)}; {_RESTORE}")


def _words(error: plyvel.Error) -> str:
    """LevelDB's message, which plyvel hands over as bytes."""
    message = error.args[0] if error.args else ""
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)


def _decode(data: bytes, number: int) -> StoredBlock:
    try:
        if len(data) < _LENGTHS.size or len(data) != _LENGTHS.size + sum(_LENGTHS.unpack_from(data)):
            raise InvalidMessage("lengths do not add up")
        offset, parts = _LENGTHS.size, []
        for length in _LENGTHS.unpack_from(data):
            parts.append(data[offset : offset + length])
            offset += length
        header, consensus, body, senders, receipts, certificate = parts
        return StoredBlock(
            Header.decode(header), ConsensusHeader.decode(consensus), body, senders, receipts, certificate
        )
    except InvalidMessage as error:
        raise Corrupt(f"stored block {number}: {error}") from error
