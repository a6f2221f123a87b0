"""Our Yamux: streams, windows, those who break the protocol, and consumers that take data as they come."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable, MuxedStreamEOF, MuxedStreamError, MuxedStreamReset

from tests.p2p.plain_yamux import PEER, PlainRecords, against_frames, pair, run
from zg_node.p2p import yamux
from zg_node.p2p.bucket import BYTES_BURST
from zg_node.p2p.yamux import PING_INTERVAL_S, SILENCE_MAX_S
from zg_node.p2p.yamux_frame import (
    ACK,
    DATA,
    FIN,
    FRAME_MAX_BYTES,
    GO_AWAY,
    HEADER,
    PING,
    RST,
    SYN,
    WINDOW_BYTES,
    WINDOW_MAX_BYTES,
    WINDOW_UPDATE,
)
from zg_node.p2p.yamux_stream import FastStream


async def read_all(stream: FastStream) -> bytes:
    data = bytearray()
    while True:
        try:
            data += await stream.read()
        except MuxedStreamEOF:
            return bytes(data)


def test_megabytes_pass_in_both_directions_at_once() -> None:
    async def work() -> None:
        async with pair() as (one, two, invalid):
            here = await one.open_stream()
            there_done: list[bytes] = []

            async def serve() -> None:
                there = await two.accept_stream()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(there.write, b"b" * 6_000_000)
                    there_done.append(await read_all(there))
                await there.close()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                nursery.start_soon(lambda: _write_and_close(here, b"a" * 5_000_000))
                assert await read_all(here) == b"b" * 6_000_000
            assert there_done == [b"a" * 5_000_000]
            assert invalid == []
            assert one._streams == {}
            assert two._streams == {}
            assert one._granted == two._granted == 0

    run(work)


async def _write_and_close(stream: FastStream, data: bytes) -> None:
    await stream.write(data)
    await stream.close()


def test_a_little_is_written_at_once_until_the_window_is_full_or_the_stream_over() -> None:
    async def life() -> None:
        async with pair() as (one, two, _):
            out = await one.open_stream()
            incoming = await two.accept_stream()
            piece = bytes(FRAME_MAX_BYTES)
            assert not out.write_now(piece + b"x")
            for _ in range(WINDOW_BYTES // len(piece)):
                assert out.write_now(piece)
            assert out.write_now(bytes(WINDOW_BYTES % len(piece)))
            assert not out.write_now(b"x")
            received = 0
            while received < WINDOW_BYTES:
                received += len(await incoming.read())
            await trio.testing.wait_all_tasks_blocked()
            assert out.write_now(b"x")
            await out.close()
            assert not out.write_now(b"x")

    trio.run(life)


def test_nothing_is_written_at_once_while_the_socket_is_behind() -> None:
    async def life() -> None:
        async with pair() as (one, _two, _):
            streams = [await one.open_stream() for _ in range(3)]
            piece = bytes(FRAME_MAX_BYTES)
            written = sum(stream.write_now(piece) for stream in streams for _ in range(4))
            assert written == yamux.QUEUE_BYTES // len(piece) + 1 or written == yamux.QUEUE_BYTES // len(piece)
            assert not streams[2].write_now(b"x")

    trio.run(life)


def test_a_stream_that_is_not_read_stops_its_writer_and_no_other() -> None:
    async def work() -> None:
        async with pair() as (one, two, _):
            stuck, free = await one.open_stream(), await one.open_stream()
            with trio.move_on_after(0.05) as scope:
                await stuck.write(bytes(WINDOW_BYTES + 1))
            assert scope.cancelled_caught
            await free.write(b"vote")
            await two.accept_stream()
            other = await two.accept_stream()
            assert await other.read() == b"vote"

    run(work)


def test_reset_and_the_end_of_a_connection_wake_everybody() -> None:
    async def work() -> None:
        async with pair() as (one, two, _):
            here = await one.open_stream()
            await here.write(b"x")
            there = await two.accept_stream()
            await there.reset()
            with pytest.raises(MuxedStreamReset):
                await here.read()
            with pytest.raises(MuxedStreamReset):
                await here.write(b"y")
            waiting = await one.open_stream()

            async def close() -> None:
                await two.close()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(close)
                with pytest.raises(MuxedStreamReset):
                    await waiting.read()
            with pytest.raises(MuxedConnUnavailable):
                await one.accept_stream()
            with pytest.raises(MuxedStreamError):
                await one.open_stream()
            assert one.is_closed
            assert two.is_closed

    run(work)


@pytest.mark.parametrize(
    "frames",
    [
        HEADER.pack(1, DATA, 0, 1, 0),
        HEADER.pack(0, GO_AWAY + 1, 0, 1, 0),
        HEADER.pack(0, DATA, SYN, 1, WINDOW_MAX_BYTES + 1),
        HEADER.pack(0, WINDOW_UPDATE, SYN, 2, 0),
        HEADER.pack(0, WINDOW_UPDATE, SYN, 0, 0),
        HEADER.pack(0, WINDOW_UPDATE, SYN, 1, 0) * 2,
        HEADER.pack(0, DATA, SYN, 1, WINDOW_BYTES + 1) + bytes(WINDOW_BYTES + 1),
        HEADER.pack(0, DATA, SYN, 1, WINDOW_BYTES) + bytes(WINDOW_BYTES) + HEADER.pack(0, DATA, 0, 1, 1) + b"x",
    ],
    ids=["version", "type", "length", "parity", "stream zero", "twice", "overrun at once", "overrun by a byte"],
)
def test_one_who_breaks_the_protocol_is_named_and_cut_off(frames: bytes) -> None:
    async def work() -> None:
        async with against_frames() as (conn, peer, invalid):
            await peer.send(frames)
            await conn.event_closed.wait()
            assert invalid == [PEER]

    run(work)


def test_the_whole_window_may_be_used_and_is_granted_again_when_read() -> None:
    async def work() -> None:
        async with against_frames() as (conn, peer, invalid):
            await peer.send(HEADER.pack(0, DATA, SYN, 1, WINDOW_BYTES), bytes(WINDOW_BYTES))
            stream = await conn.accept_stream()
            assert await peer.next(WINDOW_UPDATE) == (ACK, 1, 0)
            assert len(await stream.read()) == WINDOW_BYTES
            assert await peer.next(WINDOW_UPDATE) == (0, 1, WINDOW_MAX_BYTES)
            assert invalid == []

    run(work)


def test_larger_windows_are_bounded_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamux, "GRANTED_MAX_BYTES", WINDOW_MAX_BYTES)

    async def work() -> None:
        async with against_frames() as (conn, peer, _):
            grants = []
            for stream_id in (1, 3):
                await peer.send(HEADER.pack(0, DATA, SYN, stream_id, WINDOW_BYTES), bytes(WINDOW_BYTES))
                stream = await conn.accept_stream()
                await peer.next(WINDOW_UPDATE)
                await stream.read()
                grants.append((await peer.next(WINDOW_UPDATE))[2])
            assert grants == [WINDOW_MAX_BYTES, WINDOW_BYTES]

    run(work)


def test_streams_that_nobody_takes_are_refused_beyond_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamux, "STREAMS_MAX", 3)

    async def work() -> None:
        async with against_frames() as (_, peer, invalid):
            await peer.send(*(HEADER.pack(0, WINDOW_UPDATE, SYN, stream, 0) for stream in (1, 3, 5, 7)))
            answers = [await peer.next(WINDOW_UPDATE) for _ in range(4)]
            assert answers == [(ACK, 1, 0), (ACK, 3, 0), (ACK, 5, 0), (RST, 7, 0)]
            assert invalid == []

    run(work)


def test_pings_are_answered_and_late_frames_are_passed_over() -> None:
    async def work() -> None:
        async with against_frames() as (_, peer, invalid):
            await peer.send(HEADER.pack(0, DATA, FIN, 99, 3) + b"xyz", HEADER.pack(0, WINDOW_UPDATE, RST, 97, 5))
            await peer.send(HEADER.pack(0, PING, SYN, 0, 42))
            while (answer := await peer.next(PING))[0] != ACK:
                pass
            assert answer == (ACK, 0, 42)
            assert invalid == []

    run(work)


def test_a_silent_peer_is_given_up_and_a_quiet_one_is_not() -> None:
    async def work() -> None:
        async with against_frames() as (conn, _, invalid):
            await conn.event_closed.wait()
            assert SILENCE_MAX_S <= trio.current_time() - began <= SILENCE_MAX_S + 2 * PING_INTERVAL_S
            assert invalid == []
        async with pair() as (one, two, _):
            await trio.sleep(10 * SILENCE_MAX_S)
            assert one.is_established
            assert two.is_established

    clock = trio.testing.MockClock(autojump_threshold=0)
    began = clock.current_time()
    trio.run(work, clock=clock)


def test_a_peer_that_is_heard_of_is_not_pinged_and_a_quiet_one_is() -> None:
    async def work() -> None:
        async with against_frames() as (_, peer, _):
            for _ in range(5):
                await trio.sleep(PING_INTERVAL_S * 0.75)
                await peer.send(HEADER.pack(0, WINDOW_UPDATE, 0, 99, 1))
            await peer.send(HEADER.pack(0, PING, SYN, 0, 42))
            assert await peer.next(PING) == (ACK, 0, 42)
            asked_at = trio.current_time()
            assert await peer.next(PING) == (SYN, 0, 1)
            assert PING_INTERVAL_S <= trio.current_time() - asked_at <= 2 * PING_INTERVAL_S

    trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_goodbye_ends_the_connection_without_blame() -> None:
    async def work() -> None:
        async with against_frames() as (conn, peer, invalid):
            await peer.send(HEADER.pack(0, GO_AWAY, 0, 0, 0))
            await conn.event_closed.wait()
            assert invalid == []

    run(work)


def test_a_consumer_has_what_waited_and_what_comes_until_the_end() -> None:
    async def work() -> None:
        async with pair() as (one, two, _):
            here, taken = await one.open_stream(), bytearray()

            def take(data: bytes | memoryview) -> float:
                taken.extend(data)
                return 0.0

            await here.write(b"early ")
            there = await two.accept_stream()
            await trio.testing.wait_all_tasks_blocked()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(there.consume, take)
                await trio.testing.wait_all_tasks_blocked()
                assert taken == b"early "
                await here.write(bytes(2 * WINDOW_BYTES))  # more than a window: what is consumed is granted again
                await here.close()
            assert taken == b"early " + bytes(2 * WINDOW_BYTES)

    run(work)


def test_what_a_consumer_raises_ends_its_stream_and_no_other() -> None:
    def fail(data: bytes | memoryview) -> float:
        raise LookupError("a fault of ours")

    async def work() -> None:
        async with pair() as (one, two, invalid):
            bad, good = await one.open_stream(), await one.open_stream()
            for stream in (bad, good):
                await stream.write(b"x")
            failing, other = await two.accept_stream(), await two.accept_stream()
            with pytest.raises(LookupError):
                await failing.consume(fail)
            await bad.write(b"more")
            await good.write(b"y")
            await trio.testing.wait_all_tasks_blocked()
            assert await other.read() == b"xy"
            assert invalid == []

    run(work)


def test_a_reset_wakes_a_consumer() -> None:
    async def work() -> None:
        async with pair() as (one, two, _):
            here = await one.open_stream()
            await here.write(b"x")
            there = await two.accept_stream()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(here.reset)
                with pytest.raises(MuxedStreamReset):
                    await there.consume(lambda data: 0.0)

    run(work)


def test_a_consumer_that_wants_a_pause_stops_the_whole_connection() -> None:
    taken: list[bytes] = []

    def take(data: bytes | memoryview) -> float:
        taken.append(bytes(data))
        return 3.0

    async def work() -> None:
        async with pair() as (one, two, _):
            here = await one.open_stream()
            await here.write(b"one")
            there = await two.accept_stream()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(there.consume, take)
                await trio.sleep(1)
                await here.write(b"two")
                await trio.sleep(1.5)
                assert taken == [b"one"]
                await trio.sleep(1)
                assert taken == [b"one", b"two"]
                await here.close()

    trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_stream_that_is_finished_takes_no_room_and_what_still_comes_is_thrown_away() -> None:
    async def work() -> None:
        async with pair() as (one, two, invalid):
            here = await one.open_stream()
            await here.write(b"question")
            there = await two.accept_stream()
            assert await there.read() == b"question"
            await here.write(bytes(50_000))
            await trio.testing.wait_all_tasks_blocked()
            await there.finish()
            await here.write(bytes(150_000))
            await trio.testing.wait_all_tasks_blocked()
            assert there._unread.size == 0
            assert two._streams == {}
            assert await read_all(here) == b""
            assert invalid == []

    run(work)


def test_what_comes_after_the_end_of_a_stream_is_thrown_away() -> None:
    async def work() -> None:
        async with against_frames() as (conn, peer, _):
            await peer.send(HEADER.pack(0, WINDOW_UPDATE, SYN | FIN, 1, 0), HEADER.pack(0, DATA, 0, 1, 5), b"after")
            stream = await conn.accept_stream()
            await peer.send(HEADER.pack(0, PING, SYN, 0, 1))
            await peer.next(PING)
            assert await read_all(stream) == b""

    run(work)


@pytest.mark.parametrize(
    ("frame", "cost_bytes"),
    [
        (HEADER.pack(0, WINDOW_UPDATE, 0, 1, 1), yamux.FRAME_COST_BYTES),
        (HEADER.pack(0, WINDOW_UPDATE, SYN | RST, 1, 0), yamux.STREAM_COST_BYTES),
    ],
    ids=["window", "stream"],
)
def test_frames_without_data_are_taken_from_the_bucket_too(frame: bytes, cost_bytes: int) -> None:
    async def work() -> None:
        async with against_frames() as (conn, _, invalid):
            batch = b"".join(PlainRecords().seal(frame * 100))
            pauses = [conn.received(batch) for _ in range(2 * BYTES_BURST // (100 * cost_bytes))]
            assert pauses[0] == 0
            assert pauses[-1] > 0
            assert invalid == []

    run(work)
