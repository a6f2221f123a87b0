"""Each epoch begins with what is over going and what is lacking coming, tried again until all of it is there."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.da.custody import PLENTY, Custody, Member, run
from zg_node import _core
from zg_node.da.ledger import Certified
from zg_node.da.store import Store
from zg_node.da.upkeep import POLL_S, RETRY_FIRST_S, RETRY_MAX_S, Upkeep
from zg_node.errors import Unavailable

LENGTH = 1024 * 192
BLOB = random.Random(5).randbytes(LENGTH)
ENCODING = _core.Encoding(BLOB)
SIXTEEN = (10,) * 16


class Stopped(Exception):
    """Ends what would run until it is cancelled."""


def upkeep(custody: Custody, member: Member) -> Upkeep:
    return Upkeep(custody.ledger, member.store, member.repair, custody.executor, member.metrics)


async def keep(custody: Custody, member: Member, passed: Callable[[float], None]) -> None:
    """Run until `passed`, which is told the seconds that have passed, raises Stopped."""
    now_s = 0.0

    async def sleep(duration_s: float) -> None:
        nonlocal now_s
        now_s += duration_s
        passed(now_s)

    with pytest.raises(Stopped):
        await Upkeep(custody.ledger, member.store, member.repair, custody.executor, member.metrics, sleep).run()


def watch(custody: Custody, failures: int) -> list[int]:
    """The epochs in which the chain is asked what lives; it does not answer the first `failures` times."""
    asked: list[int] = []
    live = custody.ledger.live

    async def late(first: int, count: int) -> Sequence[Certified]:
        asked.append(custody.ledger.now)
        if len(asked) <= failures:
            raise Unavailable("the chain is starting")
        return await live(first, count)

    custody.ledger.live = late  # type: ignore[method-assign]
    return asked


def test_what_expired_goes_and_what_lives_stays(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        member = custody.members[0]
        old, young = (await custody.store(BLOB, 6)).blob, (await custody.store(BLOB[:-200], 9)).blob
        custody.ledger.now = 6
        await upkeep(custody, member).begin(6)
        assert set(member.store.blobs()) == {old, young}
        custody.ledger.now = 7
        custody.ledger.certificates = [entry for entry in custody.ledger.certificates if entry.blob == young]
        used = member.store.used_bytes
        await upkeep(custody, member).begin(7)
        assert member.store.blobs() == (young,)
        assert member.metrics.pruned._value.get() == used - member.store.used_bytes > 0

    run(tmp_path, test, SIXTEEN)


def test_blobs_that_nobody_certified_are_let_go_when_no_certificate_can_come(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        member = custody.members[0]
        blob = (await custody.store(BLOB, 9)).blob
        custody.ledger.certificates.clear()
        for epoch, paid, kept in ((6, False, True), (7, True, True), (7, False, False)):
            custody.ledger.now = epoch
            custody.ledger.requests = {blob} if paid else set()
            await upkeep(custody, member).begin(epoch)
            assert (member.store.blobs() == (blob,)) is kept

    run(tmp_path, test, SIXTEEN)


def test_it_is_done_once_an_epoch(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        asked = watch(custody, 0)

        def passed(now_s: float) -> None:
            custody.ledger.now = 5 if now_s < 600 else 6
            if now_s > 1_200:
                raise Stopped

        await keep(custody, custody.members[0], passed)
        assert asked == [5, 6]

    run(tmp_path, test, (1,))


def test_what_failed_is_tried_again_after_pauses_that_grow(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        asked, at = watch(custody, 10), [0.0]

        def passed(now_s: float) -> None:
            at.extend([now_s] * (len(asked) - len(at)))
            if len(asked) > 10:
                raise Stopped

        await keep(custody, custody.members[0], passed)
        expected = [min(RETRY_FIRST_S * 2**attempt, RETRY_MAX_S) for attempt in range(9)]
        pauses = [later - before for before, later in pairwise(at[:-1])]
        assert all(abs(pause - wanted) <= POLL_S for pause, wanted in zip(pauses, expected, strict=True)), pauses

    run(tmp_path, test, (1,))


def test_a_new_epoch_does_not_wait_for_the_end_of_a_pause(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        asked = watch(custody, 8)

        def passed(now_s: float) -> None:
            if len(asked) == 8:
                custody.ledger.now = 6
            if len(asked) == 9:
                raise Stopped
            assert now_s < RETRY_FIRST_S * 2**7

        await keep(custody, custody.members[0], passed)
        assert asked == [5] * 8 + [6]

    run(tmp_path, test, (1,))


def test_who_lost_everything_while_the_others_were_away_has_it_again_once_they_are_back(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        member = custody.members[0]
        member.store.close()
        shutil.rmtree(member.home)
        member.store = member.repair._store = Store(member.home, PLENTY)
        assert member.network is not None
        here = member.network.peer_id
        away = [other.network.peer_id for other in custody.members[1:] if other.network is not None]
        for peer in away:
            custody.hub.disconnect(here, peer)

        def passed(now_s: float) -> None:
            if now_s > 60 and away:
                assert member.store.blobs() == ()
                for peer in away:
                    custody.hub.connect(here, peer)
                away.clear()
            if now_s > 600:
                raise Stopped

        await keep(custody, member, passed)
        wanted = (await custody.assignment(blob)).rows_of(0)
        assert sorted(member.store.rows(blob, wanted)) == sorted(ENCODING.rows(wanted))

    run(tmp_path, test, SIXTEEN)
