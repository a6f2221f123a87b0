"""What an encoded blob looks like from outside: its header, where its bytes lie, and how many small blobs share one.

    header     = version u8 ‖ K u16 ‖ N u16 ‖ row bytes u32 ‖ blob length u64 ‖ row root 32 ‖ checksum root 32
    commitment = SHA-256(header)                                               (numbers big-endian)

Row i < K is bytes i·row … of the blob, zero after its end; rows K … are parity. A row is cut into cells of 1 KiB. The
core encodes (`_core.Encoding`), checks (`_core.RowVerifier`, `_core.refused_cells`) and recovers; `da/reference.py`
says what it computes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from zg_node._core import erasure_shape
from zg_node.errors import InvalidMessage

VERSION = 1
HEADER_BYTES = 81
CELL_BYTES = 1024
CHECKSUM_BYTES = 16
"""Of a data row; the checksums of a blob are K of them in a row."""
BLOB_MAX_BYTES = 128 * 1024 * 1024
NAMESPACE_BYTES = 29
BUNDLE_BLOBS_MAX = 65_536

_HEADER = struct.Struct(">BHHIQ32s32s")


@dataclass(frozen=True, slots=True)
class BlobHeader:
    """What a commitment commits to."""

    data_rows: int
    """K: so many different rows give the blob back."""
    parity_rows: int
    """N."""
    row_bytes: int
    """Of every row, a multiple of 64."""
    length: int
    """Bytes of the blob."""
    row_root: bytes
    """32 bytes: the root over all rows' cells."""
    checksum_root: bytes
    """32 bytes: the root over the data rows' checksums."""

    @classmethod
    def parse(cls, data: bytes) -> BlobHeader:
        """Raises InvalidMessage unless this is a header in the one shape that a blob of its length has."""
        if len(data) != HEADER_BYTES:
            raise InvalidMessage(f"a blob header of {len(data)} bytes")
        version, *fields = _HEADER.unpack(data)
        header = cls(*fields)
        if version != VERSION:
            raise InvalidMessage(f"a blob header of version {version}")
        if not 0 < header.length <= BLOB_MAX_BYTES:
            raise InvalidMessage(f"a blob of {header.length} bytes")
        if erasure_shape(header.length) != (header.data_rows, header.parity_rows, header.row_bytes):
            raise InvalidMessage(f"a blob of {header.length} bytes in another shape")
        return header

    def encode(self) -> bytes:
        """HEADER_BYTES, as the core takes them."""
        shape = (self.data_rows, self.parity_rows, self.row_bytes)
        return _HEADER.pack(VERSION, *shape, self.length, self.row_root, self.checksum_root)

    @property
    def commitment(self) -> bytes:
        """32 bytes: what is signed, certified and asked for."""
        return sha256(self.encode()).digest()

    @property
    def rows(self) -> int:
        """Data and parity rows."""
        return self.data_rows + self.parity_rows

    @property
    def cells(self) -> int:
        """Cells of a row; the last may be shorter than CELL_BYTES."""
        return -(-self.row_bytes // CELL_BYTES)

    def places(self, offset: int, length: int) -> tuple[tuple[int, int], ...]:
        """The (row, cell) that hold `length` bytes of the blob from `offset` on, in order. Raises ValueError unless
        the blob has those bytes."""
        if length <= 0 or offset < 0 or offset + length > self.length:
            raise ValueError(f"{length} bytes from {offset} on of a blob of {self.length}")
        first, last = divmod(offset, self.row_bytes), divmod(offset + length - 1, self.row_bytes)
        (row, start), (last_row, end) = first, last
        cell, last_cell = start // CELL_BYTES, end // CELL_BYTES
        return tuple(
            (at, place)
            for at in range(row, last_row + 1)
            for place in range(cell if at == row else 0, last_cell + 1 if at == last_row else self.cells)
        )

    def read(self, offset: int, length: int, cells: Mapping[tuple[int, int], bytes]) -> bytes:
        """Those bytes of the blob out of cells that were checked. Raises KeyError without one of `places`."""
        places = self.places(offset, length)
        joined = b"".join(cells[place] for place in places)
        row, cell = places[0]
        start = offset - row * self.row_bytes - cell * CELL_BYTES
        return joined[start : start + length]


@dataclass(frozen=True, slots=True)
class BundledBlob:
    """Where a blob is in its bundle: an entry of `_core.BundleIndex` or of `_core.check_namespace`."""

    namespace: bytes
    """29 bytes."""
    digest: bytes
    """32 bytes: SHA-256 of the blob."""
    offset: int
    """From the bundle's first byte."""
    length: int

    def check(self, blob: bytes) -> bytes:
        """The blob, when it is the one of this entry. Raises InvalidMessage."""
        if len(blob) != self.length or sha256(blob).digest() != self.digest:
            raise InvalidMessage(f"{len(blob)} bytes that are not the blob of their place in the bundle")
        return blob

    def cut(self, bundle: bytes) -> bytes:
        """The blob out of its bundle. Raises InvalidMessage."""
        return self.check(bundle[self.offset : self.offset + self.length])
