"""A network of holders in memory: a chain that certifies at once, and keepers that follow the protocol, or do not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from coincurve import PrivateKey

from zg_node import _core
from zg_node.consensus.votes import address_of
from zg_node.da.assignment import assign
from zg_node.da.certificate import Blob, Certificate
from zg_node.da.client import Client, PutProgress
from zg_node.da.dispersal import Patience
from zg_node.da.holders import Holder, HolderSet
from zg_node.da.ledger import Certified
from zg_node.da.lines import Lines
from zg_node.da.messages import (
    Cells,
    CellsRequest,
    DataRequest,
    Offer,
    Row,
    Rows,
    RowsRequest,
    Signature,
    decode_request,
    row_budget,
)
from zg_node.da.outbox import Outbox
from zg_node.da.witness import Challenge
from zg_node.errors import InvalidRequest, Unavailable
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.types.hashing import keccak

NETWORK = keccak(b"network of the tests")
EIGHT = (10, 20, 10, 20, 10, 20, 10, 20)
BLOB = Random(4).randbytes(300_000)
QUICK = Patience(
    answer_s=5.0,
    connect_s=0.5,
    quorum_s=5.0,
    renewal_s=1.0,
    grace_s=0.05,
    linger_s=1.0,
    pause_first_s=0.01,
    pause_max_s=0.02,
)


def key_of(index: int) -> PrivateKey:
    return PrivateKey(keccak(b"holder %d" % index))


@dataclass
class MemoryLedger:
    """`Ledger` of everybody at once: what is asked for is final when the call returns."""

    sets: dict[int, HolderSet]
    now: int = 0
    network: bytes = NETWORK
    requests: set[Blob] = field(default_factory=set)
    certificates: list[Certified] = field(default_factory=list)
    payments: int = 0

    def epoch(self) -> int:
        return self.now

    async def holders(self, epoch: int) -> HolderSet:
        if epoch not in self.sets:
            raise Unavailable(f"the holders of epoch {epoch} are not known")
        return self.sets[epoch]

    async def beacon(self, epoch: int) -> bytes:
        return keccak(b"beacon %d" % epoch)

    async def paid(self, blob: Blob) -> bool:
        return blob in self.requests

    async def certified(self, commitment: bytes) -> Certified | None:
        return next((c for c in reversed(self.certificates) if c.blob.commitment == commitment), None)

    async def certificate(self, blob: Blob) -> Certified | None:
        return next((c for c in self.certificates if c.blob == blob), None)

    async def live(self, first: int, count: int) -> Sequence[Certified]:
        return self.certificates[first : first + count]

    async def pay(self, blob: Blob) -> None:
        if blob.epoch != self.now:
            raise InvalidRequest(f"WrongEpoch({self.now})")
        self.requests.add(blob)
        self.payments += 1

    async def certify(self, certificate: Certificate) -> None:
        certificate.check(self.sets[certificate.blob.epoch], NETWORK)
        signers = tuple(index for index, _ in certificate.signatures)
        self.certificates.append(Certified(certificate.blob, signers, len(self.certificates) + 1))


class Quiet:
    """A court that hears nothing."""

    def height(self) -> int:
        return 0

    async def challenges(self, signer: bytes, first: int) -> tuple[Sequence[Challenge], int]:
        return (), first

    async def answer(self, number: int, header: bytes, cell: bytes, path: bytes) -> None:
        raise AssertionError("there was no challenge")


class Keeper:
    """A holder that keeps its rows in memory."""

    def __init__(self, index: int, ledger: MemoryLedger, network: MemoryNetwork) -> None:
        self.index = index
        self.key = key_of(index)
        self.signer = address_of(self.key.public_key)
        self.rows: dict[bytes, dict[int, Row]] = {}
        self.headers: dict[bytes, tuple[bytes, bytes]] = {}
        """Commitment → (header, checksums)."""
        self.corrupt: Callable[[bytes], bytes] | None = None
        """What it does to the rows that it serves."""
        self.stalls = False
        """Whether it takes questions and never answers."""
        self.refuses_signing = False
        self.network = network
        self._ledger = ledger
        self._lines = Lines(network, self.signer, lambda sent, received: None)
        self._lines.serve(self.answer)

    async def answer(self, peer: str, message: bytes) -> bytes:
        if self.stalls:
            await asyncio.Event().wait()
        match decode_request(message):
            case Offer() as offer:
                return await self._keep(peer, offer)
            case RowsRequest() as request:
                return self._rows(request)
            case CellsRequest() as request:
                return self._cells(request)
            case DataRequest():
                raise Unavailable("not here")

    async def _keep(self, peer: str, offer: Offer) -> bytes:
        blob = offer.blob
        if self.refuses_signing or not await self._ledger.paid(blob):
            raise Unavailable("not paid for")
        k, n, row_bytes = _core.erasure_shape(blob.length)
        holders = await self._ledger.holders(blob.epoch)
        index = holders.index_of(self.signer)
        assert index is not None
        wanted = assign(holders, blob, await self._ledger.beacon(blob.epoch), k + n).rows_of(index)
        kept = self.rows.setdefault(blob.commitment, {})
        budget = row_budget(row_bytes, 14 * 32)
        for start in range(0, len(wanted), budget):
            part = wanted[start : start + budget]
            answer = Rows.decode(await self._lines.ask(peer, RowsRequest(blob.commitment, part, True).encode(), 10.0))
            assert not _core.RowVerifier(answer.header, answer.checksums).refused(answer.rows)
            kept.update((row[0], row) for row in answer.rows)
            self.headers[blob.commitment] = answer.header, answer.checksums
        assert kept.keys() >= set(wanted)
        return Signature(self.key.sign_recoverable(blob.digest(NETWORK), hasher=None)).encode()

    def _rows(self, request: RowsRequest) -> bytes:
        kept = self.rows.get(request.commitment, {})
        header, checksums = self.headers.get(request.commitment, (b"", b""))
        rows = [kept[index] for index in request.rows if index in kept]
        if not rows:
            raise Unavailable("none of these rows are here")
        if self.corrupt is not None:
            rows = [(index, self.corrupt(row), path) for index, row, path in rows]
        return Rows(header, checksums if request.checksums else b"", tuple(rows)).encode()

    def _cells(self, request: CellsRequest) -> bytes:
        kept = self.rows.get(request.commitment, {})
        header, _ = self.headers.get(request.commitment, (b"", b""))
        cells = []
        for row, cell in request.places:
            if row in kept:
                index, data, path = kept[row]
                cells += _core.row_cells(header, (index, self.corrupt(data) if self.corrupt else data, path), [cell])
        if not cells:
            raise Unavailable("none of these cells are here")
        return Cells(header, tuple(cells)).encode()


class Cluster:
    """Keepers with these stakes, by signer, all connected with one client; make it on a running event loop."""

    def __init__(self, stakes: Sequence[int], epochs: int = 2) -> None:
        loop = asyncio.get_running_loop()
        self.hub = MemoryHub(loop.call_later, lambda source, target, size: (0.0,))
        order = sorted(range(len(stakes)), key=lambda index: address_of(key_of(index).public_key))
        holders = HolderSet(
            tuple(
                Holder(address_of(key_of(index).public_key), stake, f"keeper-{index}")
                for index, stake in zip(order, stakes, strict=True)
            )
        )
        self.ledger = MemoryLedger(dict.fromkeys(range(epochs), holders))
        self.holders = holders
        self.keepers = [Keeper(index, self.ledger, self.hub.join(f"keeper-{index}")) for index in order]
        """In the order of the set."""
        self.network = self.hub.join("client")
        self.moved = [0, 0]
        """Bytes that the client sent and received."""
        self.lines = Lines(self.network, None, self._count)
        self.outbox = Outbox()
        self.lines.serve(self._answer)
        self.client = Client(self.ledger, self.lines, self.outbox, patience=QUICK)

    async def connect(self) -> None:
        """Let the scheduler connect everyone."""
        everyone = asyncio.Event()
        self.network.on_peer(lambda peer, there: everyone.set() if self._complete() else None)
        if not self._complete():
            await everyone.wait()

    def kill(self, keeper: Keeper) -> None:
        self.hub.leave(keeper.network.peer_id)

    def _complete(self) -> bool:
        return len(self.network.peers()) == len(self.keepers)

    def _count(self, sent: int, received: int) -> None:
        self.moved[0] += sent
        self.moved[1] += received

    async def _answer(self, peer: str, message: bytes) -> bytes:
        request = decode_request(message)
        assert isinstance(request, RowsRequest | DataRequest)
        return self.outbox.answer(peer, request)


def flipped(row: bytes) -> bytes:
    """A row with one bit changed."""
    return row[:-1] + bytes((row[-1] ^ 1,))


def run(test: Callable[[Cluster], Awaitable[None]], stakes: tuple[int, ...] = EIGHT) -> None:
    """Run a test on a network of keepers with these stakes."""

    async def main() -> None:
        cluster = Cluster(stakes)
        await cluster.connect()
        try:
            await test(cluster)
        finally:
            await cluster.client.close()

    asyncio.run(main())


async def put(cluster: Cluster, data: bytes = BLOB) -> Certified:
    return await cluster.client.put(data, 0, 1, PutProgress(len(data)))


async def settle(cluster: Cluster) -> None:
    """Let the holders that signed after the quorum finish."""
    await asyncio.gather(*cluster.client._lingering)
