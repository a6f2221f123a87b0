"""Celestia's blobs: their JSON, their namespaces, and the share commitment by which clients call them.

    share        namespace 29 ‖ info u8 ‖ [length u32, signer 20 with version 1: first share only] ‖ data, 512 bytes
    commitment   RFC 6962 root over the roots of namespaced trees, each over a power of two of the shares
    record       share version u8 ‖ [signer 20] ‖ data: how a blob lies in one of our bundles

Specified by celestia-app: "Data structures: shares", "Data square layout: share commitment rules" (threshold 64) and
by the namespaced Merkle tree.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from zg_node.da.encoding import NAMESPACE_BYTES
from zg_node.errors import InvalidMessage, InvalidRequest

SHARE_BYTES: Final = 512
SIGNER_BYTES: Final = 20
COMMITMENT_BYTES: Final = 32
SUBTREE_ROOTS_MAX: Final = 64
"""Celestia's subtree root threshold."""
RESERVED_MAX: Final = bytes(28) + b"\xff"
"""Namespaces up to this one are Celestia's own."""


@dataclass(frozen=True, slots=True)
class CelestiaBlob:
    """A blob under a namespace."""

    namespace: bytes
    """29 bytes."""
    data: bytes
    share_version: int = 0
    signer: bytes = b""
    """20 bytes with share version 1, else none."""

    @classmethod
    def of_json(cls, value: object) -> tuple[CelestiaBlob, bytes]:
        """A blob as clients submit it, and the commitment that they give it, perhaps none. Raises InvalidRequest."""
        if not isinstance(value, dict):
            raise InvalidRequest("a blob is an object with namespace and data")
        version = value.get("share_version") or 0
        signer = of_base64(value.get("signer") or "", "signer")
        data = of_base64(value.get("data"), "data")
        if not data:
            raise InvalidRequest("a blob has data")
        if type(version) is not int or (version, len(signer)) not in ((0, 0), (1, SIGNER_BYTES)):
            raise InvalidRequest("share_version is 0, or 1 with a signer of 20 bytes")
        blob = cls(namespace_of(value.get("namespace")), data, version, signer)
        return blob, of_base64(value.get("commitment") or "", "commitment")

    def to_json(self, commitment: bytes, index: int) -> dict[str, object]:
        """As clients read it; `index` says where it lies in its bundle."""
        return {
            "namespace": to_base64(self.namespace),
            "data": to_base64(self.data),
            "share_version": self.share_version,
            "commitment": to_base64(commitment),
            "signer": to_base64(self.signer) if self.signer else None,
            "index": index,
        }

    def record(self) -> bytes:
        """Its bytes in a bundle."""
        return bytes((self.share_version,)) + self.signer + self.data

    @classmethod
    def of_record(cls, namespace: bytes, record: bytes) -> CelestiaBlob:
        """Raises InvalidMessage for bytes that no `record` gives."""
        start = 1 + (SIGNER_BYTES if record[:1] == b"\x01" else 0)
        if not record or record[0] > 1 or len(record) <= start:
            raise InvalidMessage("no record of a blob with a namespace")
        return cls(namespace, record[start:], record[0], record[1:start])

    def shares(self) -> tuple[bytes, ...]:
        """SHARE_BYTES each, the last filled up with zeros."""
        info = self.share_version << 1
        first = len(self.data).to_bytes(4, "big") + self.signer
        room = SHARE_BYTES - NAMESPACE_BYTES - 1
        stream = first + self.data
        pieces = (stream[at : at + room] for at in range(0, len(stream), room))
        return tuple(
            (self.namespace + bytes((info | (place == 0),)) + piece).ljust(SHARE_BYTES, b"\0")
            for place, piece in enumerate(pieces)
        )

    def subtree_roots(self) -> tuple[bytes, ...]:
        """90 bytes each: of the trees over its shares."""
        shares = self.shares()
        sizes = mountain_sizes(len(shares), subtree_width(len(shares)))
        roots: list[bytes] = []
        at = 0
        for size in sizes:
            roots.append(_namespaced_root(self.namespace, shares[at : at + size]))
            at += size
        return tuple(roots)

    def commitment(self) -> bytes:
        """32 bytes; hashes every share, so large blobs are for a thread."""
        return _merkle_root(self.subtree_roots())


def namespace_of(value: object) -> bytes:
    """A namespace that blobs may have: version 0, ten bytes of a user's own. Raises InvalidRequest."""
    namespace = of_base64(value, "namespace")
    if len(namespace) != NAMESPACE_BYTES or any(namespace[:19]) or namespace <= RESERVED_MAX:
        raise InvalidRequest("a namespace is 29 bytes: 19 zeros, then ten that are not Celestia's own")
    return namespace


def of_base64(value: object, name: str) -> bytes:
    """Raises InvalidRequest."""
    try:
        if not isinstance(value, str):
            raise ValueError
        return b64decode(value, validate=True)
    except ValueError as error:
        raise InvalidRequest(f"{name} is a string in base64") from error


def to_base64(value: bytes) -> str:
    """With padding."""
    return b64encode(value).decode()


def subtree_width(shares: int) -> int:
    """Shares in the largest tree of a blob."""
    by_threshold = _power_of_two(-(-shares // SUBTREE_ROOTS_MAX))
    square = next(width for width in _powers() if width * width >= shares)
    return min(by_threshold, square)


def mountain_sizes(shares: int, width: int) -> Iterator[int]:
    """How many shares each tree has: `width`, then smaller powers of two."""
    while shares:
        size = width if shares >= width else 1 << shares.bit_length() - 1
        yield size
        shares -= size


def _powers() -> Iterator[int]:
    power = 1
    while True:
        yield power
        power *= 2


def _power_of_two(least: int) -> int:
    return next(power for power in _powers() if power >= least)


def _namespaced_root(namespace: bytes, shares: Sequence[bytes]) -> bytes:
    """Of a power of two of shares, all of one namespace: its minimum, its maximum, the hash."""
    span = namespace + namespace
    level = [span + sha256(b"\0" + namespace + share).digest() for share in shares]
    while len(level) > 1:
        level = [span + sha256(b"\1" + left + right).digest() for left, right in _pairs(level)]
    return level[0]


def _merkle_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962: the left tree is the largest full one that leaves something to the right."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + _merkle_root(leaves[:left]) + _merkle_root(leaves[left:])).digest()


def _pairs(level: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(level[::2], level[1::2], strict=True)
