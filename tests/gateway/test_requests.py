"""Request ids: what became of each put, also after a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import plyvel
import pytest

from tests.da.cluster import QUICK, key_of
from tests.gateway.lone import Lone, run
from zg_node.consensus.votes import address_of
from zg_node.da.client import PutProgress
from zg_node.da.holders import Holder, HolderSet
from zg_node.da.ledger import Certified
from zg_node.da.service import PutJob
from zg_node.errors import Corrupt, Unavailable
from zg_node.gateway import requests as gateway_requests
from zg_node.gateway.locator import Locator
from zg_node.gateway.requests import Outcome, Requests, Status


def test_a_put_goes_from_processing_to_final_with_its_locator(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        requests = Requests(tmp_path / "gateway" / "requests")
        job = lone.blobs().begin(b"blob")
        request_id = requests.add(job)
        assert requests.find(request_id) == Outcome(Status.PROCESSING)
        final = Outcome(Status.FINALIZED, Locator.of((await job.task).blob))
        await asyncio.sleep(0)  # for the callback
        assert requests.find(request_id) == final
        requests.close()
        again = Requests(tmp_path / "gateway" / "requests")
        assert again.find(request_id) == final
        again.close()

    run(tmp_path, test)


def test_a_put_for_which_too_little_stake_signs_is_told_apart(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        signers = sorted(address_of(key_of(index).public_key) for index in range(2))
        lone.ledger.sets[0] = HolderSet(tuple(Holder(signer, 10, "") for signer in signers))
        lone.service.client._patience = replace(QUICK, quorum_s=0.05)
        job = lone.blobs().begin(b"blob")
        with pytest.raises(Unavailable):
            await job.task
        assert Outcome.of(job) == Outcome(Status.INSUFFICIENT_SIGNATURES)

    run(tmp_path, test)


async def never() -> Certified:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


def endless() -> PutJob:
    """A put that goes on until it is cancelled."""
    return PutJob(PutProgress(1), asyncio.ensure_future(never()))


def test_a_put_that_the_process_took_with_it_has_failed(tmp_path: Path) -> None:
    async def main() -> None:
        requests, job = Requests(tmp_path / "requests"), endless()
        request_id = requests.add(job)
        requests.close()
        job.task.cancel()
        await asyncio.wait([job.task])
        await asyncio.sleep(0)  # for the callback, which finds the index closed
        again = Requests(tmp_path / "requests")
        assert again.find(request_id) == Outcome(Status.FAILED)
        again.close()

    asyncio.run(main())


def test_the_oldest_that_are_over_are_forgotten_and_those_under_way_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_requests, "REQUESTS_MAX", 2)

    async def main() -> None:
        requests, slow = Requests(tmp_path / "requests"), endless()
        lasting = requests.add(slow)
        over = [await _ended(requests) for _ in range(4)]
        requests.add(slow)
        assert [requests.find(request_id) is not None for request_id in (lasting, *over)] == [1, 0, 0, 1, 1]
        requests.close()
        again = Requests(tmp_path / "requests")
        assert [again.find(request_id) is not None for request_id in over] == [0, 0, 1, 1]
        again.close()
        slow.task.cancel()
        await asyncio.wait([slow.task])

    asyncio.run(main())


async def _ended(requests: Requests) -> bytes:
    """The id of a put that failed."""
    job = endless()
    request_id = requests.add(job)
    job.task.cancel()
    await asyncio.wait([job.task])
    await asyncio.sleep(0)  # for the callback
    return request_id


def test_ids_are_in_order_across_restarts_and_end_in_chance(tmp_path: Path) -> None:
    async def main() -> None:
        ids: list[bytes] = []
        for _ in range(2):
            requests, job = Requests(tmp_path / "requests", lambda size: b"c" * size), endless()
            ids += [requests.add(job), requests.add(job)]
            requests.close()
            job.task.cancel()
            await asyncio.wait([job.task])
        assert ids == [number.to_bytes(8, "big") + b"c" * 8 for number in (1, 2, 3, 4)]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("request_id", "kept"),
    [(b"i" * 16, b"\x09"), (b"short", b"\x03"), (b"i" * 16, b"\x04cut")],
)
def test_an_index_with_something_else_in_it_is_named(tmp_path: Path, request_id: bytes, kept: bytes) -> None:
    database = plyvel.DB(str(tmp_path / "requests"), create_if_missing=True)
    database.put(request_id, kept)
    database.close()
    for _ in range(2):  # and is let go, to be looked at
        with pytest.raises(Corrupt, match="requests"):
            Requests(tmp_path / "requests")
