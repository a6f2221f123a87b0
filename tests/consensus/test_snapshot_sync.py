"""Joining by a snapshot: from several peers, past those that lie, and never to a state that is not proven."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
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
from zg_node.consensus.snapshot_sync import SnapshotSync
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


class World:
    """A node that joins, and its peers."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.hub = MemoryHub(loop.call_later, lambda source, target, size: (0.01,))
        self.network: MemoryNetwork = self.hub.join("node")
        self.install = Install()
        self.asked: list[tuple[str, Request]] = []

    def sync(self, trusted: Trusted = TRUSTED) -> SnapshotSync:
        return SnapshotSync(self.network, 0, trusted, check_body, self.install, executor())

    def peer(self, name: str, shelf: Shelf | None, twist: Twist | None = None, chain: SignedChain = CHAIN) -> None:
        server = SyncServer(NETWORK, {0: Source(chain, lambda view, block_hash: None, shelf)}, executor())

        async def answer(peer: str, message: bytes) -> bytes:
            request = decode_request(message)
            self.asked.append((name, request))
            truth = await server.answer(peer, message)
            return truth if twist is None else await twist(request, truth)

        self.hub.join(name, connect=False).serve(PROTOCOL, answer)
        self.hub.connect("node", name)

    def installed(self) -> None:
        assert self.install.done is not None
        assert self.install.done.hash == CHAIN.stored[NUMBER].hash
        assert tuple(self.install.chunks) == CHUNKS
        assert self.install.epochs == {epoch: CHAIN.blocks.epochs[epoch] for epoch in range(3)}


def test_a_state_is_copied_from_several_peers_at_once() -> None:
    async def story() -> None:
        world = World()
        for name in ("a", "b", "c"):
            world.peer(name, Shelf())
        sync = world.sync()
        assert await sync.run() == 2
        world.installed()
        assert (sync.progress().done, sync.progress().total, sync.progress().number) == (30, 30, NUMBER)
        servers = {name for name, request in world.asked if isinstance(request, ChunkRequest)}
        assert servers == {"a", "b", "c"}
        assert world.network.reports == []

    in_virtual_time(story)


def test_without_a_peer_that_has_one_there_is_none() -> None:
    async def story() -> None:
        world = World()
        world.peer("a", None)
        with pytest.raises(Unavailable, match="no peer offers"):
            await world.sync().run()

    in_virtual_time(story)


def test_a_state_that_is_older_than_wanted_is_not_taken() -> None:
    async def story() -> None:
        world = World()
        world.peer("a", Shelf())
        with pytest.raises(Unavailable, match="epoch 3 or later"):
            await world.sync().run(first_epoch=3)

    in_virtual_time(story)


def test_a_copy_goes_on_after_an_interruption_without_asking_for_what_is_there() -> None:
    async def story() -> None:
        world = World()
        world.peer("a", Shelf())
        world.install.open(NUMBER, CHAIN.stored[NUMBER].hash, CHAIN.stored[NUMBER].header.state_root)
        world.install.chunks = list(CHUNKS[:20])
        await world.sync().run()
        world.installed()
        asked = [request.index for _, request in world.asked if isinstance(request, ChunkRequest)]
        assert sorted(asked) == list(range(20, 30))

    in_virtual_time(story)


def test_false_chunks_of_an_earlier_process_are_not_blamed_on_todays_peers() -> None:
    async def story() -> None:
        world = World()
        world.peer("honest", Shelf())
        world.install.open(NUMBER, CHAIN.stored[NUMBER].hash, CHAIN.stored[NUMBER].header.state_root)
        world.install.chunks = [b"false"] * 5
        await world.sync().run()
        world.installed()
        assert world.network.reports == []
        assert world.install.discarded == 1

    in_virtual_time(story)


# ── liars ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def blamed(world: World) -> set[str]:
    return {peer for peer, _ in world.network.reports}


def test_a_peer_that_sends_other_chunks_than_it_announced_is_caught_at_the_first() -> None:
    async def twist(request: Request, truth: bytes) -> bytes:
        return b"false" if isinstance(request, ChunkRequest) else truth

    async def story() -> None:
        world = World()
        world.peer("liar", Shelf(), twist)
        world.peer("honest", Shelf())
        await world.sync().run()
        world.installed()
        assert blamed(world) == {"liar"}

    in_virtual_time(story)


