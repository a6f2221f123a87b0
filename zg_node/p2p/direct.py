"""Direct messages: two streams to every peer, kept open, so that votes never wait behind the parts of a proposal.

    send ─▶ small: queue ─▶ /zg/direct/1   frames, all that wait in one write
         ─▶ large: queue ─▶ /zg/bulk/1     parts of at most 256 KiB, one after the other

Each side opens its own pair and writes on it; it reads on the pair that the other side opened. A queue is bounded: a
peer that reads slowly misses messages, which are counted, and nobody else notices. When a stream breaks while the
peer stays, what had been written on it may arrive twice, and what was waiting goes over the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from zg_node.errors import Unavailable
from zg_node.p2p.basic import GuardedHost
from zg_node.p2p.contain import Counts, kept
from zg_node.p2p.framing import PART_HEADER, PART_MAX_BYTES, SMALL_MAX_BYTES, Buffer, Parts, Splitter, prefixed, split
from zg_node.p2p.lane import Lane
from zg_node.p2p.network import DIRECT_MAX_BYTES
from zg_node.p2p.outgoing import keep_writing, write_batches
from zg_node.p2p.peers import Connected, Peers
from zg_node.p2p.stream import PeerStream
from zg_node.p2p.swarm import LIBRARY_ERRORS
from zg_node.p2p.topics import BULK_PROTOCOL, DIRECT_PROTOCOL

SMALL_QUEUE_MAX_BYTES = 4 * 1024 * 1024
BULK_QUEUE_MAX_BYTES = 4 * DIRECT_MAX_BYTES
ASSEMBLY_MAX_BYTES = 96 * 1024 * 1024
"""Unfinished large messages of all peers together."""
ASSEMBLY_OPEN_BYTES = 32 * 1024 * 1024
"""How far peers that are not protected may fill it: nothing makes anybody finish a message."""
READERS_PER_PEER_MAX = 6
"""Streams that a peer may have open here: two, and those of a connection that is about to be found dead."""
RETRY_MAX_S = 5.0


@dataclass(slots=True)
class _Outgoing:
    small: Lane
    """Of messages behind their length."""
    bulk: Lane
    scope: trio.CancelScope


class DirectStreams:
    """Direct messages of all peers."""

    def __init__(
        self,
        host: GuardedHost,
        peers: Peers,
        nursery: trio.Nursery,
        counts: Counts,
        deliver: Callable[[str, Buffer], None],
    ) -> None:
        """`deliver` takes (peer, message)."""
        self._host = host
        self._peers = peers
        self._nursery = nursery
        self._counts = counts
        self._deliver = deliver
        self._outgoing: dict[str, _Outgoing] = {}
        self._assembly_bytes = 0
        self._reading: Counter[str] = Counter()
        host.set_stream_handler(TProtocol(DIRECT_PROTOCOL), self._read_small)
        host.set_stream_handler(TProtocol(BULK_PROTOCOL), self._read_bulk)
        peers.on_peer(self._on_peer)
        peers.on_moved(self._on_moved)

    def send(self, name: str, message: bytes) -> None:
        """Queue a message for a peer; dropped when it is not connected or its queue is full."""
        outgoing = self._outgoing.get(name)
        if outgoing is not None:
            self._put([outgoing], message)

    def broadcast(self, message: bytes) -> None:
        """Queue a message for everybody."""
        self._put(self._outgoing.values(), message)

    def _put(self, receivers: Iterable[_Outgoing], message: bytes) -> None:
        small = len(message) <= SMALL_MAX_BYTES
        framed = prefixed(message) if small else message
        for outgoing in receivers:
            if not (outgoing.small if small else outgoing.bulk).put(framed):
                self._counts["dropped"] += 1

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_peer(self, peer: ID, entry: Connected, connected: bool) -> None:
        if not connected:
            outgoing = self._outgoing.pop(entry.name, None)
            if outgoing is not None:
                outgoing.scope.cancel()
            return
        outgoing = _Outgoing(Lane(SMALL_QUEUE_MAX_BYTES), Lane(BULK_QUEUE_MAX_BYTES), trio.CancelScope())
        self._outgoing[entry.name] = outgoing
        self._nursery.start_soon(self._write_both, peer, outgoing)

    def _on_moved(self, peer: ID) -> None:
        outgoing = self._outgoing.get(peer.to_base58())
        if outgoing is not None:
            outgoing.small.move()
            outgoing.bulk.move()

    async def _write_both(self, peer: ID, outgoing: _Outgoing) -> None:
        """Write what waits for a peer until it disconnects."""
        with outgoing.scope:
            async with trio.open_nursery() as nursery:
                for protocol, lane, write in (
                    (DIRECT_PROTOCOL, outgoing.small, write_batches),
                    (BULK_PROTOCOL, outgoing.bulk, _write_bulk),
                ):
                    arguments = self._host, self._counts, peer, protocol, lane, write, RETRY_MAX_S
                    nursery.start_soon(kept, self._counts, keep_writing, *arguments)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _read_small(self, stream: INetStream) -> None:
        await self._read(stream, Splitter(SMALL_MAX_BYTES), None)

    async def _read_bulk(self, stream: INetStream) -> None:
        await self._read(stream, Splitter(PART_HEADER.size + PART_MAX_BYTES), Parts())

    async def _read(self, stream: INetStream, splitter: Splitter, parts: Parts | None) -> None:
        """Read messages until the stream ends. Raises InvalidMessage, Unavailable."""
        assert isinstance(stream, PeerStream)
        peer = stream.muxed_conn.peer_id
        name, held = peer.to_base58(), 0

        def take(data: bytes | memoryview) -> float:
            nonlocal held
            if name not in self._outgoing:
                raise Unavailable("no longer a peer")
            frames = splitter.feed(data)
            for frame in frames:
                message = bytes(frame) if parts is None else parts.add(frame)
                if message:
                    self._deliver(name, message)
            if parts is not None:
                self._assembly_bytes += parts.held_bytes - held
                held = parts.held_bytes
                limit = ASSEMBLY_MAX_BYTES if self._peers.is_protected(name) else ASSEMBLY_OPEN_BYTES
                if held and self._assembly_bytes > limit:
                    self._counts["dropped"] += 1
                    raise Unavailable("too many unfinished messages")
            return self._peers.count_messages(peer, len(frames))

        self._reading[name] += 1
        try:
            if self._reading[name] > READERS_PER_PEER_MAX:
                raise Unavailable("too many direct streams")
            await stream.consume(take)
        finally:
            self._assembly_bytes -= held
            self._reading[name] -= 1
            if not self._reading[name]:
                del self._reading[name]


async def _write_bulk(stream: PeerStream, lane: Lane) -> None:
    """A `Writer` of large messages, part by part."""
    while (message := await lane.next()) is not None:
        try:
            for part in split(message):
                await stream.write(part)
                await trio.lowlevel.checkpoint()
        except LIBRARY_ERRORS:
            lane.put_back([(message,)])
            raise
