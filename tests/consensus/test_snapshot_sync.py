"""Joining by a snapshot: from several peers, past those that lie, and never to a state that is not proven."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from tests.consensus.signed_chain import (
    CHAIN_ID,
    EPOCH_BLOCKS,
    NETWORK,
    Epochs,
    SignedChain,
    check_body,
    keys,
    members_of,
)
from tests.consensus.sync_world import executor, in_virtual_time
from tests.sim.loop import VirtualLoop
from zg_node.consensus.light import EpochProof, Trusted
from zg_node.consensus.snapshot_sync import AHEAD_CHUNKS, SnapshotSync
from zg_node.consensus.sync_messages import (
    PROTOCOL,
    ChunkRequest,
    EpochsRequest,
    PartRequest,
    Piece,
    Request,
    SnapshotRequest,
    decode_request,
    encode_epochs,
)
from zg_node.consensus.sync_server import Source, SyncServer
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.p2p.network import Offence
from zg_node.types.block import StoredBlock
from zg_node.types.hashing import keccak

CHAIN = SignedChain(3 * EPOCH_BLOCKS + 5)
TRUSTED = Trusted(NETWORK, CHAIN_ID, True, EPOCH_BLOCKS, 0, members_of(keys(4)))
CHUNKS = tuple(keccak(bytes([index])) * 10 for index in range(30))
"""What the state of epoch 2's last block is cut into."""
NUMBER = 3 * EPOCH_BLOCKS


@dataclass(slots=True)
class Shelf:
    """A snapshot that is served."""

    number: int = NUMBER
    chunks: tuple[bytes, ...] = CHUNKS

    def manifest(self) -> tuple[int, bytes, tuple[bytes, ...]] | None:
        return self.number, CHAIN.stored[self.number].hash, tuple(map(keccak, self.chunks))

    def chunk(self, number: int, index: int) -> bytes:
        if number != self.number:
            raise Unavailable("another one")
        return self.chunks[index]


@dataclass(slots=True)
class Install:
    """Where chunks go; the true state is CHUNKS."""

    chunks: list[bytes] = field(default_factory=list)
    begun: tuple[int, bytes, bytes] | None = None
    done: StoredBlock | None = None
    epochs: dict[int, bytes] = field(default_factory=dict)
    discarded: int = 0

    def open(self, number: int, block_hash: bytes, root: bytes) -> int:
        if self.begun != (number, block_hash, root):
            self.begun, self.chunks = (number, block_hash, root), []
        return len(self.chunks)

    def add(self, index: int, chunk: bytes) -> None:
        assert index == len(self.chunks), "chunks come in order"
        if not chunk:
            raise InvalidMessage("no chunk")
        self.chunks.append(chunk)

    def check(self, block: StoredBlock) -> None:
        if block.receipts != b"receipts":
            raise InvalidMessage("other receipts")

    def finish(self, block: StoredBlock, epochs: Mapping[int, bytes]) -> None:
        if tuple(self.chunks) != CHUNKS:
            raise InvalidMessage("another state root")
        self.done, self.epochs = block, dict(epochs)

    def discard(self) -> None:
        self.begun, self.chunks = None, []
        self.discarded += 1


Twist = Callable[[Request, bytes], Awaitable[bytes]]
"""(a request, the honest answer) → the liar's."""


async def honestly(request: Request, truth: bytes) -> bytes:
    return truth


def instead(kind: type, change: Callable[[bytes], bytes]) -> Twist:
    """Answers to requests of one kind are changed."""

    async def twist(request: Request, truth: bytes) -> bytes:
        return change(truth) if isinstance(request, kind) else truth

    return twist


@dataclass(slots=True)
class Peer:
    """Who is asked."""

    name: str
    shelf: Shelf | None = field(default_factory=Shelf)
    twist: Twist = honestly
    chain: SignedChain = CHAIN