def test_a_false_manifest_is_outvoted() -> None:
    async def story() -> None:
        world = World()
        world.peer("liar", Shelf(chunks=(b"false",)))
        world.peer("a", Shelf())
        world.peer("b", Shelf())
        await world.sync().run()
        world.installed()
        assert not [name for name, request in world.asked if name == "liar" and isinstance(request, ChunkRequest)]

    in_virtual_time(story)


def test_a_false_state_that_liars_agree_on_is_found_out_at_its_root_and_charged_to_them() -> None:
    async def story() -> None:
        world = World()
        for name in ("x", "y"):
            world.peer(name, Shelf(chunks=(*CHUNKS[:-1], b"a richer account")))
        world.peer("honest", Shelf())
        await world.sync().run()
        world.installed()
        assert blamed(world) == {"x", "y"}

    in_virtual_time(story)


def test_a_state_of_an_unproven_block_is_not_copied() -> None:
    async def story() -> None:
        world = World()
        world.peer("liar", Shelf(number=NUMBER - 1))
        with pytest.raises(Unavailable):
            await world.sync().run()
        assert world.install.begun is None

    in_virtual_time(story)


def test_forged_epochs_lead_nowhere() -> None:
    theirs = SignedChain(3 * EPOCH_BLOCKS, epochs=Epochs([keys(4, 9)] * 5))

    async def story() -> None:
        world = World()
        world.peer("liar", Shelf(), chain=theirs)
        with pytest.raises(Unavailable):
            await world.sync().run()
        assert blamed(world) == {"liar"}
        world.peer("honest", Shelf())
        await world.sync().run()
        world.installed()

    in_virtual_time(story)


def test_validators_that_no_header_commits_to_are_refused() -> None:
    async def twist(request: Request, truth: bytes) -> bytes:
        if not isinstance(request, EpochsRequest):
            return truth
        honest = EpochProof.decode(CHAIN.blocks.epochs[0])
        return encode_epochs([replace(honest, members=members_of(keys(4, 9)).validators).encode()])

    async def story() -> None:
        world = World()
        world.peer("liar", Shelf(), twist)
        with pytest.raises(Unavailable):
            await world.sync().run()
        assert world.network.reports == [("liar", Offence.INVALID)]

    in_virtual_time(story)


def test_receipts_that_are_not_the_blocks_are_fetched_from_another_peer() -> None:
    async def twist(request: Request, truth: bytes) -> bytes:
        match request:
            case PartRequest(_, _, Piece.RECEIPTS, _):
                return truth.replace(b"receipts", b"deceipts")
        return truth

    async def story() -> None:
        world = World()
        world.peer("liar", Shelf(), twist)
        world.peer("honest", Shelf())
        await world.sync().run()
        world.installed()
        assert blamed(world) == {"liar"}

    in_virtual_time(story)


@pytest.mark.parametrize("kind", [EpochsRequest, SnapshotRequest, ChunkRequest, PartRequest])
def test_garbage_is_charged_and_passed_over(kind: type) -> None:
    async def twist(request: Request, truth: bytes) -> bytes:
        return b"\xff" * 50 if isinstance(request, kind) else truth

    async def story() -> None:
        world = World()
        world.peer("a", Shelf(), twist)
        world.peer("b", Shelf())
        await world.sync().run()
        world.installed()
        assert blamed(world) == {"a"}

    in_virtual_time(story)


def test_a_peer_that_goes_silent_is_replaced() -> None:
    async def twist(request: Request, truth: bytes) -> bytes:
        if isinstance(request, ChunkRequest) and request.index > 3:
            await asyncio.get_running_loop().create_future()
        return truth

    async def story() -> None:
        world = World()
        world.peer("silent", Shelf(), twist)
        world.peer("honest", Shelf())
        await world.sync().run()
        world.installed()

    in_virtual_time(story)


def test_the_newest_manifest_wins_among_equals() -> None:
    async def story() -> None:
        world = World()
        world.peer("old", Shelf(number=2 * EPOCH_BLOCKS))
        world.peer("new", Shelf())
        assert await world.sync().run() == 2
        world.installed()

    in_virtual_time(story)
