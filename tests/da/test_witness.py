"""Every challenge is answered with the cell that it asks for, while there is time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.da.custody import Custody, run
from zg_node import _core
from zg_node.da.certificate import Blob
from zg_node.da.witness import OPEN_MAX, Challenge, Witness
from zg_node.errors import Unavailable

LENGTH = 2_000_000
BLOB = random.Random(5).randbytes(LENGTH)
ENCODING = _core.Encoding(BLOB)
FOUR = (1, 1, 1, 1)


class MemoryCourt:
    """Everybody's challenges, by number."""

    def __init__(self) -> None:
        self.now = 100
        self.posed: list[tuple[bytes, Challenge]] = []
        self.answers: list[tuple[int, bytes, bytes, bytes]] = []
        self.failing = False

    def pose(self, signer: bytes, blob: Blob, row: int, cell: int, deadline: int = 200) -> None:
        self.posed.append((signer, Challenge(len(self.posed), blob, row, cell, deadline)))

    def height(self) -> int:
        return self.now

    async def challenges(self, signer: bytes, first: int) -> tuple[Sequence[Challenge], int]:
        return [challenge for who, challenge in self.posed[first:] if who == signer], len(self.posed)

    async def answer(self, number: int, header: bytes, cell: bytes, path: bytes) -> None:
        if self.failing:
            raise Unavailable("the mempool is full")
        self.answers.append((number, header, cell, path))


def witness(custody: Custody, court: MemoryCourt, member: int = 0) -> Witness:
    one = custody.members[member]
    return Witness(court, one.store, one.repair, one.signer, custody.executor)


def test_the_cell_that_is_asked_for_is_shown_with_what_proves_it(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob, court = (await custody.store(BLOB)).blob, MemoryCourt()
        row = (await custody.assignment(blob)).rows_of(0)[5]
        court.pose(custody.members[1].signer, blob, row, 0)
        court.pose(custody.members[0].signer, blob, row, 1)
        watching = witness(custody, court)
        assert await watching.look() == 1
        ((number, header, cell, path),) = court.answers
        assert (number, header) == (1, ENCODING.header())
        assert _core.refused_cells(header, [(row, 1, cell, path)]) == []
        assert (cell, path) == ENCODING.cells([(row, 1)])[0][2:]
        assert await watching.look() == 0

    run(tmp_path, test, FOUR)


def test_an_answer_that_does_not_get_through_is_given_again(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob, court = (await custody.store(BLOB)).blob, MemoryCourt()
        row = (await custody.assignment(blob)).rows_of(0)[5]
        court.pose(custody.members[0].signer, blob, row, 1)
        watching, court.failing = witness(custody, court), True
        assert await watching.look() == 0
        court.failing = False
        assert await watching.look() == 1
        assert [answer[0] for answer in court.answers] == [0]

    run(tmp_path, test, FOUR)


def test_a_row_that_is_damaged_is_repaired_and_shown(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob, court = (await custody.store(BLOB)).blob, MemoryCourt()
        row = (await custody.assignment(blob)).rows_of(0)[5]
        path = custody.members[0].home / "7" / "00000001.rows"
        content = bytearray(path.read_bytes())
        content[content.find(ENCODING.rows([row])[0][1])] ^= 1
        path.write_bytes(content)
        court.pose(custody.members[0].signer, blob, row, 1)
        assert await witness(custody, court).look() == 1
        assert court.answers[0][2:] == ENCODING.cells([(row, 1)])[0][2:]

    run(tmp_path, test, FOUR)


def test_what_is_over_or_not_here_is_not_answered_and_does_not_stop_the_others(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob, court = (await custody.store(BLOB)).blob, MemoryCourt()
        row = (await custody.assignment(blob)).rows_of(0)[5]
        court.pose(custody.members[0].signer, blob, row, 0, deadline=100)
        court.pose(custody.members[0].signer, Blob(bytes(32), LENGTH, 0, 5, 7), row, 0)
        court.pose(custody.members[0].signer, blob, row, 99)
        court.pose(custody.members[0].signer, blob, row, 1)
        watching = witness(custody, court)
        assert await watching.look() == 1
        assert [answer[0] for answer in court.answers] == [3]
        court.now = 200
        assert await watching.look() == 0

    run(tmp_path, test, FOUR)


def test_no_more_is_remembered_than_may_be_open(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        court = MemoryCourt()
        for _ in range(OPEN_MAX):
            court.pose(custody.members[0].signer, Blob(bytes(32), LENGTH, 0, 5, 7), 0, 0)
        watching = witness(custody, court)
        await watching.look()
        court.pose(custody.members[0].signer, Blob(bytes(32), LENGTH, 0, 5, 7), 0, 0)
        await watching.look()
        assert len(watching._open) == OPEN_MAX

    run(tmp_path, test, (1,))


def test_looking_goes_on_when_the_chain_does_not_answer(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    async def test(custody: Custody) -> None:
        court, looks = MemoryCourt(), 0

        async def silent(signer: bytes, first: int) -> tuple[Sequence[Challenge], int]:
            nonlocal looks
            looks += 1
            raise Unavailable("the chain is starting")

        async def sleep(duration_s: float) -> None:
            if looks == 3:
                raise Stopped

        court.challenges = silent  # type: ignore[method-assign]
        one = custody.members[0]
        with pytest.raises(Stopped):
            await Witness(court, one.store, one.repair, one.signer, custody.executor, sleep).run()

    run(tmp_path, test, (1,))
