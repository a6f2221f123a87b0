"""Where a blob is, as peers say it to each other: the codec, and its bounds."""

from __future__ import annotations

import pytest

from zg_node.da.assignment import assign
from zg_node.da.certificate import Blob
from zg_node.da.holders import HOLDERS_MAX, Holder, HolderSet
from zg_node.da.location import LOCATION_MAX_BYTES, PEER_MAX_BYTES, SETS_MAX, Location, decode_question
from zg_node.errors import InvalidMessage
from zg_node.types.encoding import Item, encode

BLOB = Blob(b"\x11" * 32, 70_000, 3, 9, 12)
BEACON = b"\x22" * 32


def holders(count: int, stake: int = 10) -> HolderSet:
    return HolderSet(tuple(Holder(index.to_bytes(20, "big"), stake, f"peer{index}") for index in range(1, count + 1)))


def test_a_location_is_what_it_was_before_it_was_bytes() -> None:
    location = Location(BLOB, BEACON, (holders(3), holders(2, 7)))
    assert Location.decode(location.encode()) == location
    assert location.assignments() == tuple(assign(each, BLOB, BEACON, 4096) for each in location.sets)


def test_sets_that_are_the_same_are_told_once() -> None:
    same = assign(holders(3), BLOB, BEACON, 4096)
    assert Location.of(BLOB, BEACON, (same, same)).sets == (holders(3),)


def test_the_largest_location_fits_its_bound() -> None:
    long = HolderSet(
        tuple(Holder(index.to_bytes(20, "big"), 2**40, "p" * PEER_MAX_BYTES) for index in range(HOLDERS_MAX))
    )
    location = Location(BLOB, BEACON, (long,) * SETS_MAX)
    assert len(location.encode()) <= LOCATION_MAX_BYTES
    assert Location.decode(location.encode()) == location


def test_what_is_no_location_is_refused() -> None:
    fields: tuple[Item, ...] = BLOB.items()
    member: tuple[Item, ...] = (b"\x01" * 20, 10, b"peer")
    bad = (
        b"",
        b"\xc0",
        encode((fields, BEACON, ())),
        encode((fields, BEACON[1:], [[member]])),
        encode((fields[:4], BEACON, [[member]])),
        encode((fields, BEACON, [[]])),
        encode((fields, BEACON, [[member]] * (SETS_MAX + 1))),
        encode((fields, BEACON, [[member, member]])),
        encode((fields, BEACON, [[[b"\x01" * 19, 10, b"peer"]]])),
        encode((fields, BEACON, [[[b"\x01" * 20, 0, b"peer"]]])),
        encode((fields, BEACON, [[[b"\x01" * 20, 10, b"p" * (PEER_MAX_BYTES + 1)]]])),
        encode((fields, BEACON, [[[b"\x01" * 20, 10, b"\xff"]]])),
    )
    for data in bad:
        with pytest.raises(InvalidMessage):
            Location.decode(data)


def test_a_question_is_a_commitment() -> None:
    assert decode_question(BEACON) == BEACON
    for message in (b"", BEACON + b"\0"):
        with pytest.raises(InvalidMessage):
            decode_question(message)
