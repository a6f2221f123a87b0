"""Sockets that take a little at a time, end, and are closed while somebody waits."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from zg_node.p2p.sockets import receive, send_all

LIMIT = 65_536


def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    one, two = socket.socketpair()
    return trio.SocketStream(trio.socket.from_stdlib_socket(one)), trio.SocketStream(
        trio.socket.from_stdlib_socket(two)
    )


def test_more_than_the_socket_holds_arrives_in_order() -> None:
    message = bytes(range(256)) * 20_000

    async def life() -> None:
        one, two = pair()
        received = bytearray()
        async with one, two, trio.open_nursery() as nursery:
            nursery.start_soon(send_all, one, message)
            while len(received) < len(message):
                received += await receive(two, LIMIT)
        assert received == message

    trio.run(life)


def test_a_read_takes_no_more_than_its_limit_and_ends_with_the_other_side() -> None:
    async def life() -> None:
        one, two = pair()
        async with two:
            async with one:
                await send_all(one, b"abc")
                assert await receive(two, 2) == b"ab"
            assert await receive(two, 2) == b"c"
            assert await receive(two, 2) == b""
            with pytest.raises(BrokenPipeError):
                await send_all(two, b"too late")

    trio.run(life)


def test_a_socket_that_is_closed_wakes_its_reader_and_takes_nothing_more() -> None:
    async def life() -> None:
        one, two = pair()

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await receive(one, LIMIT)

        async with two:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                await one.aclose()
            with pytest.raises(trio.ClosedResourceError):
                await receive(one, LIMIT)
            with pytest.raises(trio.ClosedResourceError):
                await send_all(one, b"x")

    trio.run(life)
