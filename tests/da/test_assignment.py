"""Every row has one first holder, in proportion to stake, and small holders keep enough to judge an encoding."""

from __future__ import annotations

from math import ceil, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zg_node.da.assignment import ROWS_MIN, Assignment, assign
from zg_node.da.certificate import Blob
from zg_node.da.holders import HOLDERS_MAX, Holder, HolderSet
from zg_node.types.hashing import keccak

ROWS = st.sampled_from((64, 128, 1024, 4096, 16_384))
STAKES = st.lists(st.integers(1, 10**12), min_size=1, max_size=40)


def holders(stakes: list[int]) -> HolderSet:
    return HolderSet(tuple(Holder(bytes((i // 256, i % 256)) * 10, stake, "") for i, stake in enumerate(stakes)))


def assignments() -> st.SearchStrategy[Assignment]:
    return st.builds(
        lambda stakes, rows, offset: Assignment(holders(stakes), rows, offset % rows),
        STAKES, ROWS, st.integers(0, 1 << 20),
    )  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(assignments())
def test_every_row_has_exactly_one_first_holder(assignment: Assignment) -> None:
    firsts: dict[int, int] = {}
    for holder in range(len(assignment.holders.holders)):
        _, owned, _ = assignment.span(holder)
        for row in assignment.rows_of(holder)[:owned]:
            assert firsts.setdefault(row, holder) == holder
    assert firsts.keys() == set(range(assignment.rows))
    assert all(assignment.first_owner(row) == holder for row, holder in firsts.items())


@settings(max_examples=30, deadline=None)
@given(assignments(), st.integers(0, 1 << 20))
def test_the_owners_of_a_row_are_those_who_keep_it_its_first_holder_first(assignment: Assignment, row: int) -> None:
    row %= assignment.rows
    keeping = {i for i in range(len(assignment.holders.holders)) if row in assignment.rows_of(i)}
    owners = assignment.owners(row)
    assert len(owners) == len(set(owners))
    assert set(owners) == keeping
    assert owners[0] == assignment.first_owner(row)


@settings(max_examples=30, deadline=None)
@given(assignments())
def test_nobody_keeps_a_row_twice_or_too_few_to_judge_the_encoding(assignment: Assignment) -> None:
    for holder in range(len(assignment.holders.holders)):
        rows = assignment.rows_of(holder)
        assert len(rows) == len(set(rows)) >= min(ROWS_MIN, assignment.rows)


@settings(max_examples=30, deadline=None)
@given(assignments())
def test_shares_differ_from_stake_by_less_than_a_row(assignment: Assignment) -> None:
    total = assignment.holders.total
    for index, holder in enumerate(assignment.holders.holders):
        _, owned, _ = assignment.span(index)
        assert abs(owned * total - assignment.rows * holder.stake) < total


def test_148_rows_are_what_100_bits_take_at_a_rate_of_a_quarter() -> None:
    assert ceil(100 / (1 - log2(1 + 1 / 4))) == ROWS_MIN


def test_the_rotation_follows_from_beacon_quorum_and_commitment_and_from_nothing_else() -> None:
    members = holders([1, 2, 3])
    blob, beacon = Blob(b"\x01" * 32, 100, 2, 7, 9), b"\x02" * 32
    offset = assign(members, blob, beacon, 4096).offset
    assert offset == int.from_bytes(keccak(beacon + bytes((0, 0, 0, 2)) + blob.commitment), "big") % 4096
    assert assign(members, Blob(blob.commitment, 5, 2, 8, 10), beacon, 4096).offset == offset
    for other, spark in (
        (Blob(b"\x03" * 32, 100, 2, 7, 9), beacon),
        (Blob(blob.commitment, 100, 3, 7, 9), beacon),
        (blob, b"\x04" * 32),
    ):
        assert assign(members, other, spark, 4096).offset != offset


def test_rows_move_only_as_far_as_stake_moves() -> None:
    before = Assignment(holders([100] * 16), 4096, 77)
    after = Assignment(holders([100] * 15 + [110]), 4096, 77)
    moved = sum(before.first_owner(row) != after.first_owner(row) for row in range(4096))
    assert 0 < moved < 4096 // 10


@pytest.mark.parametrize(
    "members",
    [
        (),
        (Holder(b"\x01" * 20, 0, ""),),
        (Holder(b"\x02" * 20, 1, ""), Holder(b"\x01" * 20, 1, "")),
        (Holder(b"\x01" * 20, 1, ""), Holder(b"\x01" * 20, 1, "")),
        (Holder(b"\x01" * 19, 1, ""),),
        tuple(Holder(i.to_bytes(20, "big"), 1, "") for i in range(HOLDERS_MAX + 1)),
    ],
    ids=["empty", "no stake", "unordered", "twice", "short signer", "too many"],
)
def test_sets_that_are_none_are_refused(members: tuple[Holder, ...]) -> None:
    with pytest.raises(ValueError, match="a set"):
        HolderSet(members)


def test_a_quorum_is_more_than_two_thirds_of_the_stake() -> None:
    assert [holders([stake]).quorum for stake in (1, 2, 3, 4, 300)] == [1, 2, 3, 3, 201]
    assert holders([5, 6]).index_of(bytes((0, 1)) * 10) == 1
    assert holders([5, 6]).index_of(b"\x09" * 20) is None
