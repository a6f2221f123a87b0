"""A bounded queue of messages for one stream to one peer.

While nothing waits and the stream's writer is idle, a message need not wait for the writer's turn: `bypass` puts it
on the connection at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

BATCH_BYTES = 256 * 1024
"""Messages that leave in one write, if there is more than one: they are copied, and wait for the peer's window."""


class Lane:
    """Messages that wait for a stream; what does not fit is the caller's to count."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._wake = trio.Event()
        self.bypass: Callable[[bytes], bool] | None = None
        """Writes a message now if that takes no waiting, and says whether it did; the idle writer sets it."""

    def put(self, *pieces: bytes) -> bool:
        """Queue the pieces of a message, or write them; returns whether it fitted. Pieces may be in many lanes at once,
        and are in memory once."""
        if self.bypass is not None and not self._messages and self.bypass(b"".join(pieces)):
            return True
        size = sum(map(len, pieces))
        if self._size + size > self._limit:
            return False
        self._messages.extend(pieces)
        self._size += size
        self._wake.set()
        return True

    async def next(self) -> bytes:
        """The next message, once there is one."""
        await self._wait()
        return self._take()

    async def batch(self, bypass: Callable[[bytes], bool] | None = None) -> list[bytes]:
        """Up to BATCH_BYTES of what waits, and one piece at least, once there is something; until then `bypass` is
        taken."""
        self.bypass = bypass
        try:
            await self._wait()
        finally:
            self.bypass = None
        pieces = [self._take()]
        room = BATCH_BYTES - len(pieces[0])
        while self._messages and len(self._messages[0]) <= room:
            room -= len(self._messages[0])
            pieces.append(self._take())
        return pieces

    def _take(self) -> bytes:
        piece = self._messages.popleft()
        self._size -= len(piece)
        return piece

    def put_back(self, messages: list[bytes]) -> None:
        """What could not be written is the next again."""
        self._messages.extendleft(reversed(messages))
        self._size += sum(map(len, messages))

    async def _wait(self) -> None:
        while not self._messages:
            self._wake = trio.Event()
            await self._wake.wait()
