"""Data availability joined with the rest of a node: the root chain as its ledger, the voting key as its holder's, the
network, and storage proofs for light clients.

The voting key signs for rows; the node's account pays for the blobs that its clients store, and answers challenges.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client import CollectorRegistry

from zg_node.config import MIB, Settings
from zg_node.da.service import DaOptions, DataAvailability, HolderKey, open_store
from zg_node.datacourt import ChainCourt
from zg_node.dataledger import ChainLedger
from zg_node.epochs import Voter
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain
from zg_node.gateway.service import Gateways
from zg_node.p2p.network import Network
from zg_node.rootaccount import RootAccount
from zg_node.stateproof import PROTOCOL, StateProofServer


class Availability:
    """One a node; made before the network starts, on the event loop."""

    def __init__(
        self,
        settings: Settings,
        genesis: Genesis,
        home: Path,
        root: Chain,
        voter: Voter | None,
        account: RootAccount,
        network: Network | None,
        registry: CollectorRegistry,
    ) -> None:
        """Open the rows that are kept; `account` is closed after this. Raises Corrupt, OSError."""
        self._network = network
        self._ledger = ChainLedger(root, genesis, account)
        self._provers = ThreadPoolExecutor(1, thread_name_prefix="state-proof")
        options = DaOptions(settings.da.capacity_mb * MIB, settings.da.threads, settings.da.workers)
        holder = HolderKey(voter.key, voter.address) if voter is not None else None
        store = open_store(home, options.capacity_bytes)
        court = ChainCourt(account, lambda: root.head.number)
        chain = (self._ledger, court)
        self.service = DataAvailability(*chain, network, store, holder, options, registry, time.monotonic)
        self.gateways = Gateways(settings.gateway, home, self.service, lambda: root.head.number)
        if network is not None:
            network.serve(PROTOCOL, StateProofServer(root, self._provers).answer)

    def tasks(self) -> list[tuple[Coroutine[None, None, None], str]]:
        """What runs from the network's start until the node stops, with names."""
        tasks = self.service.tasks()
        if self._network is not None and self.service.holder is not None:
            tasks.append((self._ledger.announce(self._network.peer_id), "da announcement"))
        return tasks

    async def close(self) -> None:
        """After its tasks have ended."""
        await self.gateways.close()
        await self.service.close()
        self._provers.shutdown()
