"""A chain in memory that needs no native core: blocks without transactions, a pool that takes any hex string.

It is honest about what it does: hashes are real, order is kept, and what it accepted can be read back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import rlp

from zg_node.rpc.api import Chain, Node
from zg_node.types.block import ConsensusHeader, Header, StoredBlock
from zg_node.types.hashing import EMPTY_TRIE_ROOT, EMPTY_UNCLES_HASH, ZERO_HASH, keccak

GWEI = 10**9
EMPTY_BODY = b"\xc0"


def make_header(number: int, parent_hash: bytes, timestamp: int = 1_700_000_000) -> bytes:
    """RLP of an empty Osaka block's header."""
    return bytes(
        rlp.encode(
            [
                parent_hash, EMPTY_UNCLES_HASH, bytes(20), EMPTY_TRIE_ROOT, EMPTY_TRIE_ROOT, EMPTY_TRIE_ROOT,
                bytes(256), 0, number, 500_000_000, 0, timestamp + number, b"", ZERO_HASH, bytes(8), GWEI,
                EMPTY_TRIE_ROOT, 0, 0, ZERO_HASH, ZERO_HASH,
            ]
        )
    )  # fmt: skip


def make_block(number: int, parent_hash: bytes) -> StoredBlock:
    """An empty block."""
    header = Header.decode(make_header(number, parent_hash))
    consensus = ConsensusHeader(ZERO_HASH, 0, number, header.timestamp * 1000, ZERO_HASH, ZERO_HASH, 0, 0)
    return StoredBlock(header, consensus, EMPTY_BODY, b"", EMPTY_BODY, b"")


@dataclass
class MemoryPool:
    """Accepts raw transactions that are hex; remembers them in order, with the threads that brought them."""

    accepted: list[bytes] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    gate: threading.Event | None = None
    """Where set, validation waits for it."""
    fresh: list[bytes] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self, state: object, at: object, base_fee: int, gas_limit: int, raws: Sequence[str | bytes], now_ms: int
    ) -> list[bytes | tuple[int, str]]:
        if self.gate is not None:
            assert self.gate.wait(10)
        outcomes: list[bytes | tuple[int, str]] = []
        with self.lock:
            self.threads.add(threading.current_thread().name)
            for raw in raws:
                try:
                    encoded = bytes.fromhex(raw[2:]) if isinstance(raw, str) else raw
                except ValueError:
                    outcomes.append((-32602, "invalid argument 0: invalid hex string"))
                    continue
                self.accepted.append(encoded)
                self.fresh.append(keccak(encoded))
                outcomes.append(keccak(encoded))
        return outcomes

    def len(self) -> tuple[int, int]:
        return len(self.accepted), 0

    def take_new(self) -> list[bytes]:
        fresh, self.fresh = self.fresh, []
        return fresh


class MemoryState:
    """Every account has a balance of one wei times its last byte."""

    def account(self, at: object, address: bytes) -> tuple[int, int, bytes] | None:
        return (0, address[-1], b"") if address[-1] else None


@dataclass
class MemoryBlocks:
    """Which blocks a chain keeps."""

    first: int = 0


class MemoryChain:
    """A chain of empty blocks that grows when told to."""

    def __init__(self, shard: int = 0, blocks: int = 1) -> None:
        self.shard = shard
        self.chain_id = 1_660_200 + shard
        self.state = MemoryState()
        self.pool = MemoryPool()
        self.engine = None
        self.development_keys: dict[bytes, bytes] = {}
        self.pokes = 0
        self.blocks = MemoryBlocks()
        self.stored = [make_block(0, ZERO_HASH)]
        self.listeners: list[Callable[[StoredBlock], None]] = []
        for _ in range(blocks - 1):
            self.grow()

    @property
    def head(self) -> StoredBlock:
        return self.stored[-1]

    def grow(self) -> StoredBlock:
        """Finalise one more block; call on the event loop."""
        block = make_block(len(self.stored), self.head.hash)
        self.stored.append(block)
        for listener in tuple(self.listeners):
            listener(block)
        return block

    def by_number(self, number: int) -> StoredBlock | None:
        kept = number == 0 or number >= self.blocks.first
        return self.stored[number] if kept and 0 <= number < len(self.stored) else None

    def by_hash(self, block_hash: bytes) -> StoredBlock | None:
        return next((block for block in self.stored if block.hash == block_hash), None)

    def transaction(self, tx_hash: bytes) -> tuple[int, int] | None:
        return None

    def blooms(self, first: int, last: int) -> bytes:
        return bytes(256 * (last - first + 1))

    def pending_header(self) -> bytes:
        return make_header(len(self.stored), self.head.hash)

    def next_base_fee(self) -> int:
        return GWEI

    def accepted(self, raws: Sequence[str]) -> None:
        self.pokes += 1

    def on_head(self, callback: Callable[[StoredBlock], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    def now_ms(self) -> int:
        return 1_700_000_000_000


def make_node(*chains: MemoryChain, ready: bool = True) -> Node:
    """A node over memory chains."""
    return Node(
        chains=cast("tuple[Chain, ...]", chains),
        client_version="zg-node/test",
        network="test",
        ready=lambda: ready,
        healthy=lambda: True,
        peers=lambda: 0,
        progress=lambda shard: None,
        addresses=lambda: (),
        metrics=lambda: b"zg_test 1\n",
    )
