"""The network in memory, under a scheduler that the test turns by hand."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

import pytest

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.framing import SMALL_MAX_BYTES
from zg_node.p2p.memory import MemoryHub, MemoryNetwork
from zg_node.p2p.network import Network, Offence


class Clock:
    """Calls what is due, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def call_later(self, delay_s: float, work: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now + delay_s, self._count, work))

    def run(self) -> None:
        while self._due:
            self.now, _, work = heapq.heappop(self._due)
            work()


class Log:
    """A node that remembers its direct messages and gossip."""

    def __init__(self, node: MemoryNetwork) -> None:
        self.direct: list[tuple[str, bytes]] = []
        self.gossip: list[tuple[str, bytes]] = []
        node.on_direct(lambda peer, message: self.direct.append((peer, message)))
        node.subscribe("topic", lambda peer, message: self.gossip.append((peer, message)))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> MemoryHub:
    return MemoryHub(clock.call_later, lambda source, target, size: (0.01,))


def test_it_is_a_network(hub: MemoryHub) -> None:
    network: Network = hub.join("a")
    assert network.peer_id == "a"
    assert network.peers() == ()


def test_nodes_that_join_are_connected_with_all(hub: MemoryHub, clock: Clock) -> None:
    seen: list[tuple[str, bool]] = []
    first = hub.join("a")
    first.on_peer(lambda peer, connected: seen.append((peer.id, connected)))
    hub.join("b")
    hub.join("c", connect=False)
    assert first.peers() == ()
    clock.run()
    assert seen == [("b", True)]
    hub.connect("a", "c")
    hub.leave("b")
    assert seen == [("b", True), ("c", True), ("b", False)]
    assert [peer.id for peer in first.peers()] == ["c"]


def test_gossip_reaches_those_who_follow_and_nobody_else(hub: MemoryHub, clock: Clock) -> None:
    a, b, c = hub.join("a"), hub.join("b"), hub.join("c")
    log = Log(b)
    clock.run()
    a.publish("topic", b"one")
    c.publish("other", b"two")
    clock.run()
    assert log.gossip == [("a", b"one")]


def test_direct_messages_keep_their_order_whatever_the_link_does(hub: MemoryHub, clock: Clock) -> None:
    a, log = hub.join("a"), Log(hub.join("b"))
    clock.run()
    delays = iter([0.9, 0.1, 0.5])
    hub.link = lambda source, target, size: (next(delays),)
    for message in (b"1", b"2", b"3"):
        a.send("b", message)
    clock.run()
    assert log.direct == [("a", b"1"), ("a", b"2"), ("a", b"3")]


def test_small_messages_overtake_large_ones(hub: MemoryHub, clock: Clock) -> None:
    a, log = hub.join("a"), Log(hub.join("b"))
    clock.run()
    hub.link = lambda source, target, size: (size / 1e6,)
    large = bytes(SMALL_MAX_BYTES + 1)
    a.broadcast(large)
    a.broadcast(b"vote")
    clock.run()
    assert log.direct == [("a", b"vote"), ("a", large)]


def test_a_link_may_drop_and_duplicate(hub: MemoryHub, clock: Clock) -> None:
    a, log = hub.join("a"), Log(hub.join("b"))
    clock.run()
    hub.link = lambda source, target, size: () if size == 4 else (0.1, 0.2)
    a.send("b", b"lost")
    a.send("b", b"twice")
    clock.run()
    assert log.direct == [("a", b"twice"), ("a", b"twice")]


def test_what_is_on_its_way_is_lost_with_the_connection(hub: MemoryHub, clock: Clock) -> None:
    a, log = hub.join("a"), Log(hub.join("b"))
    clock.run()
    a.send("b", b"late")
    a.publish("topic", b"late")
    hub.disconnect("a", "b")
    hub.connect("a", "b")
    a.send("b", b"new")
    clock.run()
    assert log.direct == [("a", b"new")]
    assert log.gossip == []


def test_a_reported_peer_is_cut_off_when_it_has_no_points_left(hub: MemoryHub, clock: Clock) -> None:
    a = hub.join("a")
    hub.join("b")
    clock.run()
    a.report("b", Offence.BAD_SIGNATURE)
    assert a.peers()[0].score == 50
    a.report("b", Offence.BAD_SIGNATURE)
    assert a.peers() == ()
    hub.connect("b", "a")
    assert a.peers() == ()
    assert a.reports == [("b", Offence.BAD_SIGNATURE)] * 2


def test_a_handler_that_finds_a_message_invalid_reports_its_sender(hub: MemoryHub, clock: Clock) -> None:
    def refuse(peer: str, message: bytes) -> None:
        raise InvalidMessage("no")

    a, b = hub.join("a"), hub.join("b")
    b.on_direct(refuse)
    clock.run()
    a.send("b", b"?")
    clock.run()
    assert b.reports == [("a", Offence.MALFORMED)]


def test_requests_are_answered_refused_or_late() -> None:
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        hub = MemoryHub(loop.call_later, lambda source, target, size: (0.0,))
        a, b = hub.join("a"), hub.join("b", connect=False)

        async def answer(peer: str, message: bytes) -> bytes:
            match message:
                case b"refuse":
                    raise Unavailable("no")
                case b"invalid":
                    raise InvalidMessage("no")
            return peer.encode() + message

        b.serve("/zg/x/1", answer)
        with pytest.raises(Unavailable, match="not connected"):
            await a.request("b", "/zg/x/1", b"1", 1)
        hub.connect("a", "b")
        assert await a.request("b", "/zg/x/1", b"1", 1) == b"a1"
        for question in (b"refuse", b"invalid"):
            with pytest.raises(Unavailable, match="refused"):
                await a.request("b", "/zg/x/1", question, 1)
        assert b.reports == [("a", Offence.MALFORMED)]
        with pytest.raises(Unavailable, match="refused"):
            await a.request("b", "/zg/unknown/1", b"1", 1)
        hub.link = lambda source, target, size: ()
        with pytest.raises(Unavailable, match="did not answer"):
            await a.request("b", "/zg/x/1", b"1", 0)
        hub.link = lambda source, target, size: (1.0,)
        asked = asyncio.ensure_future(a.request("b", "/zg/x/1", b"1", 10))
        loop.call_soon(hub.leave, "b")
        with pytest.raises(Unavailable, match="gone"):
            await asked

    asyncio.run(ask())
