"""Sockets that callbacks serve: bytes in both directions, pauses, ends, and errors that stay where they are."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from zg_node.p2p import reactor as reactor_module
from zg_node.p2p.channel import Channel
from zg_node.p2p.framing import PIECES_MAX, Buffer
from zg_node.p2p.reactor import Reactor, install


class Recorder:
    """An endpoint that keeps what comes and says what a test wants."""

    def __init__(self, reactor: Reactor, end: socket.socket) -> None:
        end.setblocking(False)
        self.data = bytearray()
        self.reads = 0
        self.ends = 0
        self.waiting: list[Buffer] = []
        self.on_data: Callable[[bytes], float] = lambda data: 0.0
        self.channel = Channel(reactor, end.fileno(), self)
        self.channel.open()

    def say(self, *pieces: Buffer) -> None:
        self.waiting += pieces
        self.channel.flush_soon()

    def received(self, data: bytes) -> float:
        self.data += data
        self.reads += 1
        return self.on_data(data)

    def ended(self) -> None:
        self.ends += 1

    def output(self) -> list[Buffer]:
        pieces, self.waiting = self.waiting, []
        return pieces


@asynccontextmanager
async def one_end(counts: Counter[str]) -> AsyncIterator[tuple[Recorder, trio.SocketStream]]:
    """A channel and the stream at its other end."""
    left, right = socket.socketpair()
    async with trio.SocketStream(trio.socket.from_stdlib_socket(right)) as stream, trio.open_nursery() as nursery:
        with left, Reactor(nursery, counts) as reactor:
            end = Recorder(reactor, left)
            yield end, stream
            end.channel.close()
        nursery.cancel_scope.cancel()


def run(work: Callable[[], Awaitable[None]], *, mocked: bool = False) -> None:
    trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0) if mocked else None)


def test_an_answer_leaves_from_within_the_callback() -> None:
    async def work() -> None:
        async with one_end(Counter()) as (end, stream):

            def answer(data: bytes) -> float:
                end.say(b"<", data, b">")
                return 0.0

            end.on_data = answer
            await stream.send_all(b"vote")
            assert await stream.receive_some() == b"<vote>"
            assert end.data == b"vote"

    run(work)


def test_more_than_the_socket_holds_arrives_in_order() -> None:
    pieces: list[Buffer] = [bytes([index & 0xFF]) * (index % 2_000) for index in range(3 * PIECES_MAX)]

    async def work() -> None:
        async with one_end(Counter()) as (end, stream):
            end.say(*pieces)
            end.say(b"the end")
            wanted, received = b"".join(pieces) + b"the end", bytearray()
            while len(received) < len(wanted):
                received += await stream.receive_some()
            assert received == wanted
            end.say(b"and on")
            assert await stream.receive_some() == b"and on"

    run(work)


def test_an_endpoint_that_wants_a_pause_is_given_nothing_meanwhile() -> None:
    async def work() -> None:
        async with one_end(Counter()) as (end, stream):
            end.on_data = lambda data: 3.0
            await stream.send_all(b"one")
            await trio.sleep(1)
            await stream.send_all(b"two")
            await trio.sleep(1.9)
            assert end.data == b"one"
            await trio.sleep(0.2)
            assert end.data == b"onetwo"

    run(work, mocked=True)


def test_the_end_is_told_once_and_only_of_the_other_side() -> None:
    async def work() -> None:
        async with one_end(Counter()) as (end, stream):
            await stream.send_all(b"last words")
            await stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
            assert (bytes(end.data), end.ends) == (b"last words", 1)
            end.say(b"too late")
            await trio.testing.wait_all_tasks_blocked()
            assert end.ends == 1
        async with one_end(Counter()) as (end, stream):
            end.channel.close()
            await stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
            assert end.ends == 0

    run(work)


def test_an_unexpected_error_ends_its_channel_and_no_other() -> None:
    def fail(data: bytes) -> float:
        raise LookupError("a fault of ours")

    async def work() -> None:
        counts: Counter[str] = Counter()
        one, other = socket.socketpair(), socket.socketpair()
        async with trio.open_nursery() as nursery:
            with Reactor(nursery, counts) as reactor:
                bad, good = Recorder(reactor, one[0]), Recorder(reactor, other[0])
                bad.on_data = fail
                one[1].sendall(b"x")
                other[1].sendall(b"y")
                await trio.testing.wait_all_tasks_blocked()
                assert (bad.ends, good.ends, bytes(good.data), counts["guarded"]) == (1, 0, b"y", 1)
        for end in (*one, *other):
            end.close()

    run(work)


def test_tasks_have_their_turn_while_sockets_are_never_quiet() -> None:
    """Two channels answer each other without end; a sleep is over in time all the same."""

    async def work() -> None:
        left, right = socket.socketpair()
        async with trio.open_nursery() as nursery:
            with left, right, Reactor(nursery, Counter()) as reactor:
                ends = Recorder(reactor, left), Recorder(reactor, right)

                def rally(data: bytes, end: Recorder) -> float:
                    if end.reads < 200_000:
                        end.say(data)
                    return 0.0

                for end in ends:
                    end.on_data = lambda data, end=end: rally(data, end)  # type: ignore[misc]
                ends[0].say(b"ball")
                await trio.sleep(0.02)
                assert 0 < ends[0].reads < 100_000
                for end in ends:
                    end.channel.close()

    run(work)


def test_another_version_of_trio_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactor_module, "TRIO_VERSION", "0.0.0")
    with pytest.raises(RuntimeError, match=r"where 0\.0\.0 is needed"):
        install()


def test_of_two_pauses_the_one_that_ends_last_counts() -> None:
    async def work() -> None:
        async with one_end(Counter()) as (end, stream):

            def pause_twice(data: bytes) -> float:
                end.channel.pause(3.0)
                return 1.0 if len(end.data) < 6 else 0.0

            end.on_data = pause_twice
            await stream.send_all(b"one")
            await trio.sleep(0.5)
            end.channel.pause(4.0)
            await stream.send_all(b"two")
            await trio.sleep(3.9)
            assert end.data == b"one"
            await trio.sleep(0.2)
            assert end.data == b"onetwo"

    run(work, mocked=True)
