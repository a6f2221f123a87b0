"""Before the first start of a node that joins a network: take over a recent state instead of replaying history.

    empty home ─▶ connect ─▶ root shard's snapshot ─▶ the other shards', not older ─▶ the node opens them as its own

All shards begin with a snapshot or none does, since the later blocks of one name root blocks that another start would
not have: the file `joining` is there until the last one is installed. Whatever goes wrong leaves the home without
chains, or a copy to go on with, and the node syncs from block 0.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from zg_node import _core, metrics
from zg_node.config import Settings
from zg_node.consensus.light import Trusted
from zg_node.consensus.snapshot_sync import SnapshotProgress, SnapshotSync
from zg_node.db.durable import sync_directory, write_file
from zg_node.epochs import ValidatorSets
from zg_node.errors import Unavailable
from zg_node.execution.genesis import Genesis
from zg_node.execution.snapshot import Installation, block_zero
from zg_node.p2p.network import Network
from zg_node.peering import make_network

log = logging.getLogger("zg.node")

MARKER = "joining"
PEER_WAIT_S = 5.0
"""How long to wait for somebody to ask."""
REPORT_S = 0.25

Progress = Callable[[SnapshotProgress], None]


def is_new(home: Path) -> bool:
    """Whether a node has no chains of its own yet, or not all of them."""
    return (home / MARKER).exists() or not (home / "shard-0" / "blocks").exists()


async def join_by_snapshot(settings: Settings, genesis: Genesis, home: Path, progress: Progress) -> None:
    """Install what peers offer, shard by shard. Raises InvalidConfig, Unavailable as the network's start does."""
    _forget_installed(settings, home)
    write_file(home / MARKER, b"")
    network = make_network(settings, genesis, home, metrics.new_registry())
    connected = asyncio.Event()
    network.on_peer(lambda peer, there: connected.set())
    await network.start()
    try:
        if await _somebody(connected):
            await install(settings, genesis, home, network, progress)
    except Unavailable as error:
        log.info("no snapshot to begin with: %s", error)
        _forget_installed(settings, home)
    finally:
        await network.stop()
    (home / MARKER).unlink()
    sync_directory(home)


def _forget_installed(settings: Settings, home: Path) -> None:
    """Remove shards that are whole while others are not; half a copy stays, to be gone on with."""
    for shard in range(settings.network.shards):
        for name in ("blocks", "state", "log"):
            shutil.rmtree(home / f"shard-{shard}" / name, ignore_errors=True)


async def _somebody(connected: asyncio.Event) -> bool:
    """Whether a peer is connected, after a while."""
    try:
        await asyncio.wait_for(connected.wait(), PEER_WAIT_S)
    except TimeoutError:
        return False
    return True


async def install(settings: Settings, genesis: Genesis, home: Path, network: Network, progress: Progress) -> None:
    """Take over each shard's newest certified state from the network. Raises Unavailable."""
    first = ValidatorSets(genesis).certain(0)
    epoch = 0
    with ThreadPoolExecutor(1, thread_name_prefix="snapshot") as worker:
        for shard in range(settings.network.shards):
            trusted = Trusted(genesis.network, genesis.chain_id(shard), shard == 0, genesis.epoch_blocks, 0, first)
            zero = partial(block_zero, genesis, shard, first.hash())
            installation = Installation(home / f"shard-{shard}", zero)
            sync = SnapshotSync(network, shard, trusted, _core.check_body, installation, worker)
            reporting = asyncio.ensure_future(_report(sync, progress))
            try:
                epoch = await sync.run(epoch)
            finally:
                reporting.cancel()
                installation.close()
            progress(sync.progress())
            log.info("shard=%d begins with the state of block=%d", shard, sync.progress().number)


async def _report(sync: SnapshotSync, progress: Progress) -> None:
    while True:
        progress(sync.progress())
        await asyncio.sleep(REPORT_S)
