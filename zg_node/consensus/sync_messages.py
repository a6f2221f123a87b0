"""What nodes ask one another for when they are behind: requests and answers of `/zg/blocksync/1`, with their codecs.

    STATUS    where are your shards?                        → Status
    BLOCKS    final blocks from a height on                 → Range     (headers only when no byte of a body is allowed)
    PART      a piece of one block's body, senders, receipts → Part
    CANDIDATE a piece of a block that is not final yet      → Part
    EPOCHS    what proves the validator sets since genesis  → EpochProof …
    SNAPSHOT  which state can you serve?                    → Manifest
    CHUNK     one piece of it                               → bytes

    request = kind (1 byte) ‖ RLP list;  answer = RLP list (CHUNK: the chunk itself)

An answer fits into RESPONSE_MAX_BYTES; a body that does not is left out of its Range and fetched in parts. Decoding
checks sizes and shapes and that consecutive headers belong together; what they prove is `sync_verify`'s business. A
node that lacks what it is asked for answers nothing: the request fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from zg_node.consensus.light import EpochProof
from zg_node.consensus.messages import CERTIFICATE_MAX_BYTES, Certificate
from zg_node.errors import InvalidMessage
from zg_node.p2p.network import REQUEST_MAX_BYTES, RESPONSE_MAX_BYTES
from zg_node.types.block import BODY_MAX_BYTES, ConsensusHeader, Header
from zg_node.types.encoding import encode
from zg_node.types.shape import decode

PROTOCOL = "/zg/blocksync/1"

RANGE_MAX_BLOCKS = 64
"""Bodies in one answer; requests end at multiples of it, so that certificates stay near the blocks that they prove."""
TAIL_MAX_HEADERS = 512
"""Headers between the last body and the certified block."""
RANGE_MAX_BODY_BYTES = RESPONSE_MAX_BYTES - 1024 * 1024
"""Bodies in one answer; headers and certificate take less than the rest."""
PART_MAX_BYTES = RESPONSE_MAX_BYTES - 1024
SHARDS_MAX = 1024
EPOCHS_MAX = 128
CHUNKS_MAX = 100_000
"""Chunks of a snapshot: about 100 GB of state, and a manifest that fits into one answer."""
PARTED_MAX_BYTES = 64 * 1024 * 1024
"""What is sent in parts: a block, or the receipts of one."""


class Kind(IntEnum):
    """First byte of a request."""

    STATUS = 1
    BLOCKS = 2
    PART = 3
    CANDIDATE = 4
    EPOCHS = 5
    SNAPSHOT = 6
    CHUNK = 7


class Piece(IntEnum):
    """Which part of a stored block."""

    BODY = 0
    SENDERS = 1
    RECEIPTS = 2


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """Where are your shards?"""

    network: bytes
    """32 bytes."""

    def encode(self) -> bytes:
        return _request(Kind.STATUS, self.network)


@dataclass(frozen=True, slots=True)
class BlocksRequest:
    """Final blocks `first` … `first` + `count` − 1, or as many of them as the answer holds."""

    shard: int
    first: int
    count: int
    max_bytes: int
    """Bytes of bodies at most; 0 asks for headers alone."""

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    def encode(self) -> bytes:
        return _request(Kind.BLOCKS, self.shard, self.first, self.count, self.max_bytes)


@dataclass(frozen=True, slots=True)
class PartRequest:
    """A piece of block `number` from byte `offset` on."""

    shard: int
    number: int
    piece: Piece
    offset: int

    def encode(self) -> bytes:
        return _request(Kind.PART, self.shard, self.number, int(self.piece), self.offset)


@dataclass(frozen=True, slots=True)
class CandidateRequest:
    """The encoded block `block_hash`, proposed in `view`, from byte `offset` on."""

    shard: int
    view: int
    block_hash: bytes
    offset: int

    def encode(self) -> bytes:
        return _request(Kind.CANDIDATE, self.shard, self.view, self.block_hash, self.offset)


@dataclass(frozen=True, slots=True)
class EpochsRequest:
    """What proves the ends of the epochs `first` … `first` + `count` − 1."""

    shard: int
    first: int
    count: int

    def encode(self) -> bytes:
        return _request(Kind.EPOCHS, self.shard, self.first, self.count)


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """The newest state that you serve."""

    shard: int

    def encode(self) -> bytes:
        return _request(Kind.SNAPSHOT, self.shard)


@dataclass(frozen=True, slots=True)
class ChunkRequest:
    """Chunk `index` of the state after block `number`."""

    shard: int
    number: int
    index: int

    def encode(self) -> bytes:
        return _request(Kind.CHUNK, self.shard, self.number, self.index)


Request = (
    StatusRequest | BlocksRequest | PartRequest | CandidateRequest | EpochsRequest | SnapshotRequest | ChunkRequest
)


def decode_request(data: bytes) -> Request:
    """Parse a peer's request; raises InvalidMessage."""
    fields = _fields(data[1:])
    match data[:1], fields:
        case b"\x01", [network] if len(network) == 32:
            return StatusRequest(network)
        case b"\x02", [shard, first, count, max_bytes] if 0 < uint(count) <= RANGE_MAX_BLOCKS:
            return BlocksRequest(uint(shard, 16), uint(first), uint(count), uint(max_bytes))
        case b"\x03", [shard, number, piece, offset] if uint(piece) in tuple(Piece):
            return PartRequest(uint(shard, 16), uint(number), Piece(uint(piece)), uint(offset))
        case b"\x04", [shard, view, block_hash, offset] if len(block_hash) == 32:
            return CandidateRequest(uint(shard, 16), uint(view), block_hash, uint(offset))
        case b"\x05", [shard, first, count] if 0 < uint(count) <= EPOCHS_MAX:
            return EpochsRequest(uint(shard, 16), uint(first), uint(count))
        case b"\x06", [shard]:
            return SnapshotRequest(uint(shard, 16))
        case b"\x07", [shard, number, index] if uint(index) < CHUNKS_MAX:
            return ChunkRequest(uint(shard, 16), uint(number), uint(index))
    raise InvalidMessage(f"sync request: unknown, or out of range: {data[:1].hex()}")


