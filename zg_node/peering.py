"""What a node does with other nodes: consensus messages, transactions, and catching up, over one network.

P2pNetwork ─┬─ direct streams ─▶ ConsensusRouter ─▶ ShardConsensus of each shard
            ├─ gossip ─────────▶ TransactionGossip of each shard ─▶ mempool
            └─ requests ───────▶ SyncServer;  SyncService ─▶ ShardSync of each shard ─▶ chain, ShardConsensus
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from prometheus_client import CollectorRegistry

from zg_node import _core
from zg_node.config import Settings
from zg_node.consensus.light import EpochProof
from zg_node.consensus.missing import MissingBlocks
from zg_node.consensus.router import ConsensusRouter
from zg_node.consensus.sync_server import Source, SyncServer
from zg_node.consensus.sync_service import ShardSync, SyncService
from zg_node.consensus.sync_verify import Rules
from zg_node.epochs import ValidatorSets
from zg_node.errors import ZgError
from zg_node.execution.genesis import Genesis
from zg_node.execution.gossip import TransactionGossip
from zg_node.execution.service import Chain
from zg_node.execution.snapshot import SnapshotSource
from zg_node.identity import node_seed, require_p2p
from zg_node.p2p.client import P2pNetwork
from zg_node.p2p.network import Network
from zg_node.p2p.settings import P2pSettings
from zg_node.p2p.topics import topic
from zg_node.shard import Shard, thread
from zg_node.types.block import StoredBlock

log = logging.getLogger("zg.node")

VERIFIERS = 2
"""Threads that check what others send, beside the shards' own."""


def make_network(settings: Settings, genesis: Genesis, home: Path, registry: CollectorRegistry) -> P2pNetwork:
    """The node's libp2p host, not started. Raises InvalidConfig."""
    require_p2p()
    p2p = settings.p2p
    return P2pNetwork(
        P2pSettings(
            listen=p2p.listen,
            bootstrap=p2p.bootstrap,
            identity=node_seed(home),
            home=home / "p2p",
            network=genesis.network[:8].hex(),
            shards=settings.network.shards,
            fast_path=p2p.fast_path,
            mdns=p2p.mdns,
            dht=p2p.dht,
        ),
        registry,
    )


class Peering:
    """The services between nodes; made before the network starts."""

    def __init__(
        self,
        network: Network,
        genesis: Genesis,
        sets: ValidatorSets,
        shards: Sequence[Shard],
        executor: Callable[[str], Executor] = thread,
    ) -> None:
        """`executor` makes the threads that cut snapshots, by their names."""
        self._verifiers = ThreadPoolExecutor(VERIFIERS, thread_name_prefix="verify")
        ConsensusRouter(network, [shard.consensus.receive for shard in shards])
        self._gossip = [self._join_gossip(network, genesis, shard) for shard in shards]
        syncs = {shard.chain.shard: self._join_sync(network, genesis, sets, shard) for shard in shards}
        self._snapshots = [
            EpochSnapshots(shard.chain, executor(f"shard-{shard.chain.shard}-snapshot")) for shard in shards
        ]
        sources = {
            shard.chain.shard: Source(shard.chain, shard.consensus.encoded_block, snapshots)
            for shard, snapshots in zip(shards, self._snapshots, strict=True)
        }
        server = SyncServer(genesis.network, sources, self._verifiers)
        self.sync = SyncService(network, genesis.network, syncs, server)
        for shard in shards:
            shard.consensus.sync = MissingBlocks(network, shard.chain.shard, _core.check_body, self.sync.nudge)

    def close(self) -> None:
        """After the node's tasks have ended."""
        for gossip in self._gossip:
            gossip.close()
        for snapshots in self._snapshots:
            snapshots.close()
        self._verifiers.shutdown()

    def _join_gossip(self, network: Network, genesis: Genesis, shard: Shard) -> TransactionGossip:
        name = topic(genesis.network[:8].hex(), shard.chain.shard, "tx")
        gossip = TransactionGossip(network, name, shard.chain, self._verifiers)
        shard.chain.share = gossip.share
        if shard.journal is not None:
            gossip.remember(shard.journal.load())
        return gossip

    def _join_sync(self, network: Network, genesis: Genesis, sets: ValidatorSets, shard: Shard) -> ShardSync:
        rules = Rules(genesis.network, shard.chain.chain_id, sets.of, _core.check_body)
        return ShardSync(shard.chain, shard.consensus, rules, network, shard.worker, self._verifiers)


class EpochSnapshots:
    """A shard's newest states for nodes that join: of the last epoch that ended, and the one before.

    Taken at an epoch's first block, and after a restart with the first block that comes."""

    def __init__(self, chain: Chain, worker: Executor) -> None:
        """`worker` has one thread, and is shut down by `close`."""
        self._chain = chain
        self._source = SnapshotSource(chain.state)
        self._worker = worker
        self._epoch = 0
        chain.on_head(self._on_head)

    def manifest(self) -> tuple[int, bytes, tuple[bytes, ...]] | None:
        return self._source.manifest()

    def chunk(self, number: int, index: int) -> bytes:
        return self._source.chunk(number, index)

    def close(self) -> None:
        self._source.close()
        self._worker.shutdown()

    def _on_head(self, block: StoredBlock) -> None:
        epoch = block.consensus.epoch
        if epoch != self._epoch:
            self._epoch = epoch
            self._worker.submit(self._take, epoch - 1)

    def _take(self, epoch: int) -> None:
        """Serve the state after an epoch's last block, if it is still kept; the proof of the end names the block."""
        shard = self._chain.shard
        try:
            proof = self._chain.blocks.epoch(epoch)
            number = EpochProof.decode(proof).header.number if proof is not None else None
            taken = number is not None and self._source.take(number)
        except (ZgError, OSError) as error:
            log.warning("shard=%d epoch=%d no snapshot: %s", shard, epoch, error)
            return
        if taken:
            log.info("shard=%d epoch=%d snapshot of block=%d is served", shard, epoch, number)
        else:
            log.info("shard=%d epoch=%d no snapshot before the next epoch: its last state is not kept", shard, epoch)
