"""A node that catches up from peers over a network in memory, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from tests.consensus.signed_chain import NETWORK, SignedChain, stored
from tests.sim.loop import Machine, VirtualLoop
from zg_node.consensus.sync_messages import PROTOCOL, Request, Status, StatusRequest, decode_request
from zg_node.consensus.sync_server import Source, SyncServer
from zg_node.consensus.sync_service import ShardSync, SyncService
from zg_node.errors import InvalidBlock, Unavailable
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.types.block import Block, StoredBlock

T = TypeVar("T")
Honest = Callable[[Request], Awaitable[bytes]]
Handler = Callable[[SignedChain, Honest, Request], Awaitable[bytes]]
"""(the honest chain, what an honest peer answers, a peer's request) → the liar's answer."""


def executor() -> Executor:
    """A thread in virtual time."""
    return Machine(lambda: 0.001, lambda: None)


@dataclass(slots=True)
class Replica:
    """A chain that executes nothing but checks what it is given, and whom it would vote beside."""

    head: StoredBlock
    shard: int = 0
    blocks: list[StoredBlock] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    """Heights of which consensus was told."""
    executed: Block | None = None
    broken_at: int = 1 << 62
    """The block that does not execute here."""
    _listeners: list[Callable[[StoredBlock], None]] = field(default_factory=list)

    def execute(self, block: Block, *, certified: bool = False) -> None:
        assert certified
        if block.number == self.broken_at:
            raise InvalidBlock("another state root")
        assert block.header.parent_hash == self.head.hash, "blocks are executed in order"
        self.executed = block

    def commit(self, block_hash: bytes, certificate: bytes) -> StoredBlock:
        assert self.executed is not None
        assert self.executed.hash == block_hash
        self.head = stored(self.executed, certificate)
        self.blocks.append(self.head)
        return self.head

    def by_number(self, number: int) -> StoredBlock | None:
        return next((block for block in self.blocks if block.number == number), None)

    def announce(self, block: StoredBlock) -> None:
        for listener in self._listeners:
            listener(block)

    def checkpoint_due(self) -> bool:
        return False

    def on_head(self, callback: Callable[[StoredBlock], None]) -> Callable[[], None]:
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    async def synced(self, block: StoredBlock) -> None:
        self.told.append(block.number)


class World:
    """One node at block 0, and its peers."""

    def __init__(self, chain: SignedChain, delay_s: float = 0.01) -> None:
        self.chain = chain
        self.loop = asyncio.get_running_loop()
        self.hub = MemoryHub(self.loop.call_later, lambda source, target, size: (delay_s,))
        self.network: MemoryNetwork = self.hub.join("node")
        self.replica = Replica(chain.stored[0])
        self.shard = ShardSync(self.replica, self.replica, chain.rules(), self.network, executor(), executor())
        server = SyncServer(NETWORK, {0: Source(chain, lambda view, block_hash: None)}, executor())
        self.service = SyncService(self.network, NETWORK, {0: self.shard}, server)

    def honest(self, name: str, chain: SignedChain | None = None) -> None:
        """Add a peer that serves `chain`, the whole of it unless given."""
        source = Source(chain or self.chain, lambda view, block_hash: None)
        self.hub.join(name).serve(PROTOCOL, SyncServer(NETWORK, {0: source}, executor()).answer)

    def liar(self, name: str, handler: Handler) -> None:
        """Add a peer that answers by `handler`."""
        server = SyncServer(NETWORK, {0: Source(self.chain, lambda view, block_hash: None)}, executor())

        async def answer(peer: str, message: bytes) -> bytes:
            async def honest(request: Request) -> bytes:
                return await server.answer(peer, request.encode())

            return await handler(self.chain, honest, decode_request(message))

        self.hub.join(name).serve(PROTOCOL, answer)

    async def catch_up(self, number: int, within_s: float, linger_s: float = 0.0) -> None:
        """Run until the head is `number`, and `linger_s` longer. Raises what ended the service, TimeoutError."""
        async with asyncio.timeout(within_s):
            running = asyncio.ensure_future(self.service.run())
            try:
                while self.replica.head.number < number:
                    done, _ = await asyncio.wait({running}, timeout=0.05)
                    for task in done:
                        task.result()
                await asyncio.sleep(linger_s)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


def in_virtual_time(story: Callable[[], Awaitable[T]]) -> T:
    """Run a test's story on a loop whose time costs nothing."""

    async def told() -> T:
        return await story()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(told())


async def with_height(honest: Honest, request: Request, number: int) -> bytes:
    """The honest answer, but for the height that a status tells."""
    answer = await honest(request)
    if not isinstance(request, StatusRequest):
        return answer
    status = Status.decode(answer)
    rows = tuple(type(row)(row.shard, number, row.hash, row.view, row.first) for row in status.shards)
    return Status(status.network, rows).encode()


async def never() -> bytes:
    """No answer at all."""
    await asyncio.get_running_loop().create_future()
    raise Unavailable("unreachable")
