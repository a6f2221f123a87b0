"""Proofs that a bundle holds a blob under a namespace, down to the commitment that the chain certified.

    certificate ─▶ commitment = SHA-256(header) ─▶ row root ─▶ cell 0 of row 0 ─▶ bundle's head ─▶ its index ─▶ entry

Clients pass proofs on as JSON in the shape of Celestia's list of range proofs: one, whose `start` and `end` are the
blob's bytes in the bundle and whose `nodes` are header, cell, the cell's path, and the namespace's proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from zg_node import _core
from zg_node.da.encoding import HEADER_BYTES, BundledBlob
from zg_node.errors import InvalidMessage, InvalidRequest
from zg_node.gateway.celestia_blob import of_base64, to_base64

NODES: Final = 4
CELL_HELD_BYTES: Final = 1_024
PATH_MAX_BYTES: Final = 32 * 64
NAMESPACE_PROOF_MAX_BYTES: Final = 16 << 20


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

    def to_json(self) -> list[dict[str, object]]:
        """As clients keep it."""
        nodes = [to_base64(node) for node in (self.header, self.cell, self.path, self.namespace_proof)]
        return [
            {
                "start": self.start,
                "end": self.end,
                "nodes": nodes,
                "leaf_hash": "",
                "is_max_namespace_ignored": True,
            }
        ]

    @classmethod
    def of_json(cls, value: object) -> InclusionProof:
        """Raises InvalidRequest for what `to_json` does not give."""
        if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
            raise InvalidRequest("a proof is a list of one range proof")
        start, end, nodes = (value[0].get(name) for name in ("start", "end", "nodes"))
        if type(start) is not int or type(end) is not int or not isinstance(nodes, list) or len(nodes) != NODES:
            raise InvalidRequest("a range proof has start, end and four nodes")
        header, cell, path, namespace_proof = (of_base64(node, "a node") for node in nodes)
        _bound("header", header, HEADER_BYTES)
        _bound("cell", cell, CELL_HELD_BYTES)
        _bound("path", path, PATH_MAX_BYTES)
        _bound("namespace proof", namespace_proof, NAMESPACE_PROOF_MAX_BYTES)
        return cls(start, end, header, cell, path, namespace_proof)


def entries(bundle: bytes, namespace: bytes) -> Sequence[BundledBlob]:
    """What a bundle has under a namespace; nothing when the bytes are no bundle."""
    try:
        return [BundledBlob(*entry) for entry in _core.BundleIndex(bundle, len(bundle)).entries(namespace)]
    except InvalidMessage:
        return ()


def _bound(name: str, value: bytes, most: int) -> None:
    if len(value) > most:
        raise InvalidRequest(f"a {name} of {len(value)} bytes: at most {most} belong to a proof")
