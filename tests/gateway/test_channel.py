"""A WebSocket's messages, and what ends it."""

from __future__ import annotations

import asyncio
from typing import cast

from zg_node.gateway.budget import Budget
from zg_node.gateway.channel import Channel


class SlowWriter:
    """A connection that takes nothing until `taken` is set."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.taken = asyncio.Event()

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        await self.taken.wait()


MAX_BYTES = 100
TOO_LONG = b"\x82\xe5" + bytes(4) + bytes(MAX_BYTES + 1)
PING = b"\x89\x80" + bytes(4)
"""Masked with zeros."""


def channel(reader: asyncio.StreamReader, writer: SlowWriter, budget: Budget) -> Channel:
    return Channel(reader, cast(asyncio.StreamWriter, writer), b"key", b"", MAX_BYTES, budget)


def test_a_ping_after_a_message_that_is_too_long_is_not_answered() -> None:
    async def main() -> None:
        reader, writer = asyncio.StreamReader(), SlowWriter()
        writer.taken.set()
        reader.feed_data(TOO_LONG + PING)
        assert await channel(reader, writer, Budget(1_000)).receive() is None
        assert writer.written.endswith(b"\x88\x02" + (1009).to_bytes(2, "big"))

    asyncio.run(main())


def test_messages_wait_for_those_before_them_and_are_held_meanwhile() -> None:
    async def main() -> None:
        writer, budget = SlowWriter(), Budget(1_000)
        slow = channel(asyncio.StreamReader(), writer, budget)
        sending = [asyncio.ensure_future(slow.send(message)) for message in (b"first", b"second")]
        await asyncio.sleep(0)
        assert (b"first" in writer.written, b"second" in writer.written) == (True, False)
        assert budget.held_bytes == len(b"first") + len(b"second")
        writer.taken.set()
        await asyncio.gather(*sending)
        assert b"second" in writer.written
        assert budget.held_bytes == 0

    asyncio.run(main())
