"""Questions and answers: one stream each, so that a slow one delays nobody.

    client  protocol ‖ u32 length ‖ question ‖ FIN ─▶
                                               ◀─ status ‖ u32 length ‖ answer ‖ FIN

The node answers; the host only keeps count. How many questions of a peer are under way is bounded for each protocol,
in both directions, and so is the time that each step may take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.basic import GuardedHost
from zg_node.p2p.contain import Counts, contained, counted
from zg_node.p2p.framing import LENGTH_BYTES, Frame, Pieces, number, prefixed, to_number
from zg_node.p2p.link import Link
from zg_node.p2p.negotiation import confirm
from zg_node.p2p.network import REQUEST_MAX_BYTES, RESPONSE_MAX_BYTES, Offence
from zg_node.p2p.peers import Connected, Peers
from zg_node.p2p.status import Status
from zg_node.p2p.stream import PeerStream
from zg_node.p2p.swarm import LIBRARY_ERRORS

INBOUND_PER_PEER_MAX = 16
"""Questions of one peer and protocol under way."""
INBOUND_MAX = 64
"""Questions of one protocol under way; those of protected peers are taken beyond it."""
ANSWERS_MAX_BYTES = 64 * 1024 * 1024
"""Answers that have not been taken; those for protected peers are written beyond it."""
OUTBOUND_PER_PEER_MAX = 8
"""Fewer than a peer takes, which is still closing the streams that we are done with."""
QUESTION_TIMEOUT_S = 10.0
"""For a question to arrive."""
ANSWER_TIMEOUT_S = 30.0
"""For the node to answer, and again for the peer to take the answer."""
FIRST_BYTES = 32 * 1024
"""Of an answer, with what is before it; the rest is written without being copied."""
SENT_BY_PEERS = (Status.ANSWERED, Status.REFUSED, Status.INVALID)


class Requests:
    """Both sides of requests."""

    def __init__(self, host: GuardedHost, peers: Peers, link: Link, nursery: trio.Nursery, counts: Counts) -> None:
        self._host = host
        self._peers = peers
        self._link = link
        self._nursery = nursery
        self._counts = counts
        self._inbound: Counter[tuple[str, str]] = Counter()
        self._outbound: Counter[tuple[str, str]] = Counter()
        self._answer_bytes = 0
        """Of all answers that are being written."""
        self._answers: dict[int, Callable[[Status, bytes], None]] = {}
        self._next_key = 0
        self._spoken: set[tuple[ID, str]] = set()
        """Protocols that connected peers are known to speak."""
        peers.on_peer(self._on_peer)

    # ── questions of peers ──────────────────────────────────────────────────────────────────────────────────────────

    def serve(self, protocol: str) -> None:
        """Take questions of a protocol."""

        async def handle(stream: INetStream) -> None:
            assert isinstance(stream, PeerStream)
            await self._take(stream, protocol)

        self._host.set_stream_handler(TProtocol(protocol), handle)

    def respond(self, key: int, status: Status, answer: bytes) -> None:
        """The node answers."""
        waiter = self._answers.pop(key, None)
        if waiter is not None:
            waiter(status, answer)

    async def _take(self, stream: PeerStream, protocol: str) -> None:
        peer = stream.muxed_conn.peer_id
        place, everyone = (peer.to_base58(), protocol), ("", protocol)
        crowded = self._inbound[everyone] >= INBOUND_MAX and not self._peers.is_protected(place[0])
        if crowded or self._inbound[place] >= INBOUND_PER_PEER_MAX:
            self._counts["refused"] += 1
            raise Unavailable("too many questions")
        with counted(self._inbound, place), counted(self._inbound, everyone):
            await self._peers.take_messages(peer, 1)
            with trio.fail_after(QUESTION_TIMEOUT_S):
                question = await _read_body(stream, REQUEST_MAX_BYTES)
            status, answer = await self._ask_node(place[0], protocol, question)
            if self._answer_bytes + len(answer) > ANSWERS_MAX_BYTES and not self._peers.is_protected(place[0]):
                self._counts["refused"] += 1
                raise Unavailable("too many answers that nobody takes")
            self._answer_bytes += len(answer)
            try:
                with trio.fail_after(ANSWER_TIMEOUT_S):
                    await _write_answer(stream, status, answer)
            finally:
                self._answer_bytes -= len(answer)

    async def _ask_node(self, name: str, protocol: str, question: bytes) -> tuple[Status, bytes]:
        self._next_key += 1
        key = self._next_key
        found: list[tuple[Status, bytes]] = []
        done = trio.Event()

        def take(status: Status, answer: bytes) -> None:
            found.append((status, answer))
            done.set()

        self._answers[key] = take
        self._link.offer(Frame.ASKED, number(key), name.encode(), protocol.encode(), question)
        try:
            with trio.fail_after(ANSWER_TIMEOUT_S):
                await done.wait()
        finally:
            self._answers.pop(key, None)
        return found[0]

    # ── questions of the node ───────────────────────────────────────────────────────────────────────────────────────

    def ask(self, key: int, name: str, protocol: str, question: bytes, timeout_s: float) -> None:
        """Ask a peer; the answer goes to the node as ANSWERED."""
        place = (name, protocol)
        if self._outbound[place] >= OUTBOUND_PER_PEER_MAX:
            self._answer_node(key, Status.BUSY, b"")
            return
        self._outbound[place] += 1
        self._nursery.start_soon(contained, self._counts, self._ask, key, place, question, timeout_s)

    async def _ask(self, key: int, place: tuple[str, str], question: bytes, timeout_s: float) -> None:
        peer, status, answer = ID.from_base58(place[0]), Status.GONE, b""
        try:
            with trio.fail_after(timeout_s):
                status, answer = await self._exchange(peer, place[1], question)
        except trio.TooSlowError:
            status = Status.LATE
        except InvalidMessage:
            self._peers.offend(peer, Offence.MALFORMED)
        except (Unavailable, *LIBRARY_ERRORS):
            pass
        finally:
            self._outbound[place] -= 1
            if not self._outbound[place]:
                del self._outbound[place]
            self._answer_node(key, status, answer)

    async def _exchange(self, peer: ID, protocol: str, question: bytes) -> tuple[Status, bytes]:
        spoken = (peer, protocol) in self._spoken
        stream = await self._host.swarm.open_stream(peer, protocol, prefixed(question) if spoken else b"")
        try:
            if spoken:
                await stream.close_write()
            try:
                await confirm(stream.unread, stream.read_more, protocol)
            except Unavailable:
                return Status.UNKNOWN, b""
            if not spoken:
                self._spoken.add((peer, protocol))
                await stream.write(prefixed(question))
                await stream.close_write()
            first = await stream.read(1)
            if not first or first[0] not in SENT_BY_PEERS:
                raise InvalidMessage("not a status")
            return Status(first[0]), await _read_body(stream, RESPONSE_MAX_BYTES)
        finally:
            with trio.CancelScope(shield=True):
                await contained(self._counts, stream.reset)

    def _on_peer(self, peer: ID, entry: Connected, connected: bool) -> None:
        if not connected:
            self._spoken = {place for place in self._spoken if place[0] != peer}

    def _answer_node(self, key: int, status: Status, answer: bytes) -> None:
        self._link.tell(Frame.ANSWERED, number(key), number(status), answer)


async def _write_answer(stream: PeerStream, status: Status, answer: bytes) -> None:
    """An answer, and the end of the stream. Raises StreamClosed."""
    head = bytes((status,)) + len(answer).to_bytes(LENGTH_BYTES, "big")
    await stream.write(head + answer[:FIRST_BYTES])
    if len(answer) > FIRST_BYTES:
        await stream.write(memoryview(answer)[FIRST_BYTES:])
    await stream.close()


async def _read_body(stream: PeerStream, limit: int) -> bytes:
    """A body behind its length, and nothing after it. Raises InvalidMessage, Unavailable, StreamReset."""
    head, body = b"", Pieces()
    while len(head) < LENGTH_BYTES:
        head += await _read_some(stream)
    length = to_number(head[:LENGTH_BYTES])
    if length > limit:
        raise InvalidMessage(f"a body of {length} bytes, where {limit} are allowed")
    body.add(head[LENGTH_BYTES:])
    while body.size < length:
        body.add(await _read_some(stream))
    if body.size > length:
        raise InvalidMessage(f"more than the body of {length} bytes")
    return body.join()


async def _read_some(stream: PeerStream) -> bytes:
    data = await stream.read_some()
    if not data:
        raise Unavailable("the stream ended within a body")
    return data
