"""Rows that became ours, or were lost, are fetched from others, exactly those where possible, and counted."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.da.custody import Custody, Member, run
from zg_node import _core
from zg_node.da.certificate import Blob
from zg_node.da.keepers import keepers
from zg_node.da.repair import Repaired
from zg_node.da.upkeep import Upkeep
from zg_node.errors import Unavailable

LENGTH = 1024 * 192
BLOB = random.Random(5).randbytes(LENGTH)
ENCODING = _core.Encoding(BLOB)
SIXTEEN = (10,) * 16


def rows_here(member: Member, blob: Blob) -> set[int]:
    kept = member.store.kept(blob)
    return set(kept.rows()) if kept is not None else set()


def upkeep(custody: Custody, member: Member) -> Upkeep:
    return Upkeep(custody.ledger, member.store, member.repair, custody.executor, member.metrics)


def test_a_lost_row_is_fetched_exactly(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        member = custody.members[3]
        foreign = (await custody.assignment(blob)).rows_of(9)[:7]
        done = await member.repair.mend(blob, foreign)
        assert (done.blobs, done.rows, done.failed) == (1, 7, 0)
        assert done.received_bytes < 16 * 1024 + 7 * 2 * (192 + 384 + 16) + 200
        assert sorted(member.store.rows(blob, foreign)) == sorted(ENCODING.rows(foreign))
        assert await member.repair.mend(blob, foreign) == Repaired()

    run(tmp_path, test, SIXTEEN)


def test_rows_that_nobody_has_any_more_are_recovered_from_others(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        assignment = await custody.assignment(blob)
        lost = assignment.rows_of(5)[:10]
        for member in custody.members:
            if set(lost) & rows_here(member, blob):
                kept = member.store.kept(blob)
                assert kept is not None
                kept.damaged |= set(lost)
        member = custody.members[5]
        done = await member.repair.mend(blob, lost)
        assert (done.rows, done.failed) == (10, 0)
        assert done.received_bytes > 1024 * 192
        assert sorted(member.store.rows(blob, lost)) == sorted(ENCODING.rows(lost))

    run(tmp_path, test, SIXTEEN)


def test_what_too_few_have_stays_lacking_and_is_counted(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        for member in custody.members[1:]:
            assert member.network is not None
            custody.hub.leave(member.network.peer_id)
        foreign = (await custody.assignment(blob)).rows_of(9)[:7]
        assert await custody.members[0].repair.mend(blob, foreign) == Repaired(failed=1)

    run(tmp_path, test, SIXTEEN)


def test_a_new_epoch_moves_what_stake_has_moved_and_no_more(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        stakes = (*SIXTEEN[:8], 20, *SIXTEEN[9:])
        custody.ledger.now = 6
        custody.ledger.sets[6] = custody.set_of(stakes)
        assignment = await custody.assignment(blob, 6)
        total = Repaired()
        for index, member in enumerate(custody.members):
            wanted = set(assignment.rows_of(index))
            lacking = wanted - rows_here(member, blob)
            done = await upkeep(custody, member).begin(6)
            assert (done.rows, done.failed) == (len(lacking), 0)
            assert rows_here(member, blob) >= wanted
            total += done
            assert await upkeep(custody, member).begin(6) == Repaired()
        assert 0 < total.rows < 4096
        assert total.received_bytes < 16 * 16 * 1024 + 3 * total.rows * (192 + 384 + 16)

    run(tmp_path, test, SIXTEEN)


def test_an_epoch_with_the_same_stakes_moves_nothing(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        await custody.store(BLOB)
        custody.ledger.now = 6
        for member in custody.members:
            assert await upkeep(custody, member).begin(6) == Repaired()

    run(tmp_path, test, SIXTEEN)


def test_a_holder_that_joins_gets_its_rows_of_what_lives(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        custody.ledger.sets[5] = custody.set_of(SIXTEEN[:15])
        newcomer = custody.members.pop()
        blob = (await custody.store(BLOB)).blob
        custody.members.append(newcomer)
        custody.ledger.now = 6
        done = await upkeep(custody, newcomer).begin(6)
        wanted = (await custody.assignment(blob, 6)).rows_of(15)
        assert (done.blobs, done.rows) == (1, len(wanted)) == (1, 256)
        assert rows_here(newcomer, blob) == set(wanted)
        assert newcomer.store.checksums(blob) == ENCODING.checksums()

    run(tmp_path, test, SIXTEEN)


def test_a_repair_that_nobody_can_say_whom_to_ask_for_fails_and_says_so(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        certified = await custody.store(BLOB)
        custody.ledger.sets.clear()
        with pytest.raises(Unavailable, match="nobody is known to keep the blob: the holders of epoch 5"):
            await keepers(custody.ledger, certified.blob)
        assert await custody.members[0].repair.hand_over([certified]) == Repaired(failed=1)
        assert await custody.members[0].repair.mend(certified.blob, range(4096)) == Repaired(failed=1)

    run(tmp_path, test, SIXTEEN)
