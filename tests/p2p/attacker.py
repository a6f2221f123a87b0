"""A peer that completes the handshake and then says whatever a test wants, frame by frame."""

from __future__ import annotations

import secrets
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from libp2p.abc import ISecureConn
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.io.exceptions import IOException
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as Noise
from libp2p.transport.upgrader import TransportUpgrader

from zg_node.p2p.address import endpoint, parse_peer_address
from zg_node.p2p.negotiation import opening, token

HEADER = struct.Struct(">BBHII")
DATA, WINDOW, PING = 0, 1, 2
SYN, ACK, FIN, RST = 1, 2, 4, 8
PATIENCE_S = 15.0

Respond = Callable[["Attacker", int, bytes], Awaitable[None]]
"""(who answers, stream, what came on it)."""


class Attacker:
    """A secured connection, and Yamux frames on it."""

    def __init__(self, conn: ISecureConn, name: str) -> None:
        self._conn = conn
        self._received = bytearray()
        self.name = name
        """Our peer id."""

    async def write(self, data: bytes) -> bool:
        """Send bytes inside of the encryption; returns whether the peer still listens."""
        try:
            await self._conn.write(data)
        except (IOException, trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    async def write_raw(self, data: bytes) -> bool:
        """Send bytes past the encryption; returns whether the peer still listens."""
        raw: Any = self._conn
        try:
            await raw.conn.read_writer.read_write_closer.write(data)
        except (IOException, trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    async def frame(self, kind: int, flags: int, stream: int, length: int, payload: bytes = b"") -> bool:
        """Send a Yamux frame, whatever it says about its length."""
        return await self.write(HEADER.pack(0, kind, flags, stream, length) + payload)

    async def open(self, protocol: str, data: bytes = b"", stream: int = 1) -> bool:
        """Open a stream and send data on it, at most a window of them."""
        payload = opening(protocol) + data
        await self.frame(WINDOW, SYN, stream, 0)
        return await self.frame(DATA, 0, stream, len(payload), payload)

    async def answer(self, protocol: str, data: bytes) -> None:
        """Wait until the peer opens a stream of a protocol; agree, and send data on it. Fails when it opens none."""
        received = bytearray()
        opened = opening(protocol)
        with trio.fail_after(PATIENCE_S):
            while True:
                received += await self._conn.read()
                while len(received) >= HEADER.size:
                    _, kind, _, stream, length = HEADER.unpack_from(received)
                    end = HEADER.size + (length if kind == DATA else 0)
                    if len(received) < end:
                        break
                    if kind == DATA and stream % 2 == 0 and received[HEADER.size : end] == opened:
                        await self.frame(DATA, ACK, stream, len(opened + data), opened + data)
                        return
                    del received[:end]

    async def answer_all(self, respond: Respond, seconds: float) -> None:
        """For a while, give `respond` each stream that the peer opens, with what was said on it first."""
        received = bytearray()
        with trio.move_on_after(seconds):
            while True:
                received += await self._conn.read()
                while len(received) >= HEADER.size:
                    _, kind, _, stream, length = HEADER.unpack_from(received)
                    end = HEADER.size + (length if kind == DATA else 0)
                    if len(received) < end:
                        break
                    if kind == DATA and stream:
                        await respond(self, stream, bytes(received[HEADER.size : end]))
                    del received[:end]

    async def was_answered(self, stream: int) -> bool:
        """Read until the peer ends a stream of ours; returns whether by closing its side, and not by a reset."""
        with trio.fail_after(PATIENCE_S):
            while True:
                while len(self._received) < HEADER.size:
                    self._received += await self._conn.read()
                _, kind, flags, about, length = HEADER.unpack_from(self._received)
                end = HEADER.size + (length if kind == DATA else 0)
                while len(self._received) < end:
                    self._received += await self._conn.read()
                del self._received[:end]
                if about == stream and flags & (FIN | RST):
                    return not flags & RST

    async def until_closed(self) -> None:
        """Read until the peer closes the connection; fails when it does not."""
        with trio.fail_after(PATIENCE_S):
            try:
                while await self._conn.read():
                    pass
            except (IOException, trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def read_for(self, seconds: float) -> None:
        """Read what comes for a while, as a peer that means no harm."""
        with trio.move_on_after(seconds):
            await self.until_closed()


@asynccontextmanager
async def connected(address: str, early: bytes = b"") -> AsyncIterator[Attacker]:
    """Connect with an identity that nobody has seen before; `early` are frames in the record that agrees on Yamux."""
    bare, peer = parse_peer_address(address)
    keys = create_new_key_pair(secrets.token_bytes(32))
    noise = Noise(keys, noise_privkey=create_noise_key_pair().private_key)
    upgrader = TransportUpgrader({NOISE_ID: noise}, {}, 5)
    stream = await trio.open_tcp_stream(*endpoint(bare))
    async with stream:
        secured = await upgrader.upgrade_security(RawConnection(TrioTCPStream(stream), True), True, peer)
        await secured.write(token("/multistream/1.0.0") + token("/yamux/1.0.0") + early)
        expected = token("/multistream/1.0.0") + token("/yamux/1.0.0")
        received = b""
        while len(received) < len(expected):
            received += await secured.read(len(expected) - len(received))
        assert received == expected
        yield Attacker(secured, ID.from_pubkey(keys.public_key).to_base58())
