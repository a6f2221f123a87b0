"""What a holder asks a sender for: rows in parts or the blob itself, whichever is shorter, and only what it lacks."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.da.cluster import NETWORK
from tests.da.custody import Custody, offer_of
from tests.da.sender import BLOB, ENCODING, flip, kept_rows, offered, run, signed
from zg_node import _core
from zg_node.da.certificate import Tally
from zg_node.da.lines import QUESTIONS_MAX
from zg_node.da.messages import DataRequest, Row, RowsRequest, row_budget
from zg_node.errors import InvalidMessage, Unavailable


def test_a_blob_longer_than_an_answer_comes_in_parts(tmp_path: Path) -> None:
    blob = random.Random(1).randbytes(9 << 20)
    encoding = _core.Encoding(blob)

    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody, encoding, blob)
        (member,) = custody.members
        assert signed(member, offer, await custody.offer(member, offer))
        parts = [request for request in sender.asked if isinstance(request, RowsRequest)]
        assert len(parts) == len(sender.asked) == -(-4096 // row_budget(9216, 384))
        assert [part.checksums for part in parts] == [True] + [False] * (len(parts) - 1)
        assert len(kept_rows(member, offer)) == 4096

    run(tmp_path, test, (1,))


def test_whose_rows_are_longer_than_the_blob_asks_for_the_blob(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        sender.piece_bytes = 300_000
        member = custody.members[0]
        assert signed(member, offer, await custody.offer(member, offer))
        assert sender.asked == [DataRequest(offer.blob.commitment, at) for at in (0, 300_000, 600_000, 900_000)]
        wanted = (await custody.assignment(offer.blob)).rows_of(0)
        assert sorted(member.store.rows(offer.blob, wanted)) == sorted(ENCODING.rows(wanted))

    run(tmp_path, test, (2, 1))


def test_a_kilobyte_moves_little_more_than_itself_to_each_holder(tmp_path: Path) -> None:
    blob = BLOB[:1024]
    encoding = _core.Encoding(blob)

    async def test(custody: Custody) -> None:
        _, offer = await offered(custody, encoding, blob)
        for member in custody.members:
            assert signed(member, offer, await custody.offer(member, offer))
            assert sum(member.moved) < 1400
            assert len(kept_rows(member, offer)) == 64

    run(tmp_path, test, (1,) * 16)


def test_one_peer_cannot_take_all_turns(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        member, stalled, forever = custody.members[0], asyncio.Event(), asyncio.Event()
        asked = 0

        async def stall(peer: str, message: bytes) -> bytes:
            nonlocal asked
            asked += 1
            if asked == QUESTIONS_MAX:
                stalled.set()
            await forever.wait()
            raise Unavailable("too late")

        custody.serve(stall)
        offers = [offer_of(_core.Encoding(BLOB[: 70_000 + size]), 70_000 + size) for size in range(9)]
        custody.ledger.requests |= {offer.blob for offer in offers}
        waiting = [asyncio.ensure_future(member.custodian.accept("sender", offer)) for offer in offers[:8]]
        await stalled.wait()
        for _ in range(100):  # those that may not ask yet have their turns, too
            await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="8 requests of this peer"):
            await member.custodian.accept("sender", offers[8])
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(tmp_path, test)


def test_what_a_broken_pull_has_brought_is_not_pulled_again(tmp_path: Path) -> None:
    blob = random.Random(1).randbytes(9 << 20)
    encoding = _core.Encoding(blob)

    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody, encoding, blob)
        (member,) = custody.members
        parts = 0

        def spoil(rows: list[Row], asked: list[int]) -> list[Row]:
            nonlocal parts
            parts += 1
            return rows if parts != 3 else [(rows[0][0], flip(rows[0][1], 5), rows[0][2]), *rows[1:]]

        sender.lie = spoil
        with pytest.raises(InvalidMessage, match="not the committed bytes"):
            await member.custodian.accept("sender", offer)
        budget = row_budget(9216, 384)
        assert len(kept_rows(member, offer)) == 2 * budget
        sender.asked.clear()
        assert signed(member, offer, await member.custodian.accept("sender", offer))
        asked = [row for request in sender.asked if isinstance(request, RowsRequest) for row in request.rows]
        assert len(asked) == len(set(asked)) == 4096 - 2 * budget

    run(tmp_path, test, (1,))


@pytest.mark.parametrize("certified", [False, True])
def test_what_was_signed_and_is_lost_is_taken_again_without_another_payment(tmp_path: Path, certified: bool) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        tally = Tally(offer.blob, await custody.ledger.holders(5), NETWORK)
        for index, member in enumerate(custody.members):
            tally.add(index, await custody.offer(member, offer))
        certificate = tally.certificate()
        assert certificate is not None
        if certified:
            await custody.ledger.certify(certificate)
        custody.ledger.now = 6
        paid, asked = custody.ledger.payments, len(sender.asked)
        for index, member in enumerate(custody.members):
            member.store.forget(offer.blob)
            member.store.sync()
            assert signed(member, offer, await custody.offer(member, offer))
            wanted = (await custody.assignment(offer.blob)).rows_of(index)
            assert sorted(member.store.rows(offer.blob, wanted)) == sorted(ENCODING.rows(wanted))
            assert member.store.checksums(offer.blob) == ENCODING.checksums()
        assert custody.ledger.payments == paid
        assert len(sender.asked) > asked

    run(tmp_path, test)


def test_nothing_is_signed_again_before_it_was_read_and_what_is_damaged_is_pulled_again(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        sender, offer = await offered(custody)
        member = custody.members[0]
        first = await custody.offer(member, offer)
        wanted = (await custody.assignment(offer.blob)).rows_of(0)
        path = member.home / "7" / "00000001.rows"
        content = bytearray(path.read_bytes())
        content[-10] ^= 1
        path.write_bytes(content)
        sender.asked.clear()
        assert await custody.offer(member, offer) == first
        assert [len(asked.rows) for asked in sender.asked if isinstance(asked, RowsRequest)] == [1]
        assert sorted(member.store.rows(offer.blob, wanted)) == sorted(ENCODING.rows(wanted))

    run(tmp_path, test)
