"""Puts on behalf of foreign clients: how far they are, how many wait, and what a block certified."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.da.cluster import QUICK, key_of
from tests.gateway.lone import Lone, run
from zg_node.consensus.votes import address_of
from zg_node.da.holders import Holder, HolderSet
from zg_node.errors import InvalidRequest, Unavailable
from zg_node.gateway import blobs as gateway_blobs
from zg_node.gateway.blobs import Progress, UnknownBlob


def test_a_put_goes_from_under_way_to_final_with_its_certificate(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        blobs = lone.blobs()
        number = blobs.begin(b"blob")
        assert blobs.progress(number) == (Progress.UNDER_WAY, None)
        certified = await lone.service.job(number).task
        assert blobs.progress(number) == (Progress.FINAL, certified)
        assert certified.blob.expiry == certified.blob.epoch

    run(tmp_path, test)


def test_a_put_for_which_too_little_stake_signs_is_told_apart(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        signers = sorted(address_of(key_of(index).public_key) for index in range(2))
        lone.ledger.sets[0] = HolderSet(tuple(Holder(signer, 10, "") for signer in signers))
        lone.service.client._patience = replace(QUICK, quorum_s=0.05)
        blobs = lone.blobs()
        number = blobs.begin(b"blob")
        with pytest.raises(Unavailable):
            await lone.service.job(number).task
        assert blobs.progress(number) == (Progress.UNSIGNED, None)

    run(tmp_path, test)


def test_blobs_that_are_being_stored_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_blobs, "WAITING_MAX_BYTES", 1_500)

    async def test(lone: Lone) -> None:
        blobs = lone.blobs()
        first = blobs.begin(bytes(1_000))
        with pytest.raises(Unavailable):
            blobs.begin(bytes(501))
        await lone.service.job(first).task
        await asyncio.sleep(0)  # for the callback
        await blobs.put(bytes(501))

    run(tmp_path, test)


def test_sizes_out_of_bounds_and_unknown_puts_are_refused(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        blobs = lone.blobs(max_bytes=10)
        for data in (b"", bytes(11)):
            with pytest.raises(InvalidRequest):
                blobs.begin(data)
        with pytest.raises(InvalidRequest):
            blobs.progress(1)
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
