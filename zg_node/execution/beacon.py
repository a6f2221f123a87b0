"""The beacon: every block mixes in a value that only its proposer can compute, and that it cannot choose. Pure.

    reveal(n) = voting key ‖ proof of (network, chain id, n)      33 + 81 bytes in the consensus header
    mix(n)    = keccak(mix(n−1) ‖ output(n))                      the EVM header's mixHash: prevRandao

The proof is of a verifiable random function (RFC 9381 over secp256k1). A key and a message have one output and many
proofs, since a prover may take any nonce: the mix depends on the output alone.

The message holds the height and nothing that a proposer could vary: not the view, or a leader of several views would
have a reveal for each; not the epoch, or a shard's leader would choose with the root block that it imports; not the
parent. What is left to a leader is to let its turn pass (docs/decisions/006).
"""

from __future__ import annotations

from typing import Protocol

from zg_node import _core
from zg_node.errors import InvalidBlock
from zg_node.types.block import ConsensusHeader
from zg_node.types.hashing import keccak

REVEAL_TAG = b"ZGREVL1\0"
KEY_BYTES = 33
"""A compressed public key."""


def reveal_message(network: bytes, chain_id: int, number: int) -> bytes:
    """What the proposer of the block with this height proves the output of."""
    return REVEAL_TAG + network + chain_id.to_bytes(8, "big") + number.to_bytes(8, "big")


def parts(reveal: bytes) -> tuple[bytes, bytes]:
    """(public key, proof)."""
    return reveal[:KEY_BYTES], reveal[KEY_BYTES:]


def mixed(mix: bytes, reveal: bytes) -> bytes:
    """32 bytes: the mix of a block from its parent's and its own reveal; of a draft with an empty reveal, from its
    parent's alone. Whose the reveal is is not asked. Raises InvalidBlock when it has no output."""
    output = _core.vrf_output(parts(reveal)[1]) if reveal else b""
    if output is None:
        raise InvalidBlock("what the proposer reveals is no proof")
    return keccak(mix + output)


class Beacon(Protocol):
    """Who reveals what on one chain; called in the shard's worker thread."""

    def reveal(self, number: int) -> bytes:
        """This node's reveal for a block of this height. Raises Unavailable on a node that does not vote."""
        ...

    def check(self, number: int, header: ConsensusHeader) -> None:
        """Raise InvalidBlock unless the block of this height and header has the reveal of who leads its view;
        Unavailable when the validators of its epoch are not known here."""
        ...
