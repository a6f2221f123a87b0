"""A client without a chain: it believes what validators signed and what the state root proves, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tests.execution.epoch_chain import EPOCH_BLOCKS, MEMBERS, TRUSTED, EpochChain
from zg_node.consensus.light import EpochProof, Trusted
from zg_node.consensus.sync_messages import PROTOCOL as SYNC
from zg_node.consensus.sync_server import Source, SyncServer
from zg_node.contracts.staking import STAKING
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.lightclient import LightClient, Prover
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.p2p.network import Offence, RequestHandler
from zg_node.stateproof import PROTOCOL, SLOTS_MAX, CertifiedWords, StateProofServer, WordsRequest
from zg_node.types.encoding import encode

SLOTS = tuple(range(16))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> EpochChain:
    """A chain in its third epoch."""
    chain = EpochChain(Path(tmp_path_factory.mktemp("chain")))
    for _ in range(2 * EPOCH_BLOCKS + 3):
        chain.mine()
    return chain


def serve(network: MemoryNetwork, source: EpochChain, executor: ThreadPoolExecutor) -> None:
    sources = {0: Source(source.chain, lambda view, block_hash: None)}
    network.serve(SYNC, SyncServer(TRUSTED.network, sources, executor).answer)
    network.serve(PROTOCOL, StateProofServer(source.chain, executor).answer)


async def connected(network: MemoryNetwork, count: int) -> None:
    """Wait until as many peers are there."""
    everyone = asyncio.Event()

    def look(*_: object) -> None:
        if len(network.peers()) == count:
            everyone.set()

    network.on_peer(look)
    look()
    await everyone.wait()


async def immediately(answer: bytes) -> bytes:
    return answer


def spoiled(answer: RequestHandler) -> RequestHandler:
    """A handler that gives each slot the proof of another one."""

    async def handler(peer: str, message: bytes) -> bytes:
        good = CertifiedWords.decode(await answer(peer, message))
        return replace(good, storage_proofs=good.storage_proofs[::-1]).encode()

    return handler


def ask(
    source: EpochChain,
    prover: Prover | None = None,
    spoil: Sequence[str] = (),
    trusted: Trusted = TRUSTED,
) -> tuple[tuple[int, ...], LightClient, MemoryNetwork]:
    """The words that a client gets of two nodes, of which those named in `spoil` change what they answer."""

    async def main() -> tuple[tuple[int, ...], LightClient, MemoryNetwork]:
        hub = MemoryHub(asyncio.get_running_loop().call_later, lambda source, target, size: (0.0,))
        with ThreadPoolExecutor(1) as executor:
            for name in ("one", "two"):
                node = hub.join(name)
                serve(node, source, executor)
                if name in spoil:
                    node.serve(PROTOCOL, spoiled(StateProofServer(source.chain, executor).answer))
            network = hub.join("client")
            await connected(network, 2)
            client = LightClient(network, trusted)
            words = await client.words(STAKING, SLOTS, prover)
            assert words.header == source.chain.head.header
            return words.values, client, network

    return asyncio.run(main())


def expected(source: EpochChain) -> tuple[int, ...]:
    chain = source.chain
    return tuple(chain.state.storage(chain.head.number, STAKING, slot) for slot in SLOTS)


def test_words_of_the_newest_certified_state_are_proven_from_genesis(source: EpochChain) -> None:
    values, client, _ = ask(source)
    assert values == expected(source)
    assert any(values)
    assert client.trusted.epoch == 2
    assert 0 < client.bytes_received < 64 * 1024


def test_a_node_whose_proof_does_not_hold_is_blamed_and_another_is_asked(source: EpochChain) -> None:
    values, _, network = ask(source, spoil=["one"])
    assert values == expected(source)
    assert network.reports == [("one", Offence.INVALID)]


def test_no_state_is_older_than_one_that_was_proven_before(source: EpochChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zg_node.lightclient.ROUNDS_MAX", 1)

    async def main() -> None:
        hub = MemoryHub(asyncio.get_running_loop().call_later, lambda source, target, size: (0.0,))
        with ThreadPoolExecutor(1) as executor:
            node, network = hub.join("one"), hub.join("client")
            serve(node, source, executor)
            answer = StateProofServer(source.chain, executor).answer
            old = await answer("client", WordsRequest(STAKING, SLOTS).encode())
            source.mine()
            await connected(network, 1)
            client = LightClient(network, TRUSTED)
            newest = (await client.words(STAKING, SLOTS)).header.number
            assert newest == source.chain.head.number
            node.serve(PROTOCOL, lambda peer, message: immediately(old))
            with pytest.raises(Unavailable, match=f"block {newest - 1}, and block {newest} is certified already"):
                await client.words(STAKING, SLOTS)
            assert network.reports == []
            assert client.bytes_sent > 2 * len(WordsRequest(STAKING, SLOTS).encode())

    asyncio.run(main())


def test_a_peer_that_is_silent_is_waited_for_once(source: EpochChain) -> None:
    asked = 0

    async def silent(peer: str, message: bytes) -> bytes:
        nonlocal asked
        asked += 1
        raise Unavailable("no")

    async def main() -> None:
        hub = MemoryHub(asyncio.get_running_loop().call_later, lambda source, target, size: (0.0,))
        with ThreadPoolExecutor(1) as executor:
            for name in ("one", "two"):
                serve(hub.join(name), source, executor)
            hub.nodes["one"].serve(PROTOCOL, silent)
            network = hub.join("client")
            await connected(network, 2)
            client = LightClient(network, TRUSTED)
            for _ in range(3):
                await client.words(STAKING, SLOTS)

    asyncio.run(main())
    assert asked == 1


def test_nothing_is_believed_of_validators_that_genesis_does_not_lead_to(
    source: EpochChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zg_node.lightclient.ROUNDS_MAX", 2)
    monkeypatch.setattr("zg_node.lightclient.PAUSE_S", 0.0)
    others = replace(MEMBERS.validators[0], address=b"\x01" * 20)
    stranger = replace(TRUSTED, members=type(MEMBERS)((others,)))
    with pytest.raises(Unavailable, match="no certified state"):
        ask(source, trusted=stranger)


def test_another_source_of_proofs_is_checked_against_the_certified_header(source: EpochChain) -> None:
    asked: list[int] = []

    def proof(number: int, request: WordsRequest) -> tuple[list[bytes], list[list[bytes]]]:
        answer = orjson.loads(source.chain.state.proof_json(number, request.address, request.slots))
        unhex = [[bytes.fromhex(node[2:]) for node in entry["proof"]] for entry in answer["storageProof"]]
        return [bytes.fromhex(node[2:]) for node in answer["accountProof"]], unhex

    async def honest(number: int, request: WordsRequest) -> tuple[list[bytes], list[list[bytes]]]:
        asked.append(number)
        return proof(number, request)

    values, _, network = ask(source, honest)
    assert values == expected(source)
    assert asked == [source.chain.head.number]
    assert network.reports == []


def test_a_lying_source_of_proofs_is_not_blamed_on_the_peers(
    source: EpochChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zg_node.lightclient.ROUNDS_MAX", 1)

    async def liar(number: int, request: WordsRequest) -> tuple[list[bytes], list[list[bytes]]]:
        return [b"\xc0"], [[b"\xc0"]] * len(request.slots)

    with pytest.raises(Unavailable, match="the endpoint's proof does not hold"):
        ask(source, liar)


def test_questions_and_answers_of_other_forms_are_refused() -> None:
    request = WordsRequest(STAKING, SLOTS)
    assert WordsRequest.decode(request.encode()) == request
    for data in (
        b"",
        encode((STAKING[1:],)),
        encode((STAKING, b"\x01")),
        encode((STAKING, *[bytes(32)] * (SLOTS_MAX + 1))),
        encode((STAKING, [bytes(32)])),
    ):
        with pytest.raises(InvalidMessage):
            WordsRequest.decode(data)
    for data in (b"", b"\xc0", encode((b"", b"", b"", b"")), encode((b"", b"", b"", (), *[()] * (SLOTS_MAX + 1)))):
        with pytest.raises(InvalidMessage):
            CertifiedWords.decode(data)


def test_an_answer_lacks_no_slot(source: EpochChain) -> None:
    with ThreadPoolExecutor(1) as executor:
        server = StateProofServer(source.chain, executor)
        answer = CertifiedWords.decode(asyncio.run(server.answer("peer", WordsRequest(STAKING, SLOTS).encode())))
    trusted = TRUSTED
    for epoch in range(2):
        proof = source.chain.blocks.epoch(epoch)
        assert proof is not None
        trusted = trusted.advance(EpochProof.decode(proof))
    assert answer.check(trusted, WordsRequest(STAKING, SLOTS)) == expected(source)
    with pytest.raises(InvalidMessage, match="another number of slots"):
        answer.check(trusted, WordsRequest(STAKING, (*SLOTS, 99)))
