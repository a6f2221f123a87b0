"""Real holders over a network in memory: each with a store on disk, a custodian and a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client import CollectorRegistry

from tests.da.cluster import NETWORK, MemoryLedger, key_of
from zg_node import _core
from zg_node.da.assignment import Assignment, assign
from zg_node.da.certificate import Blob, Tally
from zg_node.da.holder import Custodian
from zg_node.da.holder_metrics import HolderMetrics
from zg_node.da.holders import Holder, HolderSet
from zg_node.da.ledger import Certified
from zg_node.da.lines import Lines
from zg_node.da.messages import PROTOCOL, DataRequest, Offer, RowsRequest, Signature, commitment_of, decode_request
from zg_node.da.outbox import Outbox
from zg_node.da.repair import Repair
from zg_node.da.server import Server
from zg_node.da.store import Store
from zg_node.keys import address_of
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.p2p.network import RequestHandler

PLENTY = 1 << 30


class Member:
    """One holder."""

    def __init__(self, custody: Custody, index: int, network: MemoryNetwork | None, home: Path) -> None:
        loop = asyncio.get_running_loop()
        key = key_of(index)
        self.signer = address_of(key.secret)
        self.network = network
        self.home = home
        self.store = Store(home, PLENTY)
        self.moved = [0, 0]
        self.lines = Lines(network, self.signer, self._count)
        self.outbox = Outbox()
        self.metrics = HolderMetrics(CollectorRegistry())
        self.custodian = Custodian(
            custody.ledger, self.store, key, self.signer, self.lines, custody.executor, self.metrics
        )
        self.server = Server(self.store, self.outbox, self.custodian, custody.executor, self.metrics, loop.time)
        self.lines.serve(self.server.answer)
        self.repair = Repair(custody.ledger, self.store, self.signer, self.lines, custody.executor, self.metrics)

    def _count(self, sent: int, received: int) -> None:
        self.moved[0] += sent
        self.moved[1] += received


class Custody:
    """Holders with these stakes in the order of the set, and a sender who is none of them."""

    def __init__(self, stakes: Sequence[int], home: Path) -> None:
        loop = asyncio.get_running_loop()
        self.executor = ThreadPoolExecutor(2)
        self.hub = MemoryHub(loop.call_later, lambda source, target, size: (0.0,))
        self.order = sorted(range(len(stakes)), key=lambda index: address_of(key_of(index).secret))
        self.ledger = MemoryLedger(dict.fromkeys(range(10), self.set_of(stakes)), now=5)
        self.members = [
            Member(self, index, self.hub.join(f"holder-{index}"), home / f"holder-{index}") for index in self.order
        ]
        self.sender = self.hub.join("sender")

    def set_of(self, stakes: Sequence[int]) -> HolderSet:
        """These holders with other stakes; 0 leaves one out."""
        return HolderSet(
            tuple(
                Holder(address_of(key_of(index).secret), stake, f"holder-{index}")
                for index, stake in zip(self.order, stakes, strict=False)
                if stake
            )
        )

    async def connect(self) -> None:
        """Let the scheduler connect everyone."""
        everyone = asyncio.Event()
        self.sender.on_peer(lambda peer, there: everyone.set() if self._complete() else None)
        await everyone.wait()

    def _complete(self) -> bool:
        return len(self.sender.peers()) == len(self.members)

    def serve(self, handler: RequestHandler) -> None:
        """What the sender answers when holders pull."""
        self.sender.serve(PROTOCOL, handler)

    async def offer(self, member: Member, offer: Offer) -> bytes:
        """The signature. Raises Unavailable."""
        name = f"holder-{self.order[self.members.index(member)]}"
        return Signature.decode(await self.sender.request(name, PROTOCOL, offer.encode(), 20.0)).signature

    async def store(self, blob: bytes, expiry: int = 7) -> Certified:
        """Have every holder keep its rows of a blob, and certify it."""
        encoding = _core.Encoding(blob)
        offer = offer_of(encoding, len(blob), self.ledger.now, expiry)
        outbox = Outbox()

        async def answer(peer: str, message: bytes) -> bytes:
            request = decode_request(message)
            assert isinstance(request, RowsRequest | DataRequest)
            return outbox.answer(peer, request)

        self.serve(answer)
        self.ledger.requests.add(offer.blob)
        tally = Tally(offer.blob, await self.ledger.holders(self.ledger.now), NETWORK)
        with outbox.hold(encoding, blob):
            for index, member in enumerate(self.members):
                tally.add(index, await self.offer(member, offer))
        certificate = tally.certificate()
        assert certificate is not None
        await self.ledger.certify(certificate)
        return self.ledger.certificates[-1]

    async def assignment(self, blob: Blob, epoch: int | None = None) -> Assignment:
        k, n, _ = _core.erasure_shape(blob.length)
        holders = await self.ledger.holders(blob.epoch if epoch is None else epoch)
        return assign(holders, blob, await self.ledger.beacon(blob.epoch), k + n)

    def close(self) -> None:
        self.executor.shutdown()
        for member in self.members:
            member.store.close()


def run(home: Path, test: Callable[[Custody], Awaitable[None]], stakes: Sequence[int]) -> None:
    """Have a test done with connected holders."""

    async def main() -> None:
        custody = Custody(stakes, home)
        await custody.connect()
        try:
            await test(custody)
        finally:
            for member in custody.members:
                await member.custodian.close()
            custody.close()

    asyncio.run(main())


def offer_of(encoding: _core.Encoding, length: int, epoch: int = 5, expiry: int = 7) -> Offer:
    """The offer of an encoded blob."""
    header = encoding.header()
    return Offer(header, Blob(commitment_of(header), length, 0, epoch, expiry))
