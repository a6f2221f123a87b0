"""The queue of a stream, and the short way past it."""

from __future__ import annotations

import trio
import trio.testing

from zg_node.p2p.lane import BATCH_BYTES, Lane, Message


def test_what_does_not_fit_is_refused() -> None:
    lane = Lane(3)
    assert lane.put(b"ab")
    assert not lane.put(b"cd")
    assert lane.put(b"c")


def test_an_idle_writer_is_bypassed_and_a_busy_one_is_not() -> None:
    written: list[bytes] = []

    def bypass(message: bytes) -> bool:
        if message == b"wait":
            return False
        written.append(message)
        return True

    async def life() -> None:
        lane, batches = Lane(100), list[list[Message]]()

        async def write() -> None:
            batches.append(await lane.batch(bypass))

        assert lane.put(b"before the writer")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
        assert batches == [[(b"before the writer",)]]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            lane.put(b"at once")
            lane.put(b"wait")
            lane.put(b"behind it")
        assert written == [b"at once"]
        assert batches[1:] == [[(b"wait",), (b"behind it",)]]
        lane.put(b"while it writes")
        assert written == [b"at once"]

    trio.run(life)


def test_what_could_not_be_written_is_the_next_again() -> None:
    async def life() -> None:
        lane = Lane(100)
        lane.put(b"one")
        lane.put(b"two")
        batch = await lane.batch()
        lane.put(b"three")
        lane.put_back(batch)
        assert [await lane.next() for _ in range(3)] == [b"one", b"two", b"three"]

    trio.run(life)


def test_a_writer_that_is_to_move_comes_back_and_leaves_what_waits() -> None:
    async def life() -> None:
        lane, batches = Lane(100), list[list[Message]]()

        async def write() -> None:
            batches.append(await lane.batch())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            lane.move()
        lane.put(b"one")
        assert (batches, await lane.batch(), await lane.next()) == ([[]], [], None)
        lane.settle()
        assert await lane.next() == b"one"

    trio.run(life)


def test_a_batch_is_bounded_and_has_one_message_at_least() -> None:
    async def life() -> None:
        lane = Lane(10 * BATCH_BYTES)
        sizes = (2 * BATCH_BYTES, BATCH_BYTES - 10, 10, 1)
        for size in sizes:
            assert lane.put(bytes(size))
        assert [[len(message[0]) for message in await lane.batch()] for _ in range(3)] == [
            [2 * BATCH_BYTES],
            [BATCH_BYTES - 10, 10],
            [1],
        ]

    trio.run(life)


def test_the_pieces_of_a_message_are_not_copied_and_fit_together_or_not_at_all() -> None:
    async def life() -> None:
        body = bytes(90)
        one, two = Lane(100), Lane(100)
        assert one.put(b"head", body)
        assert two.put(b"head", body)
        assert not two.put(b"head", body)
        assert (await one.batch())[0][1] is (await two.batch())[0][1] is body
        assert two.put(b"head", body)

    trio.run(life)
