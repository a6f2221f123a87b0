"""Encoded blobs on their way to the holders: what those pull after an offer is answered from here.

Bounded in bytes of rows, and for each peer: nobody needs more than all rows of a blob with their paths, and as much
again for answers that got lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from zg_node import _core
from zg_node.da.messages import CONTENT_MAX_BYTES, Data, DataRequest, RowsRequest, commitment_of, row_budget
from zg_node.errors import InvalidMessage, Unavailable

OUTBOX_MAX_BYTES = 640 << 20
"""Rows of all blobs together: one of the longest, with its parity, and some of the others."""
PEER_FACTOR = 2
"""So many times a blob's rows may one peer pull."""


@dataclass(slots=True)
class _Outgoing:
    encoding: _core.Encoding
    header: bytes
    blob: bytes
    budget: int
    """Rows in one answer."""
    size: int
    """Bytes of all rows."""
    allowance: int
    """Bytes that are served to one peer."""
    served: Counter[str] = field(default_factory=Counter)
    users: int = 1


class Outbox:
    """Blobs that are being dispersed. `hold` on the event loop, `answer` from any thread."""

    def __init__(self, max_bytes: int = OUTBOX_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._blobs: dict[bytes, _Outgoing] = {}

    def __contains__(self, commitment: bytes) -> bool:
        return commitment in self._blobs

    @property
    def held_bytes(self) -> int:
        """Bytes of rows that wait here."""
        return sum(outgoing.size for outgoing in self._blobs.values())

    @contextmanager
    def hold(self, encoding: _core.Encoding, blob: bytes) -> Iterator[None]:
        """Serve a blob's rows meanwhile. Raises Unavailable when there is no room."""
        header = encoding.header()
        commitment = commitment_of(header)
        k, n, row_bytes = _core.erasure_shape(len(blob))
        outgoing = self._blobs.get(commitment)
        if outgoing is not None:
            outgoing.users += 1
        else:
            budget = row_budget(row_bytes, 32 * (k + n - 1).bit_length())
            allowance = PEER_FACTOR * CONTENT_MAX_BYTES * -(-(k + n) // budget)
            outgoing = _Outgoing(encoding, header, blob, budget, (k + n) * row_bytes, allowance)
            if self._blobs and self.held_bytes + outgoing.size > self._max_bytes:
                raise Unavailable("too many blobs are being dispersed: try again in a moment")
            self._blobs[commitment] = outgoing
        try:
            yield
        finally:
            outgoing.users -= 1
            if not outgoing.users:
                del self._blobs[commitment]

    def answer(self, peer: str, request: RowsRequest | DataRequest) -> bytes:
        """Rows or a piece of a blob that is held. Raises Unavailable, InvalidMessage."""
        outgoing = self._blobs.get(request.commitment)
        if outgoing is None:
            raise Unavailable("the blob is not being dispersed")
        if outgoing.served[peer] > outgoing.allowance:
            raise Unavailable("the peer has had all of it")
        match request:
            case RowsRequest(rows=wanted):
                answer = outgoing.encoding.rows_answer(wanted[: outgoing.budget], request.checksums)
            case DataRequest(offset=offset):
                if offset >= len(outgoing.blob):
                    raise InvalidMessage(f"data: offset {offset} of {len(outgoing.blob)} bytes")
                answer = Data(outgoing.header, outgoing.blob[offset : offset + CONTENT_MAX_BYTES]).encode()
        outgoing.served[peer] += len(answer)
        return answer
