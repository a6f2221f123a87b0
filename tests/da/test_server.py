"""Rows and cells come out of the store as they are committed, or not at all; nobody gets more than a share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.da.custody import Custody, run
from zg_node import _core
from zg_node.da import server
from zg_node.da.certificate import Blob
from zg_node.da.messages import Cells, CellsRequest, DataRequest, Rows, RowsRequest, row_budget
from zg_node.errors import InvalidMessage, Unavailable

LENGTH = 3_000_000
BLOB = random.Random(5).randbytes(LENGTH)
ENCODING = _core.Encoding(BLOB)
ONE = (1,)
FOUR = (1, 1, 1, 1)


def kept(home: Path, test: Callable[[Custody, Blob], Awaitable[None]], stakes: tuple[int, ...] = FOUR) -> None:
    """Have a test done where BLOB is stored."""

    async def stored(custody: Custody) -> None:
        await test(custody, (await custody.store(BLOB)).blob)

    run(home, stored, stakes)


def test_rows_are_served_with_what_proves_them(tmp_path: Path) -> None:
    async def test(custody: Custody, blob: Blob) -> None:
        wanted = (await custody.assignment(blob)).rows_of(2)[:20]
        for checksums in (True, False):
            request = RowsRequest(blob.commitment, wanted, checksums)
            answer = Rows.decode(await custody.members[2].server.answer("peer", request.encode()))
            assert answer.header == ENCODING.header()
            assert answer.checksums == (ENCODING.checksums() if checksums else b"")
            assert sorted(answer.rows) == sorted(ENCODING.rows(wanted))

    kept(tmp_path, test)


def test_only_what_is_here_is_served_and_nothing_is_no_answer(tmp_path: Path) -> None:
    async def test(custody: Custody, blob: Blob) -> None:
        assignment = await custody.assignment(blob)
        own, foreign = assignment.rows_of(0)[0], next(row for row in range(4096) if assignment.owners(row) == (1,))
        answer = await custody.members[0].server.answer(
            "peer", RowsRequest(blob.commitment, (foreign, own, own), False).encode()
        )
        assert [row[0] for row in Rows.decode(answer).rows] == [own]
        for request in (
            RowsRequest(blob.commitment, (foreign,), False),
            CellsRequest(blob.commitment, ((foreign, 0),)),
            RowsRequest(bytes(32), (own,), False),
            CellsRequest(bytes(32), ((own, 0),)),
            DataRequest(blob.commitment, 0),
        ):
            with pytest.raises(Unavailable):
                await custody.members[0].server.answer("peer", request.encode())

    kept(tmp_path, test)


def test_an_answer_holds_as_many_rows_as_fit(tmp_path: Path) -> None:
    async def test(custody: Custody, blob: Blob) -> None:
        request = RowsRequest(blob.commitment, tuple(range(4096)), True)
        answer = Rows.decode(await custody.members[0].server.answer("peer", request.encode()))
        assert [row[0] for row in answer.rows] == list(range(row_budget(2944, 384)))

    kept(tmp_path, test, ONE)


def test_cells_are_served_with_paths_that_prove_them(tmp_path: Path) -> None:
    async def test(custody: Custody, blob: Blob) -> None:
        places = tuple((row, cell) for row in (5, 4000, 5) for cell in (2, 0))
        request = CellsRequest(blob.commitment, places)
        answer = Cells.decode(await custody.members[0].server.answer("peer", request.encode()))
        assert [(row, cell) for row, cell, _, _ in answer.cells] == [(5, 2), (5, 0), (4000, 2), (4000, 0)]
        assert _core.refused_cells(answer.header, answer.cells) == []
        assert list(answer.cells) == ENCODING.cells([(5, 2), (5, 0), (4000, 2), (4000, 0)])
        with pytest.raises(InvalidMessage, match="cell 3 of 3"):
            await custody.members[0].server.answer("peer", CellsRequest(blob.commitment, ((5, 3),)).encode())

    kept(tmp_path, test, ONE)


def test_a_row_that_the_disk_has_changed_is_not_served(tmp_path: Path) -> None:
    async def test(custody: Custody, blob: Blob) -> None:
        path = custody.members[0].home / "7" / "00000001.rows"
        content = bytearray(path.read_bytes())
        at = content.find(ENCODING.rows([9])[0][1])
        content[at + 1000] ^= 1
        path.write_bytes(content)
        request = RowsRequest(blob.commitment, (8, 9, 10), False)
        answer = Rows.decode(await custody.members[0].server.answer("peer", request.encode()))
        assert list(answer.rows) == ENCODING.rows([8, 10])
        with pytest.raises(Unavailable):
            await custody.members[0].server.answer("peer", CellsRequest(blob.commitment, ((9, 0),)).encode())

    kept(tmp_path, test, ONE)


def test_the_same_blob_requested_twice_is_served_from_both(tmp_path: Path) -> None:
    async def test(custody: Custody, blob: Blob) -> None:
        member = custody.members[0]
        again = Blob(blob.commitment, LENGTH, 1, 5, 9)
        assignment = await custody.assignment(blob)
        foreign = next(row for row in range(4096) if assignment.owners(row) == (1,))
        member.store.add(again, ENCODING.header(), ENCODING.checksums(), ENCODING.rows([foreign]))
        wanted = (assignment.rows_of(0)[0], foreign)
        answer = await member.server.answer("peer", RowsRequest(blob.commitment, wanted, True).encode())
        assert list(Rows.decode(answer).rows) == ENCODING.rows(wanted)

    kept(tmp_path, test)


def test_a_peer_that_had_its_share_is_refused_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PEER_BYTES_BURST", 1 << 20)
    monkeypatch.setattr(server, "PEER_BYTES_PER_S", 1 << 10)

    async def test(custody: Custody, blob: Blob) -> None:
        request = RowsRequest(blob.commitment, tuple(range(1024)), False).encode()
        await custody.members[0].server.answer("greedy", request)
        with pytest.raises(Unavailable, match="its share"):
            await custody.members[0].server.answer("greedy", request)
        await custody.members[0].server.answer("modest", request)

    kept(tmp_path, test, ONE)


def test_a_peer_may_not_have_more_than_so_many_questions_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ANSWERS_PEER_MAX", 3)

    async def test(custody: Custody, blob: Blob) -> None:
        request = RowsRequest(blob.commitment, (1,), False).encode()
        answers = [custody.members[0].server.answer("greedy", request) for _ in range(5)]
        done = await asyncio.gather(
            *answers, custody.members[0].server.answer("other", request), return_exceptions=True
        )
        assert [isinstance(answer, Unavailable) for answer in done] == [False] * 3 + [True] * 2 + [False]

    kept(tmp_path, test, ONE)


def test_noise_is_the_peers_fault(tmp_path: Path) -> None:
    async def test(custody: Custody, blob: Blob) -> None:
        for noise in (b"", b"\x09\xc0", b"\x02\xc0", bytes(100)):
            with pytest.raises(InvalidMessage):
                await custody.members[0].server.answer("peer", noise)

    kept(tmp_path, test, ONE)
