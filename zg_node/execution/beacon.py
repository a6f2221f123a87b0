"""The beacon: every block mixes in a value that only its proposer can make, and can make in one way. Pure.

    reveal(n) = the proposer's BLS signature of (network, chain id, n)        96 bytes in the consensus header
    mix(n)    = keccak(mix(n−1) ‖ keccak(reveal(n)))                          the EVM header's mixHash: prevRandao

What is signed holds the height and nothing that a proposer could vary: not the view, or a leader of several views would
have a reveal for each; not the epoch, or a shard's leader would choose with the root block that it imports; not the
parent. What is left to a leader is to let its turn pass (docs/decisions/006).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from zg_node import _core
from zg_node.types.block import ConsensusHeader
from zg_node.types.hashing import keccak

REVEAL_TAG = b"ZGREVL1\0"


def reveal_message(network: bytes, chain_id: int, number: int) -> bytes:
    """What the proposer of the block with this height signs."""
    return REVEAL_TAG + network + chain_id.to_bytes(8, "big") + number.to_bytes(8, "big")


def mixed(mix: bytes, reveal: bytes) -> bytes:
    """32 bytes: the mix of a block from its parent's and its own reveal."""
    return keccak(mix + keccak(reveal))


@dataclass(frozen=True, slots=True)
class Scheme:
    """Signatures of which every key has exactly one a message; the simulator puts cheaper ones in place."""

    sign: Callable[[bytes, bytes], bytes]
    """(secret, message) to 96 bytes."""
    verify: Callable[[bytes, bytes, bytes], bool]
    """Of (public key of 48 bytes, message, signature), whether they belong together."""


BLS = Scheme(_core.bls_sign, _core.bls_verify)
"""BLS12-381 with keys in G1."""


class Beacon(Protocol):
    """Who reveals what on one chain; called in the shard's worker thread."""

    def reveal(self, number: int) -> bytes:
        """This node's reveal for a block of this height. Raises Unavailable on a node that does not vote."""
        ...

    def check(self, number: int, header: ConsensusHeader) -> None:
        """Raise InvalidBlock unless the block of this height and header has the reveal of who leads its view;
        Unavailable when the validators of its epoch are not known here."""
        ...
