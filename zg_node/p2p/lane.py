"""A bounded queue of messages for one stream to one peer.

While nothing waits and the stream's writer is idle, a message need not wait for the writer's turn: `bypass` puts it
on the connection at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio


class Lane:
    """Messages that wait for a stream; what does not fit is the caller's to count."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._wake = trio.Event()
        self.bypass: Callable[[bytes], bool] | None = None
        """Writes a message now if that takes no waiting, and says whether it did; the idle writer sets it."""

    def put(self, message: bytes) -> bool:
        """Queue a message, or write it; returns whether it fitted."""
        if self.bypass is not None and not self._messages and self.bypass(message):
            return True
        if self._size + len(message) > self._limit:
            return False
        self._messages.append(message)
        self._size += len(message)
        self._wake.set()
        return True

    async def next(self) -> bytes:
        """The next message, once there is one."""
        await self._wait()
        message = self._messages.popleft()
        self._size -= len(message)
        return message

    async def all(self, bypass: Callable[[bytes], bool] | None = None) -> list[bytes]:
        """Everything that waits, once there is something; until then `bypass` is taken."""
        self.bypass = bypass
        try:
            await self._wait()
        finally:
            self.bypass = None
        messages = list(self._messages)
        self._messages.clear()
        self._size = 0
        return messages

    def put_back(self, messages: list[bytes]) -> None:
        """What could not be written is the next again."""
        self._messages.extendleft(reversed(messages))
        self._size += sum(map(len, messages))

    async def _wait(self) -> None:
        while not self._messages:
            self._wake = trio.Event()
            await self._wake.wait()
