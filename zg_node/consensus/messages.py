"""What validators say to one another: proposals, votes and certificates, with their codecs.

    Proposal     the leader's block for a view, signed
    Vote         NOTARIZE(v, h) · SKIP(v) · FINALIZE(v, h), signed by one validator
    Certificate  a quorum of votes for one (kind, view, block)

Every signature is 65 bytes (r ‖ s ‖ recovery id) by secp256k1 over a keccak digest that any contract can rebuild,
bound to network, chain, epoch and view. A message says its epoch, so that one of another epoch is known for what it is
without its validator set. Encodings are RLP lists; `decode` accepts only what `encode` writes.

    domain    network 32 ‖ chain id u64 ‖ epoch u64
    vote      keccak("ZGVOTE1" ‖ kind u8 ‖ domain ‖ view u64 ‖ block hash 32)
    proposal  keccak("ZGPROP1\\0" ‖ domain ‖ view u64 ‖ parent view u64 ‖ block hash 32)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from zg_node.errors import InvalidMessage
from zg_node.types.block import BODY_MAX_BYTES, Block
from zg_node.types.encoding import encode
from zg_node.types.hashing import ZERO_HASH, keccak
from zg_node.types.shape import decode, strings

SIGNATURE_BYTES = 65
CERTIFICATE_MAX_BYTES = 64 * 1024
VOTE_MAX_BYTES = 256
PROPOSAL_MAX_BYTES = BODY_MAX_BYTES + 4096
DIGESTS_MAX = 256
"""Digests that are remembered: all validators vote for the same few."""


class VoteKind(IntEnum):
    """Which of Simplex's three votes."""

    NOTARIZE = 1
    SKIP = 2
    FINALIZE = 3


@dataclass(frozen=True, slots=True)
class Domain:
    """What a signature is bound to beside its content."""

    network: bytes
    """32 bytes: keccak of the network's genesis parameters."""
    chain_id: int
    epoch: int

    def vote_digest(self, kind: VoteKind, view: int, block_hash: bytes) -> bytes:
        """32 bytes to sign for a vote; `block_hash` is zero for SKIP."""
        return _vote_digest(self, kind, view, block_hash)

    def proposal_digest(self, view: int, parent_view: int, block_hash: bytes) -> bytes:
        """32 bytes to sign for a proposal."""
        return keccak(b"ZGPROP1\0" + self._bound(view) + parent_view.to_bytes(8, "big") + block_hash)

    def _bound(self, view: int) -> bytes:
        return self.network + struct.pack(">QQQ", self.chain_id, self.epoch, view)


@lru_cache(DIGESTS_MAX)
def _vote_digest(domain: Domain, kind: VoteKind, view: int, block_hash: bytes) -> bytes:
    return keccak(b"ZGVOTE1" + bytes([kind]) + domain._bound(view) + block_hash)


@dataclass(frozen=True, slots=True)
class Vote:
    """One validator's vote."""

    kind: VoteKind
    epoch: int
    view: int
    block_hash: bytes
    """32 bytes; zero for SKIP."""
    voter: int
    """Index in the validator set."""
    signature: bytes

    def encode(self) -> bytes:
        return encode([int(self.kind), self.epoch, self.view, self.block_hash, self.voter, self.signature])

    @classmethod
    def decode(cls, data: bytes) -> Vote:
        """Parse; raises InvalidMessage."""
        kind, epoch, view, block_hash, voter, signature = strings(data, 6, VOTE_MAX_BYTES, "vote")
        vote = cls(_kind(kind), _number(epoch), _number(view), block_hash, _number(voter), signature)
        _check_target(vote.kind, block_hash)
        if len(signature) != SIGNATURE_BYTES:
            raise InvalidMessage(f"vote: a signature of {len(signature)} bytes")
        return vote


@dataclass(frozen=True, slots=True)
class Certificate:
    """A quorum's votes for one target. For FINALIZE it is the proof of finality of the block and all its ancestors."""

    kind: VoteKind
    epoch: int
    view: int
    block_hash: bytes
    signatures: tuple[tuple[int, bytes], ...]
    """(voter index, signature), ascending by voter."""

    def encode(self) -> bytes:
        fields = (int(self.kind), self.epoch, self.view, self.block_hash, self.signatures)
        return encode(fields)

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """Parse; raises InvalidMessage. Signatures are checked by `ValidatorSet.check_certificate`."""
        match decode(data, CERTIFICATE_MAX_BYTES, "certificate"):
            case [bytes() as kind, bytes() as epoch, bytes() as view, bytes() as block_hash, list() as signatures]:
                parsed = tuple(_signature(item) for item in signatures)
            case _:
                raise InvalidMessage("certificate: wrong shape")
        voters = [voter for voter, _ in parsed]
        if voters != sorted(set(voters)):
            raise InvalidMessage("certificate: voters are not in order")
        certificate = cls(_kind(kind), _number(epoch), _number(view), block_hash, parsed)
        _check_target(certificate.kind, block_hash)
        return certificate


@dataclass(frozen=True, slots=True)
class Proposal:
    """A leader's block for a view, built on the block notarized in `parent_view`.

    An epoch's last block is proposed again, unchanged, by later leaders: its `parent_view` is then the view in which it
    was notarized itself, and its own view lies behind the proposal's. Its epoch is its block's."""

    view: int
    parent_view: int
    block: Block
    leader: int
    signature: bytes

    @property
    def epoch(self) -> int:
        return self.block.consensus.epoch

    def repeats(self, other: Proposal) -> bool:
        """Whether it says the same as another one for its view."""
        return (self.parent_view, self.block.hash) == (other.parent_view, other.block.hash)

    def encode(self) -> bytes:
        return encode([self.view, self.parent_view, self.block.encode(), self.leader, self.signature])

    @classmethod
    def decode(cls, data: bytes) -> Proposal:
        """Parse; raises InvalidMessage."""
        view, parent_view, block, leader, signature = strings(data, 5, PROPOSAL_MAX_BYTES, "proposal")
        proposal = cls(_number(view), _number(parent_view), Block.decode(block), _number(leader), signature)
        if len(signature) != SIGNATURE_BYTES or proposal.block.consensus.view > proposal.view:
            raise InvalidMessage("proposal: contradicts its block")
        return proposal


def _number(data: bytes) -> int:
    if len(data) > 8 or data[:1] == b"\0":
        raise InvalidMessage("a number is out of range")
    return int.from_bytes(data, "big")


def _kind(data: bytes) -> VoteKind:
    try:
        return VoteKind(_number(data))
    except ValueError as error:
        raise InvalidMessage(f"unknown vote kind {data.hex()}") from error


def _signature(item: object) -> tuple[int, bytes]:
    match item:
        case [bytes() as voter, bytes() as signature] if len(signature) == SIGNATURE_BYTES:
            return _number(voter), signature
    raise InvalidMessage("certificate: a signature has the wrong shape")


def _check_target(kind: VoteKind, block_hash: bytes) -> None:
    if len(block_hash) != 32 or (kind is VoteKind.SKIP) != (block_hash == ZERO_HASH):
        raise InvalidMessage("a vote's target does not fit its kind")
