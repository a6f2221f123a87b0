"""Epochs: which block ends one, which set votes on a block, what a child's consensus header must say about both.

    root shard    block n ≥ 1 is in epoch (n−1) // E; n = (e+1)·E is the last of e
    other shards  a block names the newest final root header that it imports; importing root block (e+1)·E ends e

                  … ── child ── last(e): next_set_hash = hash of e+1's set ── first(e+1): set_hash = that ── …

The set of e+2 is fixed by the root's state at the last block of e, so a set is known a whole epoch before it votes.
Epochs 0 and 1 have the genesis set. Pure: where sets and root headers come from is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from zg_node.consensus.votes import ValidatorSet
from zg_node.errors import InvalidBlock, Unavailable
from zg_node.types.block import Block, ConsensusHeader
from zg_node.types.hashing import ZERO_HASH


@dataclass(frozen=True, slots=True)
class RootPoint:
    """A final header of the root shard."""

    number: int
    hash: bytes


class RootChain(Protocol):
    """What a shard knows of the root shard's final headers."""

    def newest(self) -> RootPoint:
        """The highest."""
        ...

    def hash_at(self, number: int) -> bytes | None:
        """The hash at a height; None when it is not final here yet."""
        ...


@dataclass(frozen=True, slots=True)
class EpochFields:
    """The part of a consensus header that follows from epochs."""

    epoch: int
    set_hash: bytes
    next_set_hash: bytes
    root_number: int
    root_hash: bytes

    @classmethod
    def of(cls, header: ConsensusHeader) -> EpochFields:
        return cls(header.epoch, header.set_hash, header.next_set_hash, header.root_number, header.root_hash)


Sets = Callable[[int], ValidatorSet | None]
"""The set of an epoch; None while it is not known here."""


@dataclass(frozen=True, slots=True)
class Epochs:
    """The rules of one shard."""

    shard: int
    """0 is the root."""
    length: int
    """E: root blocks in an epoch."""

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError("an epoch has at least one block")

    def last_of(self, epoch: int) -> int:
        """Height of the root block that ends `epoch`."""
        return (epoch + 1) * self.length

    def epoch_of_root(self, number: int) -> int:
        """The epoch of a root block; genesis counts to epoch 0."""
        return max(number - 1, 0) // self.length

    def ends(self, number: int, header: ConsensusHeader) -> bool:
        """Whether the block of this height and consensus header is the last of its epoch."""
        reached = number if self.shard == 0 else header.root_number
        return reached == self.last_of(header.epoch)

    def is_last(self, block: Block) -> bool:
        """`ends`, for `Simplex`."""
        return self.ends(block.number, block.consensus)

    def epoch_after(self, number: int, header: ConsensusHeader) -> int:
        """The epoch of this block's children."""
        return header.epoch + self.ends(number, header)

    def expected(self, number: int, parent: ConsensusHeader, sets: Sets, root: RootChain) -> EpochFields:
        """What a proposer writes into the child of the block with this height and consensus header. It imports the
        newest root header, up to the one that ends the epoch. Raises Unavailable when a set is not known."""
        if self.shard == 0:
            return self._fields(number, parent, RootPoint(0, ZERO_HASH), sets)
        newest, limit = root.newest(), self.last_of(self.epoch_after(number, parent))
        if newest.number > limit:
            found = root.hash_at(limit)
            if found is None:
                raise Unavailable(f"root header {limit} is not kept here")
            newest = RootPoint(limit, found)
        if newest.number <= parent.root_number:
            newest = RootPoint(parent.root_number, parent.root_hash)
        return self._fields(number, parent, newest, sets)

    def check(self, number: int, parent: ConsensusHeader, child: ConsensusHeader, sets: Sets, root: RootChain) -> None:
        """Raise InvalidBlock unless `child` may follow the block with this height and consensus header; Unavailable
        while the root header that it imports, or a set, is not here yet."""
        point = RootPoint(child.root_number, child.root_hash)
        if self.shard == 0:
            point = RootPoint(0, ZERO_HASH)
        else:
            self._check_import(number, parent, point, root)
        if EpochFields.of(child) != self._fields(number, parent, point, sets):
            raise InvalidBlock("epoch, validator sets or root header do not follow from the parent")

    def _check_import(self, number: int, parent: ConsensusHeader, point: RootPoint, root: RootChain) -> None:
        limit = self.last_of(self.epoch_after(number, parent))
        if not parent.root_number <= point.number <= limit:
            raise InvalidBlock(f"root header {point.number} imported, after {parent.root_number} and up to {limit}")
        if point.number == parent.root_number:
            known: bytes | None = parent.root_hash
        else:
            known = root.hash_at(point.number)
        if known is None:
            raise Unavailable(f"root header {point.number} is not final here yet")
        if known != point.hash:
            raise InvalidBlock(f"the root header imported for height {point.number} is not the final one")

    def _fields(self, number: int, parent: ConsensusHeader, point: RootPoint, sets: Sets) -> EpochFields:
        epoch = self.epoch_after(number, parent)
        reached = number + 1 if self.shard == 0 else point.number
        last = reached == self.last_of(epoch)
        set_hash = _hash_of(sets, epoch)
        return EpochFields(epoch, set_hash, _hash_of(sets, epoch + 1) if last else set_hash, point.number, point.hash)


def _hash_of(sets: Sets, epoch: int) -> bytes:
    members = sets(epoch)
    if members is None:
        raise Unavailable(f"the validator set of epoch {epoch} is not known here")
    return members.hash()
