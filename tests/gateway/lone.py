"""One node that stores and reads blobs by itself, over a chain in memory, and the gateways in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from tests.da.cluster import MemoryLedger, Quiet, key_of
from zg_node.config import GatewaySettings
from zg_node.consensus.votes import address_of
from zg_node.da.holders import Holder, HolderSet
from zg_node.da.service import DaOptions, DataAvailability, HolderKey, open_store
from zg_node.gateway.blobs import Blobs
from zg_node.gateway.service import Gateways

EPOCHS = 1
SETTINGS = {"disperser_port": 0, "altda_port": 0, "celestia_port": 0, "epochs": EPOCHS, "blob_max_mb": 1}


class Lone:
    """Data availability of one holder, who is everybody; make it on a running event loop."""

    def __init__(self, home: Path) -> None:
        signer = address_of(key_of(0).public_key)
        holders = HolderSet((Holder(signer, 10, ""),))
        self.home = home
        self.ahead = 0
        """Blocks after those, without any."""
        self.ledger = MemoryLedger({0: holders, 1: holders})
        options = DaOptions(capacity_bytes=256 << 20, threads=1, workers=2)
        self.service = DataAvailability(
            self.ledger,
            Quiet(),
            None,
            open_store(home, options.capacity_bytes),
            HolderKey(key_of(0), signer),
            options,
            CollectorRegistry(),
            asyncio.get_running_loop().time,
        )

    def head(self) -> int:
        """MemoryLedger makes a block for every certificate."""
        return len(self.ledger.certificates) + self.ahead

    def blobs(self, max_bytes: int = 1 << 20) -> Blobs:
        return Blobs(self.service, 0, EPOCHS, max_bytes, self.head)

    def gateways(self, **settings: object) -> Gateways:
        return Gateways(GatewaySettings.model_validate({**SETTINGS, **settings}), self.home, self.service, self.head)


def run(home: Path, test: Callable[[Lone], Awaitable[None]]) -> None:
    """Run a test against a lone node."""

    async def main() -> None:
        lone = Lone(home)
        try:
            await test(lone)
        finally:
            await lone.service.close()

    asyncio.run(main())


def listen(home: Path, gateway: str, test: Callable[[Lone, int], Awaitable[None]]) -> None:
    """Run a test against one gateway of a lone node, at the port that the test is given."""

    async def main(lone: Lone) -> None:
        gateways = lone.gateways(**{gateway: True})
        try:
            await gateways.start()
            await test(lone, gateways.ports[gateway])
        finally:
            await gateways.close()

    run(home, main)
