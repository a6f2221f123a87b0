"""Proofs that a bundle holds a blob under a namespace, down to the commitment that the chain certified.

    certificate ─▶ commitment = SHA-256(header) ─▶ row root ─▶ cell 0 of row 0 ─▶ bundle's head ─▶ its index ─▶ entry

Clients pass proofs on as JSON in the shape of Celestia's list of range proofs, and some take the nodes for namespaced
hashes. So there is one range proof, whose `start` and `end` are the blob's bytes in the bundle. Its nodes are pieces of
32 bytes, with the namespace twice before each and zeros at the end, of

    lengths of cell and path u16, of the namespace's proof u32 ‖ header 81 ‖ cell ‖ path ‖ namespace's proof
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import Final

from zg_node import _core
from zg_node.da.encoding import HEADER_BYTES, NAMESPACE_BYTES, BundledBlob
from zg_node.errors import InvalidMessage, InvalidRequest
from zg_node.gateway.celestia_blob import of_base64, to_base64

NODE_SPAN_BYTES: Final = 2 * NAMESPACE_BYTES
"""Of a namespaced hash: the least and the greatest namespace below it."""
NODE_HASH_BYTES: Final = 32
CELL_HELD_BYTES: Final = 1_024
PATH_MAX_BYTES: Final = 32 * 64
NAMESPACE_PROOF_MAX_BYTES: Final = 16 << 20

_LENGTHS = struct.Struct(">HHI")


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That the bytes `start` to `end` of a bundle are a blob under a namespace."""

    start: int
    end: int
    header: bytes
    cell: bytes
    """Cell 0 of row 0."""
    path: bytes
    namespace_proof: bytes

    @classmethod
    def of(cls, bundle: bytes, namespace: bytes, entry: BundledBlob) -> InclusionProof:
        """Encodes the bundle again: takes as long as storing it did on this side."""
        encoding = _core.Encoding(bundle)
        ((_, _, cell, path),) = encoding.cells([(0, 0)])
        proof = _core.BundleIndex(bundle, len(bundle)).prove(namespace)
        return cls(entry.offset, entry.offset + entry.length, encoding.header(), cell, path, proof)

    @property
    def commitment(self) -> bytes:
        """32 bytes: what the chain has to have certified."""
        return sha256(self.header).digest()

    def check(self, namespace: bytes) -> BundledBlob:
        """The blob's entry. Raises InvalidMessage when the proof does not show it."""
        refused = _core.refused_cells(self.header, [(0, 0, self.cell, self.path)])
        if refused:
            raise InvalidMessage(f"the bundle's beginning is not the committed one: {refused[0][1]}")
        for found in _core.check_namespace(self.cell, namespace, self.namespace_proof):
            entry = BundledBlob(*found)
            if (entry.offset, entry.offset + entry.length) == (self.start, self.end):
                return entry
        raise InvalidMessage("the namespace has no such blob")

    def to_json(self, namespace: bytes) -> list[dict[str, object]]:
        """As clients keep it."""
        parts = self.cell, self.path, self.namespace_proof
        packed = _LENGTHS.pack(*map(len, parts)) + self.header + b"".join(parts)
        packed += bytes(-len(packed) % NODE_HASH_BYTES)
        pieces = (packed[at : at + NODE_HASH_BYTES] for at in range(0, len(packed), NODE_HASH_BYTES))
        return [
            {
                "start": self.start,
                "end": self.end,
                "nodes": [to_base64(namespace + namespace + piece) for piece in pieces],
                "leaf_hash": "",
                "is_max_namespace_ignored": True,
            }
        ]

    @classmethod
    def of_json(cls, value: object, namespace: bytes) -> InclusionProof:
        """Raises InvalidRequest for what has another form than `to_json` gives, InvalidMessage for what has the form
        and is not what it gives; some clients leave the list around it away, and some an empty `leaf_hash`."""
        if isinstance(value, list) and len(value) == 1:
            (value,) = value
        if not isinstance(value, dict):
            raise InvalidRequest("a proof is a list of one range proof")
        start, end, nodes = (value.get(name) for name in ("start", "end", "nodes"))
        if type(start) is not int or type(end) is not int or not isinstance(nodes, list):
            raise InvalidRequest("a range proof has start, end and nodes")
        packed = b"".join(_piece(node, namespace) for node in nodes)
        if len(packed) < _LENGTHS.size:
            raise InvalidRequest("a proof without nodes")
        if value.get("leaf_hash") not in (None, "") or value.get("is_max_namespace_ignored") is not True:
            raise InvalidMessage("a proof of presence has no leaf hash, and ignores the greatest namespace")
        cell, path, namespace_proof = _LENGTHS.unpack_from(packed)
        _bound("cell", cell, CELL_HELD_BYTES)
        _bound("path", path, PATH_MAX_BYTES)
        _bound("namespace proof", namespace_proof, NAMESPACE_PROOF_MAX_BYTES)
        cuts = list(accumulate((_LENGTHS.size, HEADER_BYTES, cell, path, namespace_proof)))
        if len(packed) != cuts[-1] + -cuts[-1] % NODE_HASH_BYTES or any(packed[cuts[-1] :]):
            raise InvalidMessage(f"a proof of {len(nodes)} nodes, which are not as many as its parts need")
        return cls(start, end, *(packed[begin:stop] for begin, stop in pairwise(cuts)))


def entries(bundle: bytes, namespace: bytes) -> Sequence[BundledBlob]:
    """What a bundle has under a namespace; nothing when the bytes are no bundle."""
    try:
        return [BundledBlob(*entry) for entry in _core.BundleIndex(bundle, len(bundle)).entries(namespace)]
    except InvalidMessage:
        return ()


def _piece(node: object, namespace: bytes) -> bytes:
    """What a node carries. Raises InvalidRequest, InvalidMessage when it is not of the namespace alone."""
    data = of_base64(node, "a proof's node")
    if len(data) != NODE_SPAN_BYTES + NODE_HASH_BYTES:
        raise InvalidRequest(f"a proof's node of {len(data)} bytes: it has {NODE_SPAN_BYTES + NODE_HASH_BYTES}")
    if data[:NODE_SPAN_BYTES] != namespace + namespace:
        raise InvalidMessage("a proof's node is of another namespace")
    return data[NODE_SPAN_BYTES:]


def _bound(name: str, size: int, most: int) -> None:
    if size > most:
        raise InvalidMessage(f"a {name} of {size} bytes: at most {most} belong to a proof")
