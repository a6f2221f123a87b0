"""The mempool's journal: waiting transactions survive a restart, as well as they can.

    <home>/shard-i/mempool.journal    RLP byte strings one after the other, appended without a sync, rewritten at a
    restart

Best effort: a transaction hash is acceptance into the pool, no more. A damaged tail is ignored.
"""

from __future__ import annotations

from pathlib import Path

import rlp

from zg_node import _core

JOURNAL_MAX_BYTES = 64 * 1024 * 1024
_BATCH = 512


class Journal:
    """One shard's file; one writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size if path.exists() else 0

    def load(self) -> list[bytes]:
        """The raw transactions, oldest first."""
        if not self._path.exists():
            return []
        data = self._path.read_bytes()[:JOURNAL_MAX_BYTES]
        found: list[bytes] = []
        offset = 0
        while offset < len(data):
            try:
                _, kind, length, start = rlp.codec.consume_length_prefix(data, offset)
            except (rlp.exceptions.DecodingError, IndexError):
                break
            offset = start + length
            if kind is not bytes or offset > len(data):
                break
            found.append(data[start:offset])
        return found

    def save(self, pool: _core.Pool) -> None:
        """Append what the pool accepted since the last call, or rewrite the file when it has grown too large."""
        fresh = pool.take_journal()
        if self._size + len(fresh) > JOURNAL_MAX_BYTES:
            self.rewrite(pool)
        elif fresh:
            with self._path.open("ab") as file:
                file.write(fresh)
            self._size += len(fresh)

    def rewrite(self, pool: _core.Pool) -> None:
        """Replace the file by what waits now."""
        pool.take_journal()
        content = pool.dump_journal()[:JOURNAL_MAX_BYTES]
        draft = self._path.with_suffix(".new")
        draft.write_bytes(content)
        draft.replace(self._path)
        self._size = len(content)

    def restore(
        self, pool: _core.Pool, state: _core.State, at: bytes, base_fee: int, gas_limit: int, now_ms: int
    ) -> int:
        """Put the journal's transactions back into the pool; returns how many it took."""
        raws = self.load()
        taken = 0
        for start in range(0, len(raws), _BATCH):
            answers = pool.add(state, at, base_fee, gas_limit, raws[start : start + _BATCH], now_ms)
            taken += sum(isinstance(answer, bytes) for answer in answers)
        self.rewrite(pool)
        return taken
