"""Reading and writing a socket with few turns of the scheduler: one wait a read, none a write that fits.

trio's own stream tries to read before it waits, and passes through the scheduler after everything that it did at once.
For messages of 200 bytes that is most of the work.
"""

from __future__ import annotations

import os

import trio


async def receive(stream: trio.SocketStream, limit: int) -> bytes:
    """What has come, at most `limit` bytes; b"" at the end. Raises OSError, trio.ClosedResourceError."""
    while True:
        await trio.lowlevel.wait_readable(_descriptor(stream))
        try:
            return os.read(_descriptor(stream), limit)
        except BlockingIOError:
            continue


async def send_all(stream: trio.SocketStream, data: bytes) -> None:
    """Write everything; waits only when the socket takes no more. One task at a time. Raises OSError,
    trio.ClosedResourceError."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(_descriptor(stream), rest) :]
        except BlockingIOError:
            await trio.lowlevel.wait_writable(_descriptor(stream))


def _descriptor(stream: trio.SocketStream) -> int:
    """The file descriptor. Raises trio.ClosedResourceError."""
    descriptor: int = stream.socket.fileno()
    if descriptor < 0:
        raise trio.ClosedResourceError
    return descriptor
