"""A sender that lies, about rows, checksums or the code itself: nothing of it is signed for or kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from tests.da.custody import Custody
from tests.da.sender import BLOB, EIGHT, ENCODING, LENGTH, flip, kept_rows, offered, run, signed
from zg_node import _core
from zg_node.da.encoding import BlobHeader
from zg_node.da.messages import Row
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Offence

TRIALS = 40
"""Of each kind of lie; the core's own tests have thousands."""

Lie = Callable[[random.Random, list[Row], list[int]], list[Row]]
"""(randomness, the true rows, indices of what was asked) → what is sent."""


def changed_symbol(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    at = rng.randrange(len(rows))
    index, row, path = rows[at]
    return [*rows[:at], (index, flip(row, rng.randrange(8 * len(row))), path), *rows[at + 1 :]]


def changed_path(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    at = rng.randrange(len(rows))
    index, row, path = rows[at]
    return [*rows[:at], (index, row, flip(path, rng.randrange(8 * len(path)))), *rows[at + 1 :]]


def truncated(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    at = rng.randrange(len(rows))
    index, row, path = rows[at]
    return [*rows[:at], (index, row[: rng.randrange(len(row))], path), *rows[at + 1 :]]


def swapped(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    first, second = rng.sample(range(len(rows)), 2)
    changed = list(rows)
    changed[first], changed[second] = (rows[first][0], *rows[second][1:]), (rows[second][0], *rows[first][1:])
    return changed


def another(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    other = rng.choice([index for index in range(4096) if index not in asked])
    return [*rows[:-1], ENCODING.rows([other])[0]]


def twice(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    return [*rows, rng.choice(rows)]


def nothing(rng: random.Random, rows: list[Row], asked: list[int]) -> list[Row]:
    return []


@pytest.mark.parametrize(
    "lie", [changed_symbol, changed_path, truncated, swapped, another, twice, nothing], ids=lambda lie: lie.__name__
)
def test_rows_that_are_not_the_committed_ones_are_not_signed_for(tmp_path: Path, lie: Lie) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        rng = random.Random(lie.__name__)
        sender.lie = partial(lie, rng)
        for _ in range(TRIALS):
            member = rng.choice(custody.members)
            with pytest.raises(InvalidMessage):
                await member.custodian.accept("sender", offer)
            assert not kept_rows(member, offer)

    run(tmp_path, test)


def test_an_answer_about_another_blob_is_refused(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        sender.encoding = _core.Encoding(flip(BLOB, 3))
        with pytest.raises(InvalidMessage, match="not of the blob that was offered"):
            await custody.members[0].custodian.accept("sender", offer)

    for index, stakes in enumerate((EIGHT, (1,))):
        run(tmp_path / str(index), test, stakes)


def test_whoever_sends_false_rows_is_reported(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        sender.lie = partial(changed_symbol, random.Random(1))
        with pytest.raises(Unavailable, match="refused"):
            await custody.offer(custody.members[0], offer)
        assert custody.members[0].network is not None
        assert custody.members[0].network.reports == [("sender", Offence.MALFORMED)]

    run(tmp_path, test)


def test_false_checksums_are_not_signed_for(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        rng = random.Random(3)
        for trial in range(TRIALS):
            true = ENCODING.checksums()
            sender.checksums = flip(true, rng.randrange(8 * len(true))) if trial else true[:-16]
            with pytest.raises(InvalidMessage, match="checksums"):
                await custody.members[0].custodian.accept("sender", offer)
        assert not kept_rows(custody.members[0], offer)

    run(tmp_path, test)


def test_data_of_another_blob_is_not_signed_for(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        member = custody.members[0]
        for wrong, reason in ((flip(BLOB, 77), "another blob"), (BLOB + b"more", "not of the blob")):
            sender.blob = wrong
            with pytest.raises(InvalidMessage, match=reason):
                await member.custodian.accept("sender", offer)
        assert not kept_rows(member, offer)

    run(tmp_path, test, (1,))


class Forged:
    """A sound tree over rows that are no codeword: other parity under a header of its own, checksums of the data."""

    def __init__(self, spoil: Callable[[int, bytes], bytes]) -> None:
        k, n, _ = _core.erasure_shape(LENGTH)
        self._rows = [spoil(index, row) for index, row, _ in ENCODING.rows(range(k + n))]
        self._levels = [[_cells_root(row) for row in self._rows]]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            self._levels.append([sha256(b"\1" + below[at] + below[at + 1]).digest() for at in range(0, len(below), 2)])
        true = BlobHeader.parse(ENCODING.header())
        self._header = replace(true, row_root=self._levels[-1][0]).encode()

    def header(self) -> bytes:
        return self._header

    def checksums(self) -> bytes:
        return ENCODING.checksums()

    def rows(self, indices: tuple[int, ...]) -> list[Row]:
        return [(index, self._rows[index], self._path(index)) for index in indices]

    def _path(self, index: int) -> bytes:
        return b"".join(level[(index >> height) ^ 1] for height, level in enumerate(self._levels[:-1]))


def _cells_root(row: bytes) -> bytes:
    assert len(row) <= 1024
    return sha256(b"\0" + row).digest()


@pytest.mark.parametrize("kind", ["all of the parity", "one symbol of every parity row", "nothing but the root's seed"])
def test_a_sound_tree_over_what_is_no_codeword_is_not_signed_for(tmp_path: Path, kind: str) -> None:
    def spoil(index: int, row: bytes) -> bytes:
        if index < 1024 or kind.startswith("nothing"):
            return row
        return random.Random(index).randbytes(len(row)) if kind.startswith("all") else flip(row, index % 256)

    forged = Forged(spoil)

    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody, forged, BLOB)  # type: ignore[arg-type]
        for member in custody.members:
            sender.lie = lambda rows, asked: rows
            if kind.startswith("nothing"):
                sender.checksums = ENCODING.checksums()
                assert forged.header() == ENCODING.header()
                assert signed(member, offer, await member.custodian.accept("sender", offer))
                continue
            with pytest.raises(InvalidMessage, match="checksum"):
                await member.custodian.accept("sender", offer)
            assert not kept_rows(member, offer)

    run(tmp_path, test)
