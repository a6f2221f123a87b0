"""Our Yamux alone: two ends, or one against frames written by hand, over sockets without encryption."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from libp2p.peer.id import ID

from zg_node.p2p.framing import Buffer
from zg_node.p2p.reactor import Reactor
from zg_node.p2p.sockets import MeteredSocket
from zg_node.p2p.yamux import FastYamux
from zg_node.p2p.yamux_frame import DATA, HEADER

PEER = ID(b"peer")
RECORD_BYTES = 60_000


class PlainRecords:
    """`Records` with no encryption: a length and the bytes."""

    def __init__(self) -> None:
        self._partial = b""

    def seal(self, plain: bytes) -> list[Buffer]:
        pieces = [plain[at : at + RECORD_BYTES] for at in range(0, len(plain), RECORD_BYTES)]
        return [len(piece).to_bytes(2, "big") + piece for piece in pieces]

    def open(self, data: bytes) -> list[bytes]:
        data, plains = self._partial + data, []
        while len(data) >= 2 and len(data) - 2 >= (length := int.from_bytes(data[:2], "big")):
            plains.append(data[2 : 2 + length])
            data = data[2 + length :]
        self._partial = data
        return plains


class Below:
    """What `FastYamux` asks of the secured connection below it."""

    def __init__(self, socket: MeteredSocket) -> None:
        self._socket = socket

    def _drain(self, _: None) -> bytes:
        return b""

    async def close(self) -> None:
        await self._socket.close()


def streams() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Two ends of a connection."""
    left, right = socket.socketpair()
    return tuple(trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in (left, right))  # type: ignore[return-value]


def yamux_on(stream: trio.SocketStream, reactor: Reactor, opens: bool, invalid: list[ID]) -> FastYamux:
    below = MeteredSocket(stream, Counter())
    conn: Any = Below(below)
    return FastYamux(conn, PlainRecords(), below, reactor, PEER, opens, invalid.append)


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[FastYamux, FastYamux, list[ID]]]:
    """Two ends of a connection, and who was found to break the protocol."""
    left, right = streams()
    invalid: list[ID] = []
    async with trio.open_nursery() as nursery:
        with Reactor(nursery, Counter()) as reactor:
            one, two = yamux_on(left, reactor, True, invalid), yamux_on(right, reactor, False, invalid)
            nursery.start_soon(one.start)
            nursery.start_soon(two.start)
            await one.event_started.wait()
            await two.event_started.wait()
            yield one, two, invalid
            await one.close()
            await two.close()
            await one.event_closed.wait()
            await two.event_closed.wait()


class Frames:
    """A peer that writes frames by hand and remembers those of the other side."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._read = b""

    async def send(self, *frames: bytes) -> None:
        data = b"".join(frames)
        await self._pipe.send_all(b"".join(PlainRecords().seal(data)))

    async def next(self, kind: int) -> tuple[int, int, int]:
        """(flags, stream, length) of the next frame of a kind; others and payloads are passed over."""
        while True:
            _, found, flags, stream, length = HEADER.unpack(await self._take(HEADER.size))
            if found == DATA:
                await self._take(length)
            if found == kind:
                return flags, stream, length

    async def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            head = await self._pipe.receive_some(2)
            if not head:
                raise EOFError
            length = int.from_bytes(head, "big")
            while length:
                data = await self._pipe.receive_some(length)
                self._read += data
                length -= len(data)
        found, self._read = self._read[:size], self._read[size:]
        return found


@asynccontextmanager
async def against_frames() -> AsyncIterator[tuple[FastYamux, Frames, list[ID]]]:
    """A connection whose peer is written by hand."""
    left, right = streams()
    invalid: list[ID] = []
    async with right, trio.open_nursery() as nursery:
        with Reactor(nursery, Counter()) as reactor:
            conn = yamux_on(left, reactor, False, invalid)
            nursery.start_soon(conn.start)
            await conn.event_started.wait()
            yield conn, Frames(right), invalid
            await conn.close()
            await conn.event_closed.wait()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(10):
            await work()

    trio.run(bounded)
