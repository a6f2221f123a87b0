"""A bounded queue of messages for one peer and protocol.

While nothing waits and the writer is idle, a message need not wait for the writer's turn: `bypass` puts it on the
connection at once. A lane outlives its streams: `move` sends the writer to another one, and what waits goes along.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import trio

BATCH_BYTES = 256 * 1024
"""Messages that leave in one write, if there is more than one: they are copied, and wait for the peer's window."""

Message: TypeAlias = tuple[bytes, ...]
"""Its pieces, which may be in many lanes at once, and are in memory once."""


class Lane:
    """Messages that wait for a stream; what does not fit is the caller's to count."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._messages: deque[Message] = deque()
        self._size = 0
        self._wake = trio.Event()
        self._moves = False
        self.bypass: Callable[[bytes], bool] | None = None
        """Writes a message now if that takes no waiting, and says whether it did; the idle writer sets it."""

    def put(self, *pieces: bytes) -> bool:
        """Queue a message, or write it; returns whether it fitted."""
        if self.bypass is not None and not self._messages and self.bypass(b"".join(pieces)):
            return True
        size = _size(pieces)
        if self._size + size > self._limit:
            return False
        self._messages.append(pieces)
        self._size += size
        self._wake.set()
        return True

    def move(self) -> None:
        """Have the writer come back without a message, for another stream."""
        self._moves = True
        self._wake.set()

    def settle(self) -> None:
        """The writer opens a stream now: whatever it was to leave, it has left."""
        self._moves = False

    async def next(self) -> bytes | None:
        """The next message, once there is one; None when the writer is to move."""
        await self._wait()
        return None if self._moves else b"".join(self._take())

    async def batch(self, bypass: Callable[[bytes], bool] | None = None) -> list[Message]:
        """Up to BATCH_BYTES of messages, and one at least, once there is one; until then `bypass` is taken. Nothing
        when the writer is to move."""
        self.bypass = bypass
        try:
            await self._wait()
        finally:
            self.bypass = None
        if self._moves:
            return []
        messages = [self._take()]
        room = BATCH_BYTES - _size(messages[0])
        while self._messages and (size := _size(self._messages[0])) <= room:
            room -= size
            messages.append(self._take())
        return messages

    def put_back(self, messages: list[Message]) -> None:
        """What could not be written is the next again."""
        self._messages.extendleft(reversed(messages))
        self._size += sum(map(_size, messages))

    def _take(self) -> Message:
        message = self._messages.popleft()
        self._size -= _size(message)
        return message

    async def _wait(self) -> None:
        while not (self._messages or self._moves):
            self._wake = trio.Event()
            await self._wake.wait()


def _size(message: Message) -> int:
    return sum(map(len, message))
