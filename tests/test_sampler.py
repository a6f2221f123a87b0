"""A light client among liars: whom it asks for cells follows from certified state, whoever answers it first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from coincurve import PrivateKey

from tests.da.certified_chain import ENCODING, GENESIS, CertifiedChain
from zg_node.consensus.sync_messages import PROTOCOL as SYNC
from zg_node.consensus.sync_server import Source, SyncServer
from zg_node.da.certificate import Blob
from zg_node.da.light import Whereabouts, locate
from zg_node.da.messages import PROTOCOL as CELLS
from zg_node.da.messages import Cells, CellsRequest, decode_request
from zg_node.errors import InvalidRequest, Unavailable
from zg_node.p2p.memory import MemoryHub
from zg_node.p2p.network import Offence, RequestHandler
from zg_node.sampler import Claim, Sampler
from zg_node.stateproof import PROTOCOL as STATE_PROOF
from zg_node.stateproof import CertifiedWords, StateProofServer

SYBIL = "sybil"
HOLDERS = ("holder-0", "holder-1", "holder-2", "holder-3")
EPOCH = 3
"""In which clients come, with a set that the blob's epoch did not have."""

Question = tuple[str, tuple[tuple[int, int], ...]]
"""(who was asked, for which cells)."""


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[CertifiedChain, Blob]:
    """A certified blob, and since then three more holders."""
    chain = CertifiedChain(tmp_path_factory.mktemp("honest"))
    chain.include(chain.reached_at(HOLDERS[0]))
    blob = chain.certify()
    chain.include(*(chain.registration(index, HOLDERS[index], 1000 * index) for index in (1, 2, 3)))
    chain.reach(EPOCH)
    chain.include()
    return chain, blob


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> CertifiedChain:
    """The same network as the sybil would have it: the same blob, and every row of it with the sybil. It lacks nothing
    but the validators' signatures."""
    chain = CertifiedChain(tmp_path_factory.mktemp("forged"), PrivateKey(b"\x0b" * 32))
    chain.include(chain.reached_at(SYBIL))
    chain.certify()
    chain.reach(EPOCH)
    chain.include()
    return chain


class Neighbours:
    """The sybil, which the client meets first, and the holders; make it on a running event loop."""

    def __init__(self, chain: CertifiedChain, executor: ThreadPoolExecutor) -> None:
        self.proofs: RequestHandler = StateProofServer(chain.chain, executor).answer
        self.asked: list[Question] = []
        """For cells."""
        self.hub = MemoryHub(asyncio.get_running_loop().call_later, lambda source, target, size: (0.0,))
        epochs = SyncServer(GENESIS.network, {0: Source(chain.chain, lambda view, block_hash: None)}, executor).answer
        self.nodes = {name: self.hub.join(name) for name in (SYBIL, *HOLDERS)}
        for name, node in self.nodes.items():
            node.serve(SYNC, epochs)
            node.serve(STATE_PROOF, self.proofs)
            node.serve(CELLS, self._cells(name))
        self.client = self.hub.join("client")

    async def claim(self, commitment: bytes) -> Claim:
        everyone = asyncio.Event()
        complete = len(self.nodes)
        self.client.on_peer(lambda *_: everyone.set() if len(self.client.peers()) == complete else None)
        await everyone.wait()
        assert self.client.peers()[0].id == SYBIL
        return await Sampler(self.client, GENESIS).claim(commitment, 20)

    def _cells(self, name: str) -> RequestHandler:
        async def handler(peer: str, message: bytes) -> bytes:
            request = decode_request(message)
            assert isinstance(request, CellsRequest)
            self.asked.append((name, request.places))
            return Cells(ENCODING.header(), tuple(ENCODING.cells(list(request.places)))).encode()

        return handler


Forge = Callable[[Neighbours, ThreadPoolExecutor], RequestHandler]
"""What the sybil answers where it ought to prove words of the state."""


def sample(chain: CertifiedChain, commitment: bytes, forge: Forge | None = None) -> tuple[Claim, Neighbours]:
    """What a client finds out, and what it did meanwhile."""

    async def main() -> tuple[Claim, Neighbours]:
        with ThreadPoolExecutor(1) as executor:
            neighbours = Neighbours(chain, executor)
            if forge is not None:
                neighbours.nodes[SYBIL].serve(STATE_PROOF, forge(neighbours, executor))
            return await neighbours.claim(commitment), neighbours

    return asyncio.run(main())


