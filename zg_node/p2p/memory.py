"""Networks in memory, for tests and for the simulator: nothing but the scheduler and the link policy decides what
happens, so that the same seed gives the same run.

    hub = MemoryHub(loop.call_later, lambda source, target, size: (0.01,))
    one, two = hub.join("one"), hub.join("two")       connected with everyone at once

The link policy maps every message (source, target, bytes) to the delays with which it arrives: none drops it, several
duplicate it. Messages of `send` keep their order between two nodes, as on a stream, large ones apart from small ones;
gossip keeps none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.framing import SMALL_MAX_BYTES
from zg_node.p2p.network import (
    DIRECT_MAX_BYTES,
    GOSSIP_MAX_BYTES,
    REQUEST_MAX_BYTES,
    RESPONSE_MAX_BYTES,
    DirectHandler,
    GossipHandler,
    Offence,
    Peer,
    PeerHandler,
    RequestHandler,
)

CallLater = Callable[[float, Callable[[], None]], object]
"""(delay in seconds, what to do then)."""
LinkPolicy = Callable[[str, str, int], Sequence[float]]
"""(source, target, bytes) → delays in seconds."""

FULL_SCORE = 100


@dataclass(slots=True)
class _InFlight:
    """A message of an ordered lane; it is handed over when it has arrived and all before it have."""

    message: bytes
    arrived: bool = False


@dataclass(slots=True)
class _Connection:
    """One direction between two nodes."""

    lanes: tuple[deque[_InFlight], deque[_InFlight]] = field(default_factory=lambda: (deque(), deque()))
    """Small messages, large messages."""
    open: bool = True


class MemoryHub:
    """The nodes of a network in memory, and who is connected with whom."""

    def __init__(self, call_later: CallLater, link: LinkPolicy) -> None:
        self.call_later = call_later
        self.link = link
        """May be exchanged at any time."""
        self.nodes: dict[str, MemoryNetwork] = {}
        self._connections: dict[tuple[str, str], _Connection] = {}

    def join(self, peer_id: str, *, connect: bool = True) -> MemoryNetwork:
        """Add a node; `connect` joins it with all that are there, at the next turn of the scheduler, so that it can
        register its handlers first."""
        if peer_id in self.nodes:
            raise ValueError(f"{peer_id} is there already")
        node = MemoryNetwork(self, peer_id)
        others = tuple(self.nodes)
        self.nodes[peer_id] = node
        if connect:
            for other in others:
                self.call_later(0.0, lambda other=other: self.connect(peer_id, other))  # type: ignore[misc]
        return node

    def leave(self, peer_id: str) -> None:
        """Take a node away as a crash does: what is on its way to it or from it is lost."""
        node = self.nodes.pop(peer_id)
        for other in tuple(node.connected):
            self._close(peer_id, other)
        node.drop_requests()

    def connect(self, one: str, two: str) -> None:
        """Connect two nodes; nothing happens when one is gone, has banned the other, or they are connected."""
        if one not in self.nodes or two not in self.nodes or two in self.nodes[one].connected:
            return
        if two in self.nodes[one].banned or one in self.nodes[two].banned:
            return
        self._connections[one, two] = _Connection()
        self._connections[two, one] = _Connection()
        self.nodes[one].add_peer(Peer(two, f"/memory/{two}", True, FULL_SCORE))
        if two in self.nodes and (two, one) in self._connections:
            self.nodes[two].add_peer(Peer(one, f"/memory/{one}", False, FULL_SCORE))

    def disconnect(self, one: str, two: str) -> None:
        """Close the connection of two nodes; what is on its way is lost."""
        if (one, two) in self._connections:
            self._close(one, two)

    def deliver(self, source: str, target: str, size: int, arrive: Callable[[MemoryNetwork], None]) -> None:
        """Let something unordered travel over the link, as long as the connection stands."""
        connection = self._connections.get((source, target))
        if connection is None:
            return
        for delay_s in self.link(source, target, size):
            self.call_later(delay_s, lambda: self._arrive(connection, target, arrive))

    def deliver_ordered(self, source: str, target: str, message: bytes) -> None:
        """Let a direct message travel over the link, behind those before it."""
        connection = self._connections.get((source, target))
        if connection is None:
            return
        lane = connection.lanes[len(message) > SMALL_MAX_BYTES]
        for delay_s in self.link(source, target, len(message)):
            flight = _InFlight(message)
            lane.append(flight)
            self.call_later(delay_s, lambda flight=flight: self._land(connection, lane, flight, source, target))  # type: ignore[misc]

    def _arrive(self, connection: _Connection, target: str, arrive: Callable[[MemoryNetwork], None]) -> None:
        if connection.open:
            arrive(self.nodes[target])

    def _land(
        self, connection: _Connection, lane: deque[_InFlight], flight: _InFlight, source: str, target: str
    ) -> None:
        flight.arrived = True
        while lane and lane[0].arrived and connection.open:
            self.nodes[target].receive_direct(source, lane.popleft().message)

    def _close(self, one: str, two: str) -> None:
        for source, target in ((one, two), (two, one)):
            self._connections.pop((source, target)).open = False
        for source, target in ((one, two), (two, one)):
            if source in self.nodes:
                self.nodes[source].remove_peer(target)


class MemoryNetwork:
    """One node's `Network`."""

    def __init__(self, hub: MemoryHub, peer_id: str) -> None:
        self._hub = hub
        self._id = peer_id
        self.connected: dict[str, Peer] = {}
        self.banned: set[str] = set()
        self.protected: set[str] = set()
        self.reports: list[tuple[str, Offence]] = []
        """What this node complained about, in order."""
        self._points: dict[str, int] = {}
        self._topics: dict[str, GossipHandler] = {}
        self._direct: DirectHandler | None = None
        self._protocols: dict[str, RequestHandler] = {}
        self._peer_handlers: list[PeerHandler] = []
        self._requests: dict[asyncio.Future[bytes], str] = {}
        self._answers: set[asyncio.Task[None]] = set()

    # ── Network ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def peer_id(self) -> str:
        """The name that the node joined with."""
        return self._id

    @property
    def addresses(self) -> tuple[str, ...]:
        """One, which `MemoryHub.connect` does not need."""
        return (f"/memory/{self._id}/p2p/{self._id}",)

    def peers(self) -> tuple[Peer, ...]:
        """Connected peers."""
        return tuple(self.connected.values())

    def publish(self, topic: str, message: bytes) -> None:
        """Straight to every connected node that follows the topic."""
        if len(message) > GOSSIP_MAX_BYTES:
            return
        for peer in tuple(self.connected):
            self._hub.deliver(self._id, peer, len(message), lambda node: node.receive_gossip(topic, self._id, message))

    def subscribe(self, topic: str, handler: GossipHandler) -> None:
        """Follow a topic."""
        self._topics[topic] = handler

    def send(self, peer: str, message: bytes) -> None:
        """To one peer; dropped when it is not connected."""
        if len(message) <= DIRECT_MAX_BYTES and peer in self.connected:
            self._hub.deliver_ordered(self._id, peer, message)

    def broadcast(self, message: bytes) -> None:
        """To every connected peer."""
        for peer in tuple(self.connected):
            self.send(peer, message)

    def on_direct(self, handler: DirectHandler) -> None:
        """Who receives direct messages."""
        self._direct = handler

    def serve(self, protocol: str, handler: RequestHandler) -> None:
        """Answer requests."""
        self._protocols[protocol] = handler

    async def request(self, peer: str, protocol: str, message: bytes, timeout_s: float) -> bytes:
        """Ask a peer. Raises Unavailable."""
        if peer not in self.connected:
            raise Unavailable(f"{peer} is not connected")
        if len(message) > REQUEST_MAX_BYTES:
            raise Unavailable(f"a request of {len(message)} bytes is too long")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._requests[future] = peer
        self._hub.deliver(self._id, peer, len(message), lambda node: node.asked(self, protocol, message, future))
        self._hub.call_later(timeout_s, lambda: _fail(future, f"{peer} did not answer in {timeout_s} s"))
        try:
            return await future
        finally:
            del self._requests[future]

    def on_peer(self, handler: PeerHandler) -> None:
        """Be told who comes and goes."""
        self._peer_handlers.append(handler)

    def report(self, peer: str, offence: Offence) -> None:
        """Take points of a peer; at 0 it is disconnected for good."""
        self.reports.append((peer, offence))
        points = self._points[peer] = self._points.get(peer, FULL_SCORE) - offence.value
        if points <= 0:
            self.banned.add(peer)
            self._hub.disconnect(self._id, peer)
        elif peer in self.connected:
            known = self.connected[peer]
            self.connected[peer] = Peer(known.id, known.address, known.outbound, points)

    def protect(self, peer: str, protected: bool) -> None:
        """Remembered; connections are never given up here."""
        (self.protected.add if protected else self.protected.discard)(peer)

    # ── for the hub ─────────────────────────────────────────────────────────────────────────────────────────────────

    def add_peer(self, peer: Peer) -> None:
        """A connection stands."""
        self.connected[peer.id] = peer
        for handler in self._peer_handlers:
            handler(peer, True)

    def remove_peer(self, peer_id: str) -> None:
        """A connection is gone, and with it the requests over it."""
        peer = self.connected.pop(peer_id)
        for future, asked in tuple(self._requests.items()):
            if asked == peer_id:
                _fail(future, f"{peer_id} is gone")
        for handler in self._peer_handlers:
            handler(peer, False)

    def drop_requests(self) -> None:
        """The node is gone: end what it was answering."""
        for task in self._answers:
            task.cancel()

    def receive_direct(self, source: str, message: bytes) -> None:
        """A direct message arrives."""
        if self._direct is not None:
            try:
                self._direct(source, message)
            except InvalidMessage:
                self.report(source, Offence.MALFORMED)

    def receive_gossip(self, topic: str, source: str, message: bytes) -> None:
        """Gossip arrives."""
        handler = self._topics.get(topic)
        if handler is not None:
            try:
                handler(source, message)
            except InvalidMessage:
                self.report(source, Offence.MALFORMED)

    def asked(self, client: MemoryNetwork, protocol: str, message: bytes, future: asyncio.Future[bytes]) -> None:
        """A request arrives; the answer travels back when the handler has it."""
        task = asyncio.get_running_loop().create_task(self._answer(client, protocol, message, future))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(
        self, client: MemoryNetwork, protocol: str, message: bytes, future: asyncio.Future[bytes]
    ) -> None:
        handler, answer = self._protocols.get(protocol), None
        if handler is not None:
            try:
                answer = await handler(client.peer_id, message)
            except InvalidMessage:
                self.report(client.peer_id, Offence.MALFORMED)
            except Unavailable:
                answer = None
        if answer is None or len(answer) > RESPONSE_MAX_BYTES:
            self._hub.deliver(self._id, client.peer_id, 1, lambda _: _fail(future, f"{self._id} refused"))
        else:
            found = answer
            self._hub.deliver(self._id, client.peer_id, len(found), lambda _: _resolve(future, found))


def _fail(future: asyncio.Future[bytes], reason: str) -> None:
    if not future.done():
        future.set_exception(Unavailable(reason))


def _resolve(future: asyncio.Future[bytes], answer: bytes) -> None:
    if not future.done():
        future.set_result(answer)
