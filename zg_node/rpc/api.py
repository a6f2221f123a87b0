"""What RPC needs of the node, and what a method's handler is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from zg_node.errors import Unavailable
from zg_node.rpc.params import Arguments
from zg_node.types.block import StoredBlock

if TYPE_CHECKING:
    from zg_node import _core
    from zg_node.da.service import DataAvailability
    from zg_node.rpc.session import Session
    from zg_node.rpc.shard import Shard


class Blocks(Protocol):
    """What is asked of a shard's block store."""

    @property
    def first(self) -> int:
        """The oldest block from which on every block is kept; block 0 is there besides."""


class Chain(Protocol):
    """One shard. `by_number`, `by_hash`, `transaction` and `blooms` are called from worker threads too."""

    @property
    def shard(self) -> int: ...
    @property
    def chain_id(self) -> int: ...
    @property
    def state(self) -> _core.State: ...
    @property
    def pool(self) -> _core.Pool: ...
    @property
    def engine(self) -> _core.Engine: ...
    @property
    def blocks(self) -> Blocks: ...
    @property
    def head(self) -> StoredBlock:
        """The latest finalised block; latest = safe = finalized."""

    @property
    def development_keys(self) -> Mapping[bytes, bytes]:
        """Address → key; empty outside development networks."""

    def by_number(self, number: int) -> StoredBlock | None: ...
    def by_hash(self, block_hash: bytes) -> StoredBlock | None: ...
    def transaction(self, tx_hash: bytes) -> tuple[int, int] | None:
        """(block number, index) of a finalised transaction."""

    def blooms(self, first: int, last: int) -> bytes:
        """256 bytes a block, both ends included."""

    def pending_header(self) -> bytes:
        """RLP of the hypothetical next block's header."""

    def next_base_fee(self) -> int: ...
    def accepted(self, raws: Sequence[str]) -> None:
        """The pool took these raw transactions, in hexadecimal, from a client."""

    def on_head(self, callback: Callable[[StoredBlock], None]) -> Callable[[], None]:
        """Call back on the event loop for every finalised block, in order; returns the unsubscription."""

    def now_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a shard is in catching up; heights."""

    started: int
    done: int
    target: int
    blocks_per_s: float


@dataclass(frozen=True, slots=True)
class Starting:
    """What a node does that has no shards to ask yet."""

    stage: str
    """For people, such as "copying the state of shard 1"."""
    done: int = 0
    total: int = 0
    """Pieces of it; 0 while nobody knows how many."""


@dataclass(frozen=True, slots=True)
class Node:
    """What RPC says about the node as a whole."""

    chains: Sequence[Chain]
    """None while the node starts."""
    client_version: str
    """As web3_clientVersion answers it: name/version/platform/language."""
    network: str
    ready: Callable[[], bool]
    """Whether every shard follows the network: GET /ready."""
    healthy: Callable[[], bool]
    """Whether nothing that needs an operator has happened: GET /health."""
    peers: Callable[[], int]
    """Connected peers: net_peerCount."""
    progress: Callable[[int], Progress | None]
    """Of a shard; None when it is not behind: eth_syncing."""
    addresses: Callable[[], Sequence[str]]
    """Where other nodes reach this one, as multiaddresses; none when it is alone."""
    metrics: Callable[[], bytes]
    """Prometheus text: GET /metrics."""
    starting: Callable[[], Starting] = lambda: Starting("opening the shards")
    """What it does while it has no chains."""
    da: DataAvailability | None = None
    """Data availability: zg_da*. None where it is switched off."""
    da_from_anywhere: bool = False
    """Whether callers on other machines may have this node pay for blobs."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, and of which shard; one for each connection and path."""

    node: Node
    index: int
    """Of the shard."""
    shards: Sequence[Shard]
    """None while the node starts; methods that ask one are not called then."""
    namespaces: Sequence[str]
    local: bool
    """The peer is on the loopback interface and no proxy says that it forwards."""
    lane: int
    """Which validation thread this connection's transactions use."""
    session: Session | None
    """The WebSocket session, where subscriptions live; None over HTTP."""

    @property
    def shard(self) -> Shard:
        """The one that is asked."""
        return self.shards[self.index]

    def check_started(self) -> None:
        """Raise Unavailable while there are no shards to ask."""
        if not self.shards:
            raise Unavailable(f"the node is starting: {self.node.starting().stage}; see `zg-node status`")


Result = bytes | asyncio.Future[bytes] | Coroutine[object, object, bytes]
"""Encoded JSON, now or later. In a batch a coroutine is awaited before the next item starts (it may change what that
item sees, or cost much); futures of one batch complete together."""

Handler = Callable[[Context, Arguments], Result]


@dataclass(frozen=True, slots=True)
class Method:
    """A row of the method table."""

    handler: Handler
    arguments_max: int


class Reply(Protocol):
    """Where the answer to one HTTP request or WebSocket message goes."""

    def finish(self, body: bytes) -> None:
        """Send `body` when its turn comes; empty when every request was a notification."""
