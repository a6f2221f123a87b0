"""Whole nodes' data availability over a network in memory: custody on disk, puts, gets, and what clients see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from tests.da.cluster import MemoryLedger, Quiet, key_of
from zg_node.consensus.votes import address_of
from zg_node.da.holders import Holder, HolderSet
from zg_node.da.service import JOBS_MAX, DaOptions, DataAvailability, HolderKey, open_store
from zg_node.errors import InvalidRequest
from zg_node.p2p.memory import MemoryHub

BLOB = Random(11).randbytes(200_000)
OPTIONS = DaOptions(capacity_bytes=256 << 20, threads=1, workers=2)


class Nodes:
    """Holders 0 … n − 1, and a node without a key behind them; one node alone when `n` is 1."""

    def __init__(self, home: Path, n: int) -> None:
        loop = asyncio.get_running_loop()
        self.hub = MemoryHub(loop.call_later, lambda source, target, size: (0.0,))
        order = sorted(range(n), key=lambda index: address_of(key_of(index).public_key))
        peers = [f"node-{index}" if n > 1 else "" for index in order]
        holders = HolderSet(
            tuple(
                Holder(address_of(key_of(index).public_key), 10, peer) for index, peer in zip(order, peers, strict=True)
            )
        )
        self.ledger = MemoryLedger({0: holders, 1: holders})
        self.registries = [CollectorRegistry() for _ in range(n + (n > 1))]
        self.networks = [self.hub.join(f"node-{index}") if n > 1 else None for index in range(len(self.registries))]
        self.services = [
            DataAvailability(
                self.ledger,
                Quiet(),
                network,
                open_store(home / str(index), OPTIONS.capacity_bytes),
                HolderKey(key_of(index), address_of(key_of(index).public_key)) if index < n else None,
                OPTIONS,
                registry,
                loop.time,
            )
            for index, (network, registry) in enumerate(zip(self.networks, self.registries, strict=True))
        ]

    async def connect(self) -> None:
        """Let the scheduler connect everyone."""
        networks = [network for network in self.networks if network is not None]
        everyone = asyncio.Event()

        def look(*_: object) -> None:
            if all(len(network.peers()) == len(networks) - 1 for network in networks):
                everyone.set()

        for network in networks:
            network.on_peer(look)
        look()
        await everyone.wait()

    async def close(self) -> None:
        for service in self.services:
            await service.close()


def run(home: Path, n: int, test: Callable[[Nodes], Awaitable[None]]) -> None:
    async def main() -> None:
        for directory in range(n + 1):
            (home / str(directory)).mkdir(exist_ok=True)
        nodes = Nodes(home, n)
        await nodes.connect()
        try:
            await test(nodes)
        finally:
            await nodes.close()

    asyncio.run(main())


def test_a_node_alone_stores_and_reads_through_the_same_code(tmp_path: Path) -> None:
    async def test(nodes: Nodes) -> None:
        (service,) = nodes.services
        certified = await service.put(BLOB, 0, 1)
        assert certified.signers == (0,)
        assert (await service.get(certified.blob.commitment)).data == BLOB
        kept = service.store.kept(certified.blob)
        assert kept is not None
        assert len(kept.rows()) == 4096

    run(tmp_path, 1, test)


def test_rows_are_still_there_when_the_node_starts_again(tmp_path: Path) -> None:
    ledgers: list[MemoryLedger] = []

    async def put(nodes: Nodes) -> None:
        await nodes.services[0].put(BLOB, 0, 1)
        ledgers.append(nodes.ledger)

    async def get(nodes: Nodes) -> None:
        nodes.ledger.certificates = ledgers[0].certificates
        commitment = nodes.ledger.certificates[0].blob.commitment
        assert (await nodes.services[0].get(commitment)).data == BLOB

    run(tmp_path, 1, put)
    run(tmp_path, 1, get)


def test_whoever_keeps_nothing_reads_what_another_node_stored(tmp_path: Path) -> None:
    async def test(nodes: Nodes) -> None:
        certified = await nodes.services[0].put(BLOB, 0, 1)
        reader = nodes.services[-1]
        found = await reader.get(certified.blob.commitment)
        assert found.data == BLOB
        assert found.received_bytes > len(BLOB)
        assert reader.store.blobs() == ()
        moved = nodes.registries[-1].get_sample_value("zg_da_moved_bytes_total", {"direction": "received"})
        assert moved == found.received_bytes

    run(tmp_path, 4, test)


def test_a_blob_of_a_kilobyte_moves_less_than_64_kib_among_16_holders(tmp_path: Path) -> None:
    async def test(nodes: Nodes) -> None:
        await nodes.services[0].put(BLOB[:1024], 0, 1)
        await asyncio.gather(*nodes.services[0].client._lingering)
        sent = [
            registry.get_sample_value("zg_da_moved_bytes_total", {"direction": "sent"}) or 0
            for registry in nodes.registries
        ]
        assert 16 * 1024 < sum(sent) < 64 * 1024

    run(tmp_path, 16, test)


def test_a_put_in_the_background_is_followed_by_its_number(tmp_path: Path) -> None:
    async def test(nodes: Nodes) -> None:
        (service,) = nodes.services
        job = service.job(service.begin_put(BLOB, 0, 1))
        assert (job.certified, job.failure) == (None, None)
        assert await job.task == job.certified
        failing = service.job(service.begin_put(b"", 0, 1))
        with pytest.raises(InvalidRequest):
            await failing.task
        assert "a blob of 0 bytes" in str(failing.failure)

    run(tmp_path, 1, test)


def test_only_the_last_puts_are_remembered(tmp_path: Path) -> None:
    async def test(nodes: Nodes) -> None:
        (service,) = nodes.services
        first = service.begin_put(b"", 0, 1)
        for _ in range(JOBS_MAX):
            await asyncio.gather(service.job(service.begin_put(b"", 0, 1)).task, return_exceptions=True)
        with pytest.raises(InvalidRequest, match=f"no put {first}"):
            service.job(first)

    run(tmp_path, 1, test)


def test_a_blob_that_many_ask_for_at_once_is_read_once(tmp_path: Path) -> None:
    async def test(nodes: Nodes) -> None:
        certified = await nodes.services[0].put(BLOB, 0, 1)
        reader = nodes.services[-1]
        found = await asyncio.gather(*(reader.get(certified.blob.commitment) for _ in range(8)))
        assert {id(each) for each in found} == {id(found[0])}
        assert nodes.registries[-1].get_sample_value("zg_da_gets_total") == 1

    run(tmp_path, 4, test)
