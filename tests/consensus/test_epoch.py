"""Epochs: a chain made by `expected` passes `check`, whatever the root does; nothing else does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zg_node.consensus.epoch import EpochFields, Epochs, RootPoint
from zg_node.consensus.votes import Validator, ValidatorSet
from zg_node.errors import InvalidBlock, Unavailable
from zg_node.types.block import ConsensusHeader
from zg_node.types.hashing import ZERO_HASH, keccak

LENGTH = 5
ROOT, SHARD = Epochs(0, LENGTH), Epochs(3, LENGTH)


def members_of(epoch: int) -> ValidatorSet:
    """A set an epoch; the first two are the same."""
    return ValidatorSet((Validator(bytes([max(epoch, 1)]) * 20, 1),))


def sets(epoch: int) -> ValidatorSet | None:
    return members_of(epoch) if epoch < 50 else None


def root_hash(number: int) -> bytes:
    return keccak(number.to_bytes(8, "big"))


@dataclass(slots=True)
class Root:
    """A root shard with final headers up to `height`."""

    height: int = 0
    forgotten: set[int] = field(default_factory=set)

    def newest(self) -> RootPoint:
        return RootPoint(self.height, root_hash(self.height))

    def hash_at(self, number: int) -> bytes | None:
        return root_hash(number) if number <= self.height and number not in self.forgotten else None


GENESIS_HASH = members_of(0).hash()
GENESIS = ConsensusHeader(ZERO_HASH, 0, 0, 0, GENESIS_HASH, GENESIS_HASH, 0, 0, 0, ZERO_HASH)


def header(fields: EpochFields) -> ConsensusHeader:
    return replace(
        GENESIS,
        epoch=fields.epoch,
        set_hash=fields.set_hash,
        next_set_hash=fields.next_set_hash,
        root_number=fields.root_number,
        root_hash=fields.root_hash,
    )


def test_the_roots_epochs_are_counted_by_height() -> None:
    assert [ROOT.epoch_of_root(n) for n in (0, 1, 5, 6, 10, 11)] == [0, 0, 0, 1, 1, 2]
    parent = GENESIS
    for number in range(1, 23):
        child = header(ROOT.expected(number - 1, parent, sets, Root()))
        ROOT.check(number - 1, parent, child, sets, Root())
        assert child.epoch == ROOT.epoch_of_root(number)
        last = number % LENGTH == 0
        assert ROOT.ends(number, child) is last
        assert child.set_hash == members_of(child.epoch).hash()
        assert child.next_set_hash == members_of(child.epoch + last).hash()
        assert (child.root_number, child.root_hash) == (0, ZERO_HASH)
        parent = child


@settings(max_examples=200)
@given(st.lists(st.integers(0, 2 * LENGTH), min_size=1, max_size=30))
def test_a_shard_ends_its_epoch_with_the_roots_last_header_however_fast_the_root_is(growth: list[int]) -> None:
    root, parent = Root(), GENESIS
    for number, more in enumerate(growth):
        root.height += more
        child = header(SHARD.expected(number, parent, sets, root))
        SHARD.check(number, parent, child, sets, root)
        assert parent.root_number <= child.root_number <= min(root.height, SHARD.last_of(child.epoch))
        assert child.root_number == min(root.height, SHARD.last_of(child.epoch))
        assert child.epoch == parent.epoch + (parent.root_number == SHARD.last_of(parent.epoch))
        assert child.set_hash == members_of(child.epoch).hash()
        assert child.next_set_hash == members_of(child.epoch + SHARD.ends(number + 1, child)).hash()
        parent = child


PARENT = header(EpochFields(2, members_of(2).hash(), members_of(2).hash(), 12, root_hash(12)))
CHILD = header(EpochFields(2, members_of(2).hash(), members_of(2).hash(), 13, root_hash(13)))


def test_a_proposer_may_import_less_than_the_newest_header() -> None:
    for number in (12, 13, 14):
        SHARD.check(40, PARENT, replace(CHILD, root_number=number, root_hash=root_hash(number)), sets, Root(14))


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 3},
        {"epoch": 1},
        {"set_hash": members_of(3).hash()},
        {"next_set_hash": members_of(3).hash()},
        {"root_number": 11, "root_hash": root_hash(11)},
        {"root_number": 16, "root_hash": root_hash(16)},
        {"root_hash": root_hash(14)},
        {"root_number": 12, "root_hash": root_hash(13)},
        {"root_number": 15, "root_hash": root_hash(15)},
    ],
    ids=["later", "earlier", "set", "next set", "back", "past the end", "hash", "same height", "last without its set"],
)
def test_what_does_not_follow_from_the_parent_is_invalid(change: dict[str, int | bytes]) -> None:
    child = replace(CHILD, **change)  # type: ignore[arg-type]
    with pytest.raises(InvalidBlock):
        SHARD.check(40, PARENT, child, sets, Root(20))


def test_a_root_block_imports_nothing() -> None:
    child = replace(header(ROOT.expected(7, replace(PARENT, epoch=1), sets, Root())), root_number=1)
    with pytest.raises(InvalidBlock):
        ROOT.check(7, replace(PARENT, epoch=1), child, sets, Root())


def test_a_header_that_is_not_final_here_yet_is_waited_for() -> None:
    with pytest.raises(Unavailable, match="root header 13 is not final here yet"):
        SHARD.check(40, PARENT, CHILD, sets, Root(12))
    SHARD.check(40, PARENT, CHILD, sets, Root(13))


def test_a_set_that_is_not_known_is_waited_for() -> None:
    with pytest.raises(Unavailable, match="the validator set of epoch 2 is not known here"):
        SHARD.check(40, PARENT, CHILD, lambda epoch: None, Root(20))


def test_a_boundary_header_that_is_not_kept_cannot_be_proposed() -> None:
    with pytest.raises(Unavailable, match="root header 15 is not kept here"):
        SHARD.expected(40, PARENT, sets, Root(30, {15}))


def test_a_node_whose_root_lags_behind_the_shard_proposes_what_the_parent_had() -> None:
    assert SHARD.expected(40, PARENT, sets, Root(5)).root_number == 12


def test_an_epoch_has_a_length() -> None:
    with pytest.raises(ValueError, match="at least one block"):
        Epochs(0, 0)