class World:
    """A node that joins, and its peers."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.hub = MemoryHub(loop.call_later, lambda source, target, size: (0.01,))
        self.network: MemoryNetwork = self.hub.join("node")
        self.install = Install()
        self.asked: list[tuple[str, Request]] = []
        self.sync = SnapshotSync(self.network, 0, TRUSTED, check_body, self.install, executor())
        self.epoch: int | None = None
        """Of the state that was installed."""
        self.refusal = ""

    def add(self, peer: Peer) -> None:
        source = Source(peer.chain, lambda view, block_hash: None, peer.shelf)
        server = SyncServer(NETWORK, {0: source}, executor())

        async def answer(asker: str, message: bytes) -> bytes:
            request = decode_request(message)
            self.asked.append((peer.name, request))
            return await peer.twist(request, await server.answer(asker, message))

        self.hub.join(peer.name, connect=False).serve(PROTOCOL, answer)
        self.hub.connect("node", peer.name)

    async def run(self, first_epoch: int = 0) -> None:
        try:
            self.epoch = await self.sync.run(first_epoch)
        except Unavailable as error:
            self.refusal = str(error)

    @property
    def blamed(self) -> set[str]:
        return {peer for peer, _ in self.network.reports}

    def chunks_asked(self) -> list[tuple[str, int]]:
        """(peer, index) of every chunk that was asked for."""
        return [(name, request.index) for name, request in self.asked if isinstance(request, ChunkRequest)]

    def check_installed(self) -> None:
        assert self.epoch == 2, self.refusal
        assert self.install.done is not None
        assert self.install.done.hash == CHAIN.stored[NUMBER].hash
        assert tuple(self.install.chunks) == CHUNKS
        assert self.install.epochs == {epoch: CHAIN.blocks.epochs[epoch] for epoch in range(3)}


def join(*peers: Peer, begun: Sequence[bytes] = (), first_epoch: int = 0) -> World:
    """What comes of joining a network of these peers, when the chunks `begun` are there from an earlier process."""
    worlds: list[World] = []

    async def story() -> None:
        world = World()
        worlds.append(world)
        if begun:
            block = CHAIN.stored[NUMBER]
            world.install.open(NUMBER, block.hash, block.header.state_root)
            world.install.chunks = list(begun)
        for peer in peers:
            world.add(peer)
        await world.run(first_epoch)

    in_virtual_time(story)
    return worlds[0]


def test_a_state_is_copied_from_several_peers_at_once() -> None:
    world = join(Peer("a"), Peer("b"), Peer("c"))
    world.check_installed()
    progress = world.sync.progress()
    assert (progress.done, progress.total, progress.number) == (30, 30, NUMBER)
    assert {name for name, _ in world.chunks_asked()} == {"a", "b", "c"}
    assert world.network.reports == []


def test_without_a_peer_that_has_one_there_is_none() -> None:
    assert "no peer offers" in join(Peer("a", shelf=None)).refusal


def test_a_state_that_is_older_than_wanted_is_not_taken() -> None:
    assert "epoch 3 or later" in join(Peer("a"), first_epoch=3).refusal


def test_a_copy_goes_on_after_an_interruption_without_asking_for_what_is_there() -> None:
    world = join(Peer("a"), begun=CHUNKS[:20])
    world.check_installed()
    assert sorted(index for _, index in world.chunks_asked()) == list(range(20, 30))


def test_false_chunks_of_an_earlier_process_are_not_blamed_on_todays_peers() -> None:
    world = join(Peer("honest"), begun=[b"false"] * 5)
    world.check_installed()
    assert world.network.reports == []
    assert world.install.discarded == 1


def test_the_newest_manifest_wins_among_equals() -> None:
    join(Peer("old", Shelf(number=2 * EPOCH_BLOCKS)), Peer("new")).check_installed()


# ── liars ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_peer_that_sends_other_chunks_than_it_announced_is_caught_at_the_first() -> None:
    world = join(Peer("liar", twist=instead(ChunkRequest, lambda truth: b"false")), Peer("honest"))
    world.check_installed()
    assert world.blamed == {"liar"}


def test_a_false_manifest_is_outvoted() -> None:
    world = join(Peer("liar", Shelf(chunks=(b"false",))), Peer("a"), Peer("b"))
    world.check_installed()
    assert "liar" not in {name for name, _ in world.chunks_asked()}


def test_a_false_state_that_liars_agree_on_is_found_out_at_its_root_and_charged_to_them() -> None:
    false = Shelf(chunks=(*CHUNKS[:-1], b"a richer account"))
    world = join(Peer("x", false), Peer("y", false), Peer("honest"))
    world.check_installed()
    assert world.blamed == {"x", "y"}


def test_a_state_of_an_unproven_block_is_not_copied() -> None:
    world = join(Peer("liar", Shelf(number=NUMBER - 1)))
    assert world.refusal
    assert world.install.begun is None


def test_forged_epochs_lead_nowhere() -> None:
    theirs = SignedChain(3 * EPOCH_BLOCKS, epochs=Epochs([keys(4, 9)] * 5))
    world = join(Peer("liar", chain=theirs))
    assert world.refusal
    assert world.blamed == {"liar"}
    join(Peer("liar", chain=theirs), Peer("honest")).check_installed()


def test_validators_that_no_header_commits_to_are_refused() -> None:
    honest = EpochProof.decode(CHAIN.blocks.epochs[0])
    forged = encode_epochs([replace(honest, members=members_of(keys(4, 9)).validators).encode()])
    world = join(Peer("liar", twist=instead(EpochsRequest, lambda truth: forged)))
    assert world.refusal
    assert world.network.reports == [("liar", Offence.INVALID)]


def test_receipts_that_are_not_the_blocks_are_fetched_from_another_peer() -> None:
    async def twist(request: Request, truth: bytes) -> bytes:
        match request:
            case PartRequest(_, _, Piece.RECEIPTS, _):
                return truth.replace(b"receipts", b"deceipts")
        return truth

    world = join(Peer("liar", twist=twist), Peer("honest"))
    world.check_installed()
    assert world.blamed == {"liar"}


@pytest.mark.parametrize("kind", [EpochsRequest, SnapshotRequest, ChunkRequest, PartRequest])
def test_garbage_is_charged_and_passed_over(kind: type) -> None:
    world = join(Peer("a", twist=instead(kind, lambda truth: b"\xff" * 50)), Peer("b"))
    world.check_installed()
    assert world.blamed == {"a"}


def test_a_peer_that_goes_silent_is_replaced() -> None:
    async def twist(request: Request, truth: bytes) -> bytes:
        if isinstance(request, ChunkRequest) and request.index > 3:
            await asyncio.get_running_loop().create_future()
        return truth

    world = join(Peer("silent", twist=twist), Peer("honest"))
    world.check_installed()
    silently = [index for peer, index in world.chunks_asked() if peer == "silent" and index > 3]
    assert len(silently) <= AHEAD_CHUNKS, "it is asked last after that"