def truth(chain: CertifiedChain, blob: Blob) -> Whereabouts:
    """Where the blob is, by the chain itself."""

    async def read(slots: Sequence[int]) -> Sequence[int]:
        return [chain.word(slot) for slot in slots]

    return asyncio.run(locate(read, blob.commitment, blob.id(GENESIS.network), chain.epoch))


def own_chain(forged: CertifiedChain) -> Forge:
    """Headers and words of the sybil's own chain, under its own signature."""
    return lambda neighbours, executor: StateProofServer(forged.chain, executor).answer


def own_state(forged: CertifiedChain) -> Forge:
    """Words of the sybil's own state, under the validators' newest header."""

    def forge(neighbours: Neighbours, executor: ThreadPoolExecutor) -> RequestHandler:
        own = StateProofServer(forged.chain, executor).answer

        async def answer(peer: str, message: bytes) -> bytes:
            true = CertifiedWords.decode(await neighbours.proofs(peer, message))
            words = CertifiedWords.decode(await own(peer, message))
            return replace(true, account_proof=words.account_proof, storage_proofs=words.storage_proofs).encode()

        return answer

    return forge


def no_words(_: CertifiedChain) -> Forge:
    """A certified header, and nothing proven under it."""

    def forge(neighbours: Neighbours, executor: ThreadPoolExecutor) -> RequestHandler:
        async def answer(peer: str, message: bytes) -> bytes:
            true = CertifiedWords.decode(await neighbours.proofs(peer, message))
            return replace(true, account_proof=(), storage_proofs=((),) * len(true.storage_proofs)).encode()

        return answer

    return forge


def test_cells_are_asked_of_nobody_but_who_keeps_their_rows(honest: tuple[CertifiedChain, Blob]) -> None:
    chain, blob = honest
    claim, neighbours = sample(chain, blob.commitment)
    assert claim.blob == blob
    assert claim.words.header == chain.chain.head.header
    assert claim.sampled.available
    assert claim.sampled.unreachable == 0
    assert len(neighbours.asked) == 20
    now = truth(chain, blob).assignments[0]
    assert len(now.holders.holders) == 4
    for name, ((row, _),) in neighbours.asked:
        assert name == now.holders.holders[now.first_owner(row)].peer
    assert neighbours.client.reports == []


@pytest.mark.parametrize("forgery", [own_chain, own_state, no_words])
def test_a_sybil_that_says_it_keeps_every_row_is_blamed_and_learns_of_no_sample(
    honest: tuple[CertifiedChain, Blob],
    forged: CertifiedChain,
    forgery: Callable[[CertifiedChain], Forge],
) -> None:
    chain, blob = honest
    assert {holder.peer for each in truth(forged, blob).assignments for holder in each.holders.holders} == {SYBIL}
    claim, neighbours = sample(chain, blob.commitment, forgery(forged))
    assert claim.sampled.available
    assert {name for name, _ in neighbours.asked} <= set(HOLDERS)
    assert neighbours.client.reports == [(SYBIL, Offence.INVALID)]


def test_a_client_that_meets_nobody_but_liars_claims_nothing(
    honest: tuple[CertifiedChain, Blob], forged: CertifiedChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zg_node.lightclient.ROUNDS_MAX", 2)
    monkeypatch.setattr("zg_node.lightclient.PAUSE_S", 0.0)
    chain, blob = honest

    def alone(neighbours: Neighbours, executor: ThreadPoolExecutor) -> RequestHandler:
        for name in HOLDERS:
            neighbours.nodes[name].serve(STATE_PROOF, own_state(forged)(neighbours, executor))
        return own_state(forged)(neighbours, executor)

    with pytest.raises(Unavailable, match="proves nothing: trie proof"):
        sample(chain, blob.commitment, alone)


def test_a_blob_that_is_not_certified_is_proven_not_to_be(honest: tuple[CertifiedChain, Blob]) -> None:
    chain, _ = honest
    with pytest.raises(InvalidRequest, match=f"block {chain.chain.head.number} proves"):
        sample(chain, bytes(32))
