"""Sockets while a connection is set up: few turns of the scheduler, and a peer's bucket on everything that it sends.

trio's own stream tries to read before it waits, and passes through the scheduler after everything that it did at once.
Once a connection stands, the reactor reads and writes it.
"""

from __future__ import annotations

import os

import trio
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError

from zg_node.p2p.bucket import BYTES_BURST, BYTES_PER_S, Bucket
from zg_node.p2p.contain import Counts

READ_BYTES = 256 * 1024
PAUSE_MAX_S = 5.0
"""Longest pause of a peer that is beyond its bucket."""


async def receive(stream: trio.SocketStream, limit: int) -> bytes:
    """What has come, at most `limit` bytes; b"" at the end. Raises OSError, trio.ClosedResourceError."""
    while True:
        await trio.lowlevel.wait_readable(descriptor(stream))
        try:
            return os.read(descriptor(stream), limit)
        except BlockingIOError:
            continue


async def send_all(stream: trio.SocketStream, data: bytes) -> None:
    """Write everything; waits only when the socket takes no more. One task at a time. Raises OSError,
    trio.ClosedResourceError."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor(stream), rest) :]
        except BlockingIOError:
            await trio.lowlevel.wait_writable(descriptor(stream))


def descriptor(stream: trio.SocketStream) -> int:
    """The file descriptor. Raises trio.ClosedResourceError."""
    number: int = stream.socket.fileno()
    if number < 0:
        raise trio.ClosedResourceError
    return number


class MeteredSocket(ReadWriteCloser):
    """A TCP connection that is read no faster than its bucket allows: every byte of a peer is counted here, before
    decryption."""

    def __init__(self, socket: trio.SocketStream, counts: Counts) -> None:
        """Raises OSError when the peer is gone already."""
        self._socket = socket
        self._counts = counts
        self._ahead = b""
        self._bucket = Bucket.full(BYTES_PER_S, BYTES_BURST, trio.current_time())
        self._remote: tuple[str, int] | None = None
        name = socket.socket.getpeername()
        if isinstance(name, tuple):
            self._remote = (str(name[0]), int(name[1]))

    @property
    def descriptor(self) -> int:
        """The file descriptor. Raises trio.ClosedResourceError."""
        return descriptor(self._socket)

    async def read(self, n: int | None = None) -> bytes:
        """At most `n` bytes, b"" at the end. Raises ConnectionClosedError."""
        data = self._ahead
        if not data:
            data = await self._receive()
        if n is None or n >= len(data):
            self._ahead = b""
            return data
        self._ahead = data[n:]
        return data[:n]

    async def write(self, data: bytes) -> None:
        """Everything, however long it takes. Raises ConnectionClosedError."""
        try:
            await send_all(self._socket, data)
        except (OSError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError(str(error), transport="tcp") from error

    async def close(self) -> None:
        """Close without waiting for the other side."""
        await trio.aclose_forcefully(self._socket)

    def get_remote_address(self) -> tuple[str, int] | None:
        """(IP address, port) of the peer."""
        return self._remote

    def take_ahead(self) -> bytes:
        """What was received and not read, for whoever reads the socket from now on."""
        ahead, self._ahead = self._ahead, b""
        return ahead

    def account(self, size: int, now_s: float, work_bytes: int = 0) -> float:
        """Count bytes of the peer, come at this `trio.current_time()`, and what else they cost us, put as bytes;
        returns the seconds for which no more should be read."""
        self._counts["bytes_received"] += size
        pause_s = self._bucket.take(size + work_bytes, now_s)
        if pause_s > 0:
            self._counts["throttled"] += 1
        return min(pause_s, PAUSE_MAX_S)

    async def _receive(self) -> bytes:
        try:
            data = await receive(self._socket, READ_BYTES)
        except (OSError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError(str(error), transport="tcp") from error
        pause_s = self.account(len(data), trio.current_time())
        if pause_s > 0:
            await trio.sleep(pause_s)
        return data
