"""The scrubber finds every damaged row, has it repaired, and reads no faster than it may."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.da.custody import Custody, Member, run
from zg_node import _core
from zg_node.da.certificate import Blob
from zg_node.da.repair import Repaired
from zg_node.da.scrubber import LOOK_S, LOOKS_A_WALK, LOOKS_FIRST, PAUSE_MAX, Scrubber, Walk
from zg_node.errors import Unavailable

LENGTH = 300_000
BLOB = random.Random(5).randbytes(LENGTH)
ENCODING = _core.Encoding(BLOB)
SLOT = 320 + 384 + 4
FIVE = (1, 1, 1, 1, 1)
OWN = 819
"""Rows of the first of five."""


async def no_sleep(duration_s: float) -> None:
    """Time passes at once."""


def scrubber(custody: Custody, member: Member) -> Scrubber:
    return Scrubber(member.store, member.repair, custody.executor, member.metrics, sleep=no_sleep)


def spoil(member: Member, expiry: int, places: Sequence[int]) -> None:
    """Flip a bit of the bytes at these places of the file of rows."""
    path = member.home / str(expiry) / "00000001.rows"
    content = bytearray(path.read_bytes())
    for place in places:
        content[place] ^= 4
    path.write_bytes(content)


def test_a_sound_store_is_read_whole_and_left_alone(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        await custody.store(BLOB)
        member = custody.members[0]
        before = list(member.moved)
        assert await scrubber(custody, member).walk() == Walk(OWN * SLOT, 0, 0)
        assert member.moved == before

    run(tmp_path, test, FIVE)


def test_flipped_bytes_are_found_and_the_rows_fetched_again(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        member = custody.members[0]
        wanted = (await custody.assignment(blob)).rows_of(0)
        head = 16 * 1024 + 4
        spoil(member, 7, [head + slot * SLOT + 11 for slot in (0, 500, 818)])
        moved = member.moved[1]
        assert await scrubber(custody, member).walk() == Walk(OWN * SLOT, 3, 1)
        assert sorted(member.store.rows(blob, wanted)) == sorted(ENCODING.rows(wanted))
        assert member.metrics.damaged._value.get() == 3
        assert member.metrics.repaired._value.get() == 3
        assert 0 < member.moved[1] - moved <= member.metrics.repair_moved._value.get()
        assert member.store.damaged() == ()
        assert await scrubber(custody, member).walk() == Walk(OWN * SLOT, 0, 0)

    run(tmp_path, test, FIVE)


def test_damaged_checksums_are_repaired_too(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        member = custody.members[0]
        spoil(member, 7, [100])
        assert await scrubber(custody, member).walk() == Walk(OWN * SLOT, 0, 1)
        assert member.store.checksums(blob) == ENCODING.checksums()

    run(tmp_path, test, FIVE)


def test_what_was_found_damaged_by_a_reader_is_repaired_at_the_next_look(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        member = custody.members[0]
        wanted = (await custody.assignment(blob)).rows_of(0)
        spoil(member, 7, [16 * 1024 + 4 + 20])
        assert len(member.store.rows(blob, wanted)) == len(wanted) - 1
        assert member.store.damaged() == (blob,)
        await scrubber(custody, member).look()
        assert member.store.damaged() == ()
        assert sorted(member.store.rows(blob, wanted)) == sorted(ENCODING.rows(wanted))

    run(tmp_path, test, FIVE)


def test_who_has_enough_sound_rows_repairs_the_others_alone(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        (member,) = custody.members
        before = list(member.moved)
        spoil(member, 7, [100, *range(16 * 1024 + 4, 16 * 1024 + 4 + 3000 * SLOT, SLOT)])
        assert await scrubber(custody, member).walk() == Walk(4096 * SLOT, 3000, 1)
        assert member.store.rows(blob, range(4096)) == ENCODING.rows(range(4096))
        assert member.store.checksums(blob) == ENCODING.checksums()
        assert member.moved == before

    run(tmp_path, test, (1,))


def test_what_cannot_be_repaired_is_tried_again_ever_more_rarely_until_it_can(tmp_path: Path) -> None:
    attempts: list[int] = []

    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        member = custody.members[0]
        looks = 0

        class Failing:
            async def mend(self, blob: Blob, wanted: Sequence[int]) -> Repaired:
                attempts.append(looks)
                return Repaired(failed=1) if looks < 100 else await member.repair.mend(blob, wanted)

        spoil(member, 7, [16 * 1024 + 4 + 20])
        member.store.rows(blob, (await custody.assignment(blob)).rows_of(0))
        scrubbing = Scrubber(member.store, Failing(), custody.executor, member.metrics, sleep=no_sleep)
        while looks < 150:
            await scrubbing.look()
            looks += 1
        pauses = [later - before for before, later in pairwise(attempts)]
        assert pauses == [1, 2, 4, 8, 16, PAUSE_MAX, PAUSE_MAX, PAUSE_MAX]
        assert member.store.damaged() == ()
        assert member.metrics.damaged._value.get() == 1, "a row counts once, however often it is tried"

    run(tmp_path, test, FIVE)


def test_what_cannot_be_repaired_is_not_lost_sight_of(tmp_path: Path) -> None:
    async def test(custody: Custody) -> None:
        blob = (await custody.store(BLOB)).blob
        (member,) = custody.members
        spoil(member, 7, range(16 * 1024 + 4, 16 * 1024 + 4 + 3500 * SLOT, SLOT))
        scrubbing = scrubber(custody, member)
        assert (await scrubbing.walk()).damaged_rows == 3500
        assert len(member.store.lacking(blob, range(4096))) == 3500
        assert (await scrubbing.walk()).damaged_rows == 3500

    run(tmp_path, test, (1,))


def test_the_first_walk_comes_a_minute_after_the_start_and_the_others_every_ten(tmp_path: Path) -> None:
    walks: list[float] = []
    now_s = 0.0

    class Stopped(Exception):
        pass

    async def sleep(duration_s: float) -> None:
        nonlocal now_s
        now_s += duration_s
        if now_s > 2_000:
            raise Stopped

    class Walking(Scrubber):
        async def walk(self) -> Walk:
            walks.append(now_s)
            return Walk()

    async def test(custody: Custody) -> None:
        member = custody.members[0]
        with pytest.raises(Stopped):
            await Walking(member.store, member.repair, custody.executor, member.metrics, sleep=sleep).run()
        assert walks[:3] == [LOOK_S * (LOOKS_FIRST + LOOKS_A_WALK * count) for count in range(3)] == [60, 660, 1260]

    run(tmp_path, test, (1,))


def test_reading_keeps_to_the_rate(tmp_path: Path) -> None:
    pauses: list[float] = []

    class Idle:
        async def mend(self, blob: Blob, wanted: Sequence[int]) -> Repaired:
            raise Unavailable("nothing is damaged")

    async def sleep(duration_s: float) -> None:
        pauses.append(duration_s)

    async def test(custody: Custody) -> None:
        await custody.store(BLOB)
        member = custody.members[0]
        walk = await Scrubber(member.store, Idle(), custody.executor, member.metrics, 1 << 20, sleep).walk()
        assert abs(sum(pauses) - walk.read_bytes / (1 << 20)) < 1e-6
        assert walk.read_bytes == 4096 * SLOT
        assert max(pauses) <= 2.001

    run(tmp_path, test, (1,))
