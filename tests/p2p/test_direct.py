"""Direct messages of peers that never finish them, or end every stream: the shell around streams that a test plays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.network.stream.exceptions import StreamClosed
from libp2p.peer.id import ID

from zg_node.errors import Unavailable
from zg_node.p2p.direct import ASSEMBLY_OPEN_BYTES, RETRY_MAX_S, DirectStreams
from zg_node.p2p.framing import PART_HEADER, PART_MAX_BYTES, SMALL_MAX_BYTES, prefixed, split
from zg_node.p2p.network import DIRECT_MAX_BYTES
from zg_node.p2p.outgoing import RETRY_FIRST_S
from zg_node.p2p.stream import PeerStream
from zg_node.p2p.topics import BULK_PROTOCOL, DIRECT_PROTOCOL
from zg_node.p2p.yamux_stream import Consumer

MIB = 1024 * 1024


def peer(number: int) -> ID:
    return ID(b"peer %03d" % number)


class Incoming(PeerStream):
    """A stream of a peer that says something and stays open."""

    def __init__(self, source: ID, *data: bytes) -> None:
        self.muxed_conn = SimpleNamespace(peer_id=source)  # type: ignore[assignment]
        self._data = data

    async def consume(self, consumer: Consumer) -> None:
        for data in self._data:
            consumer(data)
        await trio.sleep_forever()


class Outgoing(PeerStream):
    """A stream that takes everything, or one that the peer ends as soon as something is written."""

    def __init__(self, protocol: str, takes: bool) -> None:
        self.protocol = protocol
        self.resets = self.closings = 0
        self.written: list[bytes] = []
        self._takes = takes

    async def write(self, data: bytes | memoryview) -> None:
        if not self._takes:
            raise StreamClosed
        self.written.append(bytes(data))

    def write_now(self, data: bytes) -> bool:
        return False

    async def reset(self) -> None:
        self.resets += 1

    async def close(self) -> None:
        self.closings += 1


class Place:
    """`DirectStreams` with what it needs of a host and its table of peers."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.protected: set[str] = set()
        self.delivered: list[tuple[str, int]] = []
        self.opened: list[Outgoing] = []
        self.takes = False
        """Whether peers keep the streams that are opened now."""
        self.handlers: dict[str, Callable[[Any], Awaitable[None]]] = {}
        self.is_protected = self.protected.__contains__
        self.streams = DirectStreams(self, self, nursery, Counter(), self._take)  # type: ignore[arg-type]

    def set_stream_handler(self, protocol: str, handler: Callable[[Any], Awaitable[None]]) -> None:
        self.handlers[protocol] = handler

    def on_peer(self, handler: Callable[[ID, Any, bool], None]) -> None:
        self._tell = handler

    def on_moved(self, handler: Callable[[ID], None]) -> None:
        self.move = handler

    def count_messages(self, source: ID, count: int) -> float:
        return 0.0

    async def open_stream(self, target: ID, protocol: str) -> Outgoing:
        self.opened.append(Outgoing(protocol, self.takes))
        return self.opened[-1]

    def connect(self, who: ID) -> str:
        name = who.to_base58()
        self._tell(who, SimpleNamespace(name=name), True)
        return name

    async def hear(self, protocol: str, source: ID, *data: bytes) -> None:
        """Let a peer say something on a stream. Raises what the handler raises."""
        with trio.move_on_after(0.1):
            await self.handlers[protocol](Incoming(source, *data))

    def _take(self, name: str, message: bytes | bytearray | memoryview) -> None:
        self.delivered.append((name, len(message)))


def run(work: Callable[[Place], Awaitable[None]]) -> None:
    async def life() -> None:
        async with trio.open_nursery() as nursery:
            await work(Place(nursery))
            nursery.cancel_scope.cancel()

    trio.run(life, clock=trio.testing.MockClock(autojump_threshold=0))


def test_messages_that_strangers_never_finish_leave_room_for_those_of_validators() -> None:
    begun = [
        prefixed(PART_HEADER.pack(at, DIRECT_MAX_BYTES) + bytes(PART_MAX_BYTES)) for at in range(0, 8 * MIB, 1 << 18)
    ]

    async def work(place: Place) -> None:
        strangers = ASSEMBLY_OPEN_BYTES // (8 * MIB)
        for number in range(strangers):
            place.connect(peer(number))
            place.nursery.start_soon(place.handlers[BULK_PROTOCOL], Incoming(peer(number), *begun))
        await trio.testing.wait_all_tasks_blocked()
        late, validator = peer(100), peer(101)
        place.connect(late)
        with pytest.raises(Unavailable, match="unfinished"):
            await place.hear(BULK_PROTOCOL, late, begun[0])
        name = place.connect(validator)
        place.protected.add(name)
        await place.hear(BULK_PROTOCOL, validator, *split(bytes(DIRECT_MAX_BYTES)))
        assert place.delivered == [(name, DIRECT_MAX_BYTES)]

    run(work)


def test_who_is_no_longer_a_peer_is_not_listened_to() -> None:
    async def work(place: Place) -> None:
        with pytest.raises(Unavailable, match="no longer a peer"):
            await place.hear(DIRECT_PROTOCOL, peer(1), prefixed(b"message"))
        place.connect(peer(1))
        await place.hear(DIRECT_PROTOCOL, peer(1), prefixed(b"message"))
        assert len(place.delivered) == 1

    run(work)


def test_a_peer_that_ends_each_stream_at_once_is_tried_ever_less_often() -> None:
    async def work(place: Place) -> None:
        name = place.connect(peer(1))
        place.streams.send(name, b"vote")
        await trio.sleep(20 * RETRY_MAX_S)
        ended = [stream for stream in place.opened if stream.resets]
        assert 20 < len(ended) < 40
        assert len(place.opened) - len(ended) <= 2

    run(work)


def test_what_a_stream_did_not_take_is_the_first_on_the_next() -> None:
    async def work(place: Place) -> None:
        name = place.connect(peer(1))
        place.streams.send(name, b"vote")
        await trio.testing.wait_all_tasks_blocked()
        place.takes = True
        await trio.sleep(2 * RETRY_FIRST_S)
        assert place.opened[-1].written == [prefixed(b"vote")]

    run(work)


def test_streams_move_to_the_connection_that_stays_and_close_where_they_were() -> None:
    async def work(place: Place) -> None:
        place.takes = True
        name = place.connect(peer(1))
        await trio.testing.wait_all_tasks_blocked()
        place.move(peer(1))
        await trio.testing.wait_all_tasks_blocked()
        assert [(stream.closings, stream.resets) for stream in place.opened] == [(1, 0), (1, 0), (0, 0), (0, 0)]
        place.streams.send(name, b"vote")
        place.streams.send(name, bytes(SMALL_MAX_BYTES + 1))
        await trio.testing.wait_all_tasks_blocked()
        assert {stream.protocol for stream in place.opened if stream.written} == {DIRECT_PROTOCOL, BULK_PROTOCOL}
        assert not any(stream.written for stream in place.opened[:2])

    run(work)