def _fields(data: bytes) -> list[bytes]:
    items = decode(data, REQUEST_MAX_BYTES, "sync request")
    if isinstance(items, list) and all(isinstance(item, bytes) for item in items):
        return items
    raise InvalidMessage("sync request: not a list of strings")


def _request(kind: Kind, *fields: int | bytes) -> bytes:
    return bytes([kind]) + encode(fields)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """Where one shard of a peer stands. Nothing here is proven."""

    shard: int
    number: int
    """Height of the newest final block."""
    hash: bytes
    view: int
    """The view in which it was finalised."""
    first: int
    """The oldest block from which on every block is kept."""


@dataclass(frozen=True, slots=True)
class Status:
    """A peer's shards."""

    network: bytes
    shards: tuple[ShardStatus, ...]
    """Ascending."""

    def encode(self) -> bytes:
        return encode([self.network, [[s.shard, s.number, s.hash, s.view, s.first] for s in self.shards]])

    @classmethod
    def decode(cls, data: bytes) -> Status:
        """Parse; raises InvalidMessage."""
        match decode(data, 128 * SHARDS_MAX, "status"):
            case [bytes() as network, list() as rows] if len(network) == 32 and len(rows) <= SHARDS_MAX:
                shards = tuple(map(_shard_status, rows))
                if all(one.shard < other.shard for one, other in pairwise(shards)):
                    return cls(network, shards)
        raise InvalidMessage("status: wrong shape")


def _shard_status(row: object) -> ShardStatus:
    match row:
        case [bytes() as shard, bytes() as number, bytes() as head, bytes() as view, bytes() as first]:
            status = ShardStatus(uint(shard, 16), uint(number), head, uint(view), uint(first))
            if len(head) == 32 and status.first <= status.number:
                return status
    raise InvalidMessage("status: a shard has the wrong shape")


@dataclass(frozen=True, slots=True)
class Headers:
    """A block without its body."""

    header: Header
    consensus: ConsensusHeader

    @classmethod
    def decode(cls, item: object) -> Headers:
        """From an RLP pair; raises InvalidMessage unless the two belong together."""
        match item:
            case [bytes() as header, bytes() as consensus]:
                headers = cls(Header.decode(header), ConsensusHeader.decode(consensus))
                if headers.header.extra_data == headers.consensus.hash():
                    return headers
                raise InvalidMessage("headers: extraData is not the consensus header's hash")
        raise InvalidMessage("headers: wrong shape")


