"""Finalised blocks, receipts and indices of one shard in LevelDB (plyvel).

    b ‖ number(8)  → header, consensus header, body, senders, receipts, certificate (six u32 lengths first)
    l ‖ number(8)  → 256-byte logs bloom
    h ‖ block hash → number(8)
    t ‖ tx hash    → number(8) ‖ index(4)
    m              → number(8) of the last block that is here

Blocks wait in memory until `checkpoint` writes them, each batch synced by itself: LevelDB promises nothing about the
order in which unsynced batches survive a power cut. The block log holds them until then.
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from pathlib import Path

import plyvel

from zg_node.errors import Corrupt, InvalidMessage, Unavailable
from zg_node.types.block import ConsensusHeader, Header, StoredBlock

_LENGTHS = struct.Struct(">6I")
_LOCATION = struct.Struct(">QI")
CACHE_MAX_BLOCKS = 256


class BlockStore:
    """Reads from any thread; `add` from the committing thread, `checkpoint` from one other thread at a time."""

    def __init__(self, directory: Path, cache_bytes: int = 16 * 1024 * 1024) -> None:
        """Open or create. Raises Unavailable when another process has it, Corrupt when LevelDB cannot read it."""
        try:
            self._db = plyvel.DB(
                str(directory), create_if_missing=True, lru_cache_size=cache_bytes, bloom_filter_bits=10,
                write_buffer_size=8 * 1024 * 1024, max_open_files=256, paranoid_checks=True,
            )  # fmt: skip
        except plyvel.CorruptionError as error:
            raise Corrupt(f"{directory} is damaged: {error}; restore it or run `zg-node db import`") from error
        except plyvel.IOError as error:
            if "lock" in str(error).lower():
                raise Unavailable(f"{directory} is in use by another process") from error
            raise Corrupt(f"{directory} cannot be opened: {error}") from error
        self._recent: dict[int, StoredBlock] = {}
        self._recent_numbers: dict[bytes, int] = {}
        self._recent_locations: dict[bytes, tuple[int, int]] = {}
        self._tx_hashes: dict[int, list[bytes]] = {}
        self._cache: OrderedDict[int, StoredBlock] = OrderedDict()
        self._cache_lock = threading.Lock()
        last = self._db.get(b"m")
        self.durable = int.from_bytes(last, "big") if last is not None else -1

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
        data = self._db.get(b"b" + number.to_bytes(8, "big"))
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
        data = self._db.get(b"h" + block_hash)
        return int.from_bytes(data, "big") if data is not None else self._recent_numbers.get(block_hash)

    def transaction(self, tx_hash: bytes) -> tuple[int, int] | None:
        """(block number, index) of a finalised transaction."""
        location = self._recent_locations.get(tx_hash)
        if location is not None:
            return location
        data = self._db.get(b"t" + tx_hash)
        if data is None:
            return self._recent_locations.get(tx_hash)
        number, index = _LOCATION.unpack(data)
        return number, index

    def blooms(self, first: int, last: int) -> bytes:
        """256 bytes a block for the blocks first … last, inclusive; zeros where there is no block."""
        start, stop = (b"l" + n.to_bytes(8, "big") for n in (first, last + 1))
        stored = {int.from_bytes(key[1:], "big"): bloom for key, bloom in self._db.iterator(start=start, stop=stop)}
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

    def _write(self, block: StoredBlock, tx_hashes: list[bytes]) -> None:
        key = block.number.to_bytes(8, "big")
        parts = [
            block.header.raw, block.consensus.encode(), block.body, block.senders, block.receipts, block.certificate,
        ]  # fmt: skip
        try:
            with self._db.write_batch(sync=True) as batch:
                batch.put(b"b" + key, b"".join([_LENGTHS.pack(*map(len, parts)), *parts]))
                batch.put(b"l" + key, block.header.bloom)
                batch.put(b"h" + block.hash, key)
                for index, tx_hash in enumerate(tx_hashes):
                    batch.put(b"t" + tx_hash, _LOCATION.pack(block.number, index))
                batch.put(b"m", key)
        except plyvel.Error as error:
            raise OSError(f"writing block {block.number} failed: {error}") from error

    def _remember(self, block: StoredBlock) -> None:
        with self._cache_lock:
            self._cache[block.number] = block
            self._cache.move_to_end(block.number)
            while len(self._cache) > CACHE_MAX_BLOCKS:
                self._cache.popitem(last=False)


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
