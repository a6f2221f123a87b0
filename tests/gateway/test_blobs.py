"""Puts on behalf of foreign clients: how many wait, what is found under which certificate, what a block certified."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gateway.lone import Lone, run
from zg_node.errors import InvalidRequest, Unavailable
from zg_node.gateway import blobs as gateway_blobs
from zg_node.gateway.blobs import UnknownBlob
from zg_node.gateway.locator import Locator


def test_blobs_that_are_being_stored_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_blobs, "WAITING_MAX_BYTES", 1_500)

    async def test(lone: Lone) -> None:
        blobs = lone.blobs()
        first = blobs.begin(bytes(1_000))
        with pytest.raises(Unavailable):
            blobs.begin(bytes(501))
        await first.task
        await asyncio.sleep(0)  # for the callback
        await blobs.put(bytes(501))

    run(tmp_path, test)


def test_sizes_out_of_bounds_and_unknown_blobs_are_refused(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        blobs = lone.blobs(max_bytes=10)
        for data in (b"", bytes(11)):
            with pytest.raises(InvalidRequest):
                blobs.begin(data)
        with pytest.raises(UnknownBlob):
            await blobs.get(bytes(32))

    run(tmp_path, test)


def test_a_put_outlives_who_asked_for_it(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        asking = asyncio.ensure_future(lone.blobs().put(b"blob"))
        await asyncio.sleep(0)
        asking.cancel()
        await lone.service.job(1).task
        assert len(lone.ledger.certificates) == 1

    run(tmp_path, test)


def test_certificates_are_found_by_their_blocks(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        blobs = lone.blobs()
        made = [await blobs.put(b"blob %d" % number) for number in range(4)]
        assert [one.block for one in made] == [1, 2, 3, 4]
        assert list(await blobs.certified_in(2, 3)) == made[1:3]
        assert list(await blobs.certified_in(4, 9)) == made[3:]
        assert list(await blobs.certified_in(5, 9)) == []

    run(tmp_path, test)


def test_a_blob_is_had_by_each_of_its_certificates_and_by_no_other(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        blobs = lone.blobs()
        first = await blobs.put(b"blob")
        second = replace(first, blob=replace(first.blob, epoch=1, expiry=5))
        lone.ledger.certificates.append(second)
        for certified in (first, second):
            assert await blobs.get_at(Locator.of(certified.blob)) == b"blob"
        for epoch, quorum in ((2, 0), (0, 1)):
            with pytest.raises(UnknownBlob, match=f"epoch {epoch}, quorum {quorum}"):
                await blobs.get_at(Locator(first.blob.commitment, epoch, quorum))

    run(tmp_path, test)
