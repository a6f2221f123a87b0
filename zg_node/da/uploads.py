"""Blobs that clients bring piece by piece, because a JSON-RPC message holds no whole one.

    begin(length) ─▶ id ─ add(id, offset, piece) … ─▶ take(id): the whole blob

Pieces come in order; one that is there already may come again, so that a client may repeat what it is not sure of.
Memory is reserved when an upload begins, and given back when it is taken, when nobody added to it for a while, or
sooner when somebody else needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from zg_node.errors import InvalidRequest, Unavailable

UPLOADS_MAX = 64
UPLOADED_MAX_BYTES = 256 << 20
"""Of all uploads together."""
PIECES_MAX = 8192
"""Of one upload: more would cost more memory than what is in them."""
IDLE_MAX_S = 120.0
YIELD_S = 10.0
"""An upload to which nobody added for so long makes room for another."""


@dataclass(slots=True)
class _Upload:
    length: int
    touched_s: float
    pieces: dict[int, bytes] = field(default_factory=dict)
    """By their first byte's place, in order."""
    size: int = 0
    """Bytes of all pieces."""


class Uploads:
    """Blobs that are not complete yet; on the event loop."""

    def __init__(self, length_max: int, now_s: Callable[[], float]) -> None:
        self._length_max = length_max
        self._now_s = now_s
        self._uploads: dict[int, _Upload] = {}
        self._next = 1

    def begin(self, length: int) -> int:
        """Make room for a blob of `length` bytes. Raises InvalidRequest, and Unavailable while there is no room."""
        if not 0 < length <= self._length_max:
            raise InvalidRequest(f"a blob of {length} bytes: 1 to {self._length_max} can be stored")
        self._forget_idle()
        while not self._fits(length):
            oldest = min(self._uploads, key=lambda upload_id: self._uploads[upload_id].touched_s)
            if self._now_s() - self._uploads[oldest].touched_s < YIELD_S:
                raise Unavailable("too much is being uploaded: try again in a moment")
            del self._uploads[oldest]
        upload_id, self._next = self._next, self._next + 1
        self._uploads[upload_id] = _Upload(length, self._now_s())
        return upload_id

    def add(self, upload_id: int, offset: int, piece: bytes) -> int:
        """Append a piece; returns how many bytes are there. Raises InvalidRequest."""
        upload = self._find(upload_id)
        have, end = upload.size, offset + len(piece)
        if upload.pieces.get(offset) == piece:
            upload.touched_s = self._now_s()
            return have
        if not piece or offset != have or end > upload.length:
            raise InvalidRequest(f"a piece of {len(piece)} bytes at {offset}: {have} of {upload.length} bytes are here")
        if len(upload.pieces) == PIECES_MAX:
            raise InvalidRequest(f"more than {PIECES_MAX} pieces: bring longer ones")
        upload.touched_s = self._now_s()
        upload.pieces[offset] = piece
        upload.size = end
        return end

    def take(self, upload_id: int) -> bytes:
        """The whole blob, which is forgotten here. Raises InvalidRequest while a piece is missing."""
        upload = self._find(upload_id)
        if upload.size != upload.length:
            raise InvalidRequest(f"{upload.length - upload.size} bytes are missing")
        del self._uploads[upload_id]
        return b"".join(upload.pieces.values())

    def _fits(self, length: int) -> bool:
        reserved = sum(upload.length for upload in self._uploads.values())
        return len(self._uploads) < UPLOADS_MAX and reserved + length <= UPLOADED_MAX_BYTES

    def _find(self, upload_id: int) -> _Upload:
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise InvalidRequest(f"no upload {upload_id}: it was taken, or nothing was added for {IDLE_MAX_S:.0f} s")
        return upload

    def _forget_idle(self) -> None:
        oldest_s = self._now_s() - IDLE_MAX_S
        self._uploads = {key: upload for key, upload in self._uploads.items() if upload.touched_s > oldest_s}
