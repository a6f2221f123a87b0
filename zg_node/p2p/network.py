"""What a node asks of its network: the contract between the services and whatever moves the bytes.

    publish    gossip to everyone who follows a topic; unordered, may be lost
    send       one message to one peer, in order, over a persistent direct stream
    broadcast  the same to every connected peer
    request    one question, one answer, on a stream of its own

`p2p.client` implements it over a libp2p host in a child process, `p2p.memory` in memory for tests and the simulator.
Handlers run on the event loop, take bytes that nobody has parsed yet, and must not block.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

DIRECT_MAX_BYTES = 9 * 1024 * 1024
"""Largest message of `send` and `broadcast`; it travels in parts of at most 256 KiB, behind which small messages do not
wait."""
GOSSIP_MAX_BYTES = 1024 * 1024 - 4096
REQUEST_MAX_BYTES = 64 * 1024
RESPONSE_MAX_BYTES = 4 * 1024 * 1024


class Offence(Enum):
    """Why a peer loses score. The value is the cost, out of 100; at 0 points left a peer is banned for a while."""

    MALFORMED = 25
    """Bytes that do not parse: no honest node sends them."""
    BAD_SIGNATURE = 50
    CONTRADICTION = 100
    """Signed messages that contradict each other."""
    INVALID = 10
    """Well-formed, and wrong: another epoch, an unknown validator, an invalid transaction."""
    FLOOD = 5
    """More messages or bytes than its bucket allows."""
    UNHELPFUL = 2
    """No answer, or a useless one, to a request that its own status invited."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A connected peer."""

    id: str
    """libp2p peer id, base58."""
    address: str
    """Multiaddress of the connection, without /p2p."""
    outbound: bool
    """Whether we dialled it."""
    score: int
    """0 (about to be banned) to 100."""


DirectHandler = Callable[[str, bytes], None]
"""(peer id, message)."""
GossipHandler = Callable[[str, bytes], None]
"""(id of the peer that signed and published it, message): whoever is reported for a bad message is its author, not an
honest peer that passed it on."""
RequestHandler = Callable[[str, bytes], Awaitable[bytes]]
"""(peer id, request) → response; `InvalidMessage` scores the peer and closes the stream, `Unavailable` closes it."""
PeerHandler = Callable[[Peer, bool], None]
"""(peer, connected?)."""


class Network(Protocol):
    """Peers, gossip, direct streams and requests. Nothing here waits except `request`; queues are bounded and what
    does not fit is dropped and counted."""

    @property
    def peer_id(self) -> str:
        """Our own id; "" before the host has started."""
        ...

    @property
    def addresses(self) -> tuple[str, ...]:
        """Our multiaddresses with /p2p/<id>, for others to dial."""
        ...

    def peers(self) -> tuple[Peer, ...]:
        """Connected peers."""
        ...

    def publish(self, topic: str, message: bytes) -> None:
        """Gossip at most GOSSIP_MAX_BYTES on a topic that was subscribed to."""
        ...

    def subscribe(self, topic: str, handler: GossipHandler) -> None:
        """Follow a topic; once a topic, before or after the start."""
        ...

    def send(self, peer: str, message: bytes) -> None:
        """To one peer; silently dropped when it is not connected."""
        ...

    def broadcast(self, message: bytes) -> None:
        """To every connected peer."""
        ...

    def on_direct(self, handler: DirectHandler) -> None:
        """Who receives `send` and `broadcast` of others; one handler, before the start."""
        ...

    def serve(self, protocol: str, handler: RequestHandler) -> None:
        """Answer requests of `protocol`, such as /zg/blocksync/1; before the start."""
        ...

    async def request(self, peer: str, protocol: str, message: bytes, timeout_s: float) -> bytes:
        """Ask a peer. Raises Unavailable when it is gone, refuses, or does not answer in time."""
        ...

    def on_peer(self, handler: PeerHandler) -> None:
        """Be told who comes and goes; several handlers."""
        ...

    def report(self, peer: str, offence: Offence) -> None:
        """Score a peer for what it sent."""
        ...

    def protect(self, peer: str, protected: bool) -> None:
        """Keep a validator's connection when others must be given up, and let it in when there are too many."""
        ...