@dataclass(frozen=True, slots=True)
class Range:
    """Final blocks in order, up to one that has a certificate of its own.

    The bodies are those of the first headers. Headers without a body lead to the certified block; without any body the
    first one was too large, or none was wanted."""

    headers: tuple[Headers, ...]
    bodies: tuple[bytes, ...]
    body_size: int
    """Bytes of the first block's body."""
    certificate: Certificate
    """FINALIZE for the last header."""

    def encode(self) -> bytes:
        headers = [[h.header.raw, h.consensus.encode()] for h in self.headers]
        return encode([headers, self.bodies, self.body_size, self.certificate.encode()])

    @classmethod
    def decode(cls, data: bytes) -> Range:
        """Parse; raises InvalidMessage unless the headers are a chain that ends where the certificate points."""
        match decode(data, RESPONSE_MAX_BYTES, "range"):
            case [list() as headers, list() as bodies, bytes() as size, bytes() as certificate] if (
                0 < len(headers) <= RANGE_MAX_BLOCKS + TAIL_MAX_HEADERS
                and len(bodies) <= min(len(headers), RANGE_MAX_BLOCKS)
                and all(isinstance(body, bytes) for body in bodies)
                and len(certificate) <= CERTIFICATE_MAX_BYTES
            ):
                parsed = tuple(map(Headers.decode, headers))
                found = cls(parsed, tuple(bodies), uint(size), Certificate.decode(certificate))
                found._check()
                return found
        raise InvalidMessage("range: wrong shape")

    def _check(self) -> None:
        for parent, child in pairwise(self.headers):
            if child.header.parent_hash != parent.header.hash or child.header.number != parent.header.number + 1:
                raise InvalidMessage("range: the headers are no chain")
        if self.certificate.block_hash != self.headers[-1].header.hash:
            raise InvalidMessage("range: the certificate is of another block")
        if self.body_size > BODY_MAX_BYTES or (self.bodies and len(self.bodies[0]) != self.body_size):
            raise InvalidMessage("range: a body's size is wrong")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of something that may be larger than one answer."""

    total: int
    """Bytes of the whole."""
    data: bytes

    def is_at(self, offset: int) -> bool:
        """Whether it is as long as the part from `offset` on has to be: an answer's worth, or all that is left."""
        return len(self.data) == min(PART_MAX_BYTES, self.total - offset)

    def encode(self) -> bytes:
        return encode([self.total, self.data])

    @classmethod
    def decode(cls, data: bytes) -> Part:
        """Parse; raises InvalidMessage."""
        match decode(data, RESPONSE_MAX_BYTES, "part"):
            case [bytes() as total, bytes() as piece]:
                part = cls(uint(total), piece)
                if part.total <= PARTED_MAX_BYTES and len(piece) <= part.total:
                    return part
        raise InvalidMessage("part: wrong shape")


def encode_epochs(proofs: list[bytes]) -> bytes:
    """The answer to EPOCHS, of encoded proofs."""
    return encode(proofs)


def decode_epochs(data: bytes) -> tuple[EpochProof, ...]:
    """Parse; raises InvalidMessage. What they prove is `light.Trusted`'s business."""
    items = decode(data, RESPONSE_MAX_BYTES, "epochs")
    if not isinstance(items, list) or len(items) > EPOCHS_MAX or not all(isinstance(item, bytes) for item in items):
        raise InvalidMessage("epochs: wrong shape")
    return tuple(map(EpochProof.decode, items))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot consists of. Peers that cut the same state agree on it byte for byte."""

    number: int
    """The block after which the state was taken."""
    block_hash: bytes
    chunks: tuple[bytes, ...]
    """Keccak of each chunk, in order."""

    def encode(self) -> bytes:
        return encode([self.number, self.block_hash, b"".join(self.chunks)])

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Parse; raises InvalidMessage."""
        match decode(data, RESPONSE_MAX_BYTES, "manifest"):
            case [bytes() as number, bytes() as block_hash, bytes() as chunks] if (
                len(block_hash) == 32 and len(chunks) % 32 == 0 and 0 < len(chunks) <= 32 * CHUNKS_MAX
            ):
                hashes = (chunks[at : at + 32] for at in range(0, len(chunks), 32))
                return cls(uint(number), block_hash, tuple(hashes))
        raise InvalidMessage("manifest: wrong shape")


def cut(whole: bytes, offset: int) -> Part:
    """The part of `whole` from `offset` on, as large as an answer may be. Raises InvalidMessage past the end."""
    if offset > len(whole):
        raise InvalidMessage(f"part: offset {offset} of {len(whole)} bytes")
    return Part(len(whole), whole[offset : offset + PART_MAX_BYTES])


def uint(data: bytes, bits: int = 63) -> int:
    """A canonical unsigned number below 2^bits; raises InvalidMessage."""
    value = int.from_bytes(data, "big")
    if data[:1] == b"\0" or value.bit_length() > bits:
        raise InvalidMessage("sync message: a number is out of range")
    return value
