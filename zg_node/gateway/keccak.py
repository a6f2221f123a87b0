"""Which commitment a blob has that a client calls by its keccak-256: a LevelDB of digest → commitment.

The chain knows blobs by their own commitments only, so it is the gateway that stored a blob which finds it again.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Final

from zg_node.gateway.index import open_index

DIGEST_BYTES: Final = 32


class KeccakIndex:
    """On disk; a call takes microseconds, but for `add`, which waits for the disk: run it in a thread."""

    def __init__(self, directory: Path) -> None:
        """Open or begin it. Raises Corrupt, OSError."""
        self._db = open_index(directory)
        self._writing = Lock()

    def find(self, digest: bytes) -> bytes | None:
        """The commitment, 32 bytes."""
        found = self._db.get(digest)
        return bytes(found) if found is not None and len(found) == DIGEST_BYTES else None

    def add(self, digest: bytes, commitment: bytes) -> None:
        """Remember a blob; durable when the call returns."""
        with self._writing:
            self._db.put(digest, commitment, sync=True)

    def close(self) -> None:
        """Once what is being added is there: whoever asked for it may be gone, and its thread still at work."""
        with self._writing:
            self._db.close()
