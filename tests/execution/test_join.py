"""A node joins a real chain over a network in memory: a snapshot first, then every block up to the head."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.execution.epoch_chain import EPOCH_BLOCKS, GENESIS, MEMBERS, TRUSTED, EpochChain
from zg_node import _core
from zg_node.consensus.snapshot_sync import SnapshotSync
from zg_node.consensus.sync_messages import PROTOCOL
from zg_node.consensus.sync_server import Source, SyncServer
from zg_node.consensus.sync_service import ShardSync, SyncService
from zg_node.consensus.sync_verify import Rules
from zg_node.execution import snapshot as module
from zg_node.execution.snapshot import Installation, SnapshotSource, block_zero
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.types.block import StoredBlock

LIMIT_S = 60.0


class Silent:
    """Live consensus that only listens."""

    async def synced(self, block: StoredBlock) -> None:
        return None


def nobody(view: int, block_hash: bytes) -> bytes | None:
    """There are no blocks that are not final."""
    return None


async def catch_up(network: MemoryNetwork, copy: EpochChain, top: int, threads: ThreadPoolExecutor) -> None:
    rules = Rules(GENESIS.network, GENESIS.chain_id(0), lambda epoch: MEMBERS, _core.check_body)
    worker = ThreadPoolExecutor(1)
    shard = ShardSync(copy.chain, Silent(), rules, network, worker, threads)
    server = SyncServer(GENESIS.network, {0: Source(copy.chain, nobody)}, threads)
    service = SyncService(network, GENESIS.network, {0: shard}, server)
    there = asyncio.Event()
    unsubscribe = copy.chain.on_head(lambda block: there.set() if block.number == top else None)
    running = asyncio.ensure_future(service.run())
    try:
        arrived = asyncio.ensure_future(there.wait())
        done, _ = await asyncio.wait({running, arrived}, timeout=LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        assert arrived in done, running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        unsubscribe()
        worker.shutdown()


@pytest.mark.parametrize("by_snapshot", [False, True])
def test_a_node_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_snapshot: bool) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 3000)
    source = EpochChain(tmp_path / "source")
    for _ in range(3 * EPOCH_BLOCKS + 5):
        source.mine()
    served = SnapshotSource(source.chain.state)
    assert served.take(3 * EPOCH_BLOCKS)
    threads = ThreadPoolExecutor(2)

    async def join() -> EpochChain:
        loop = asyncio.get_running_loop()
        hub = MemoryHub(loop.call_later, lambda sender, target, size: (0.0,))
        network = hub.join("new")
        server = SyncServer(GENESIS.network, {0: Source(source.chain, nobody, served)}, threads)
        hub.join("old", connect=False).serve(PROTOCOL, server.answer)
        hub.connect("new", "old")
        directory = tmp_path / "copy"
        if by_snapshot:
            target = Installation(directory, lambda scratch: block_zero(GENESIS, 0, MEMBERS.hash(), scratch))
            sync = SnapshotSync(network, 0, TRUSTED, _core.check_body, target, ThreadPoolExecutor(1))
            assert await sync.run() == 2
            assert sync.progress().done == sync.progress().total > 3
        copy = EpochChain(directory)
        assert copy.chain.head.number == (3 * EPOCH_BLOCKS if by_snapshot else 0)
        await catch_up(network, copy, source.chain.head.number, threads)
        assert network.reports == []
        return copy

    copy = asyncio.run(join())
    assert copy.chain.head.hash == source.chain.head.hash
    assert copy.chain.state.head() == source.chain.state.head()
    assert copy.chain.blocks.epoch(2) == source.chain.blocks.epoch(2)
    for chain in (copy.chain, source.chain):
        chain.close()
    served.close()
    threads.shutdown()
