"""The node's end of the host's socket: order, and when commands leave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from zg_node.p2p.child import Link
from zg_node.p2p.framing import FRAME_MAX_BYTES, PIECES_MAX, Frame, Splitter, pack, unpack


async def connected(on_frame: Callable[[Frame, list[bytes]], None]) -> tuple[Link, socket.socket]:
    """A link, and what stands for the host."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(0)
    _, link = await asyncio.get_running_loop().create_unix_connection(lambda: Link(on_frame, lambda: None), sock=ours)
    return link, theirs


def close(link: Link, theirs: socket.socket) -> None:
    assert link.transport is not None
    link.transport.close()
    theirs.close()


def test_answers_leave_together_when_all_frames_have_been_handed_on() -> None:
    seen: list[bool] = []

    async def life() -> None:
        def answer(kind: Frame, fields: list[bytes]) -> None:
            link.write(*pack(Frame.SEND, *fields))
            seen.append(has_come(theirs))

        link, theirs = await connected(answer)
        link.data_received(b"".join(b"".join(pack(Frame.DIRECT, b"peer", bytes([index]))) for index in range(3)))
        bodies = [unpack(body) for body in Splitter(FRAME_MAX_BYTES).feed(theirs.recv(65536))]
        assert bodies == [(Frame.SEND, [b"peer", bytes([index])]) for index in range(3)]
        assert seen == [False] * 3
        close(link, theirs)

    asyncio.run(life())


def test_more_than_the_socket_holds_arrives_in_order() -> None:
    messages = [bytes([index & 0xFF]) * (index * 20) for index in range(PIECES_MAX // 4)]

    async def life() -> None:
        link, theirs = await connected(lambda kind, fields: link.write(*pack(Frame.BROADCAST, b"the last")))
        for message in messages:
            link.write(*pack(Frame.BROADCAST, message))
        await asyncio.sleep(0)
        assert has_come(theirs)
        assert link.unsent_bytes > 0
        received = theirs.recv(1 << 20)  # there is room in the socket, and the transport has something still
        link.data_received(b"".join(pack(Frame.DIRECT, b"peer", b"")))
        splitter = Splitter(FRAME_MAX_BYTES)
        got = [unpack(body)[1][0] for body in splitter.feed(received)]
        while len(got) <= len(messages):
            data = await asyncio.get_running_loop().sock_recv(theirs, 65536)
            got += [unpack(body)[1][0] for body in splitter.feed(data)]
        assert got == [*messages, b"the last"]
        assert link.unsent_bytes == 0
        close(link, theirs)

    asyncio.run(life())


def has_come(theirs: socket.socket) -> bool:
    """Whether anything has come."""
    try:
        return bool(theirs.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def test_what_is_no_frame_ends_the_link() -> None:
    async def life() -> None:
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        with theirs:
            await loop.create_unix_connection(lambda: Link(lambda kind, fields: None, ended.set), sock=ours)
            theirs.sendall(b"\0\0\0\1\xff")
            await ended.wait()

    asyncio.run(life())
