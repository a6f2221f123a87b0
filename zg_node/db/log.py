"""The block log: the commit point of a shard.

    <home>/shard-i/log/00000001.log     payload = RLP-like frame of the finalised block's parts, see `BlockRecord`

A block is final for the outside once its record is fdatasynced here. LevelDB (state in the core, blocks in plyvel)
follows in batches of whole blocks; a segment is deleted only when both hold everything in it durably.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zg_node.db.files import SYSTEM, Files
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt, InvalidMessage
from zg_node.types.block import ConsensusHeader, Header, StoredBlock

SEGMENT_MAX_BYTES = 64 * 1024 * 1024
_ADVICE = (
    "Restore the shard's directory from a copy of the stopped node, or, where other nodes have the blocks, remove its "
    "state, blocks and log (keep votes and voter), and let the node sync again"
)
_LENGTHS = struct.Struct(">7I")


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """A finalised block and what it did to the state. Disk form: seven u32 lengths, then the parts in this order."""

    block: StoredBlock
    diff: bytes

    def parts(self) -> list[bytes]:
        """The disk form in pieces, ready to be written without being joined."""
        b = self.block
        parts = [b.header.raw, b.consensus.encode(), b.body, b.senders, b.receipts, b.certificate, self.diff]
        return [_LENGTHS.pack(*map(len, parts)), *parts]

    @classmethod
    def decode(cls, payload: bytes) -> BlockRecord:
        """Raises InvalidMessage."""
        if len(payload) < _LENGTHS.size or len(payload) != _LENGTHS.size + sum(_LENGTHS.unpack_from(payload)):
            raise InvalidMessage("block record: lengths do not add up")
        offset, parts = _LENGTHS.size, []
        for length in _LENGTHS.unpack_from(payload):
            parts.append(payload[offset : offset + length])
            offset += length
        header, consensus, body, senders, receipts, certificate, diff = parts
        block = StoredBlock(
            Header.decode(header), ConsensusHeader.decode(consensus), body, senders, receipts, certificate
        )
        return cls(block, diff)


class BlockLog:
    """Append-only; one writer."""

    def __init__(self, directory: Path, files: Files = SYSTEM) -> None:
        """Open or create. Raises Corrupt with what to do."""
        try:
            self._segments = Segments(directory, "log", files)
        except Corrupt as error:
            raise _damaged(directory, error) from error
        self._last_block: dict[int, int] = {}

    def replay(self) -> Iterator[BlockRecord]:
        """Every record, oldest first; call once, before `append`. Raises Corrupt."""
        try:
            for segment, payload in self._segments.records():
                record = BlockRecord.decode(payload)
                self._last_block[segment] = record.block.number
                yield record
        except (Corrupt, InvalidMessage) as error:
            raise _damaged(self._segments.directory, error) from error

    def append(self, record: BlockRecord) -> None:
        """Write and fdatasync: the block is committed when this returns. Raises OSError: the node must stop then."""
        if self._segments.size() > SEGMENT_MAX_BYTES:
            self._segments.rotate()
        self._segments.append(record.parts())
        self._segments.sync()
        self._last_block[self._segments.current] = record.block.number

    def truncate(self, durable: int) -> None:
        """Delete the finished segments whose blocks are all ≤ `durable`: LevelDB holds them, synced."""
        current = self._segments.current
        done = [segment for segment, last in self._last_block.items() if last <= durable and segment != current]
        if done:
            self._segments.drop(done)
            self._last_block = {s: n for s, n in self._last_block.items() if s not in done}

    def close(self) -> None:
        self._segments.close()


def _damaged(directory: Path, error: Exception) -> Corrupt:
    return Corrupt(f"the block log {directory} is damaged: {error}. {_ADVICE}")
