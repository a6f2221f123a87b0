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
        if stream.socket.fileno() < 0:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_readable(stream.socket)
        try:
            return os.read(stream.socket.fileno(), limit)
        except BlockingIOError:
            continue


async def send_all(stream: trio.SocketStream, data: bytes) -> None:
    """Write everything; waits only when the socket takes no more. One task at a time. Raises OSError,
    trio.ClosedResourceError."""
    try:
        sent = os.write(stream.socket.fileno(), data)
    except BlockingIOError:
        sent = 0
    if sent == len(data):
        return
    rest = memoryview(data)[sent:]
    while rest:
        if stream.socket.fileno() < 0:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_writable(stream.socket)
        try:
            rest = rest[os.write(stream.socket.fileno(), rest) :]
        except BlockingIOError:
            continue
