"""The `Network` of a node: a libp2p host in a child process that is started, watched and started again.

    P2pNetwork ──commands──▶ child.Child ══ socket pair ══ host (trio, libp2p) ══ peers
               ◀──events────

The host is told again what it has to know after each start: subscriptions, protocols, protected peers. While it is
away there are no peers: handlers are told so, requests fail, messages are dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace

from prometheus_client import CollectorRegistry

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.child import Child
from zg_node.p2p.framing import Frame, number, to_number
from zg_node.p2p.metrics import P2pMetrics
from zg_node.p2p.network import (
    DIRECT_MAX_BYTES,
    GOSSIP_MAX_BYTES,
    REQUEST_MAX_BYTES,
    RESPONSE_MAX_BYTES,
    DirectHandler,
    GossipHandler,
    Offence,
    Peer,
    PeerHandler,
    RequestHandler,
)
from zg_node.p2p.settings import P2pSettings
from zg_node.p2p.status import Status

log = logging.getLogger("zg.p2p")

START_TIMEOUT_S = 20.0
RESTART_FIRST_S = 0.2
RESTART_MAX_S = 10.0
STEADY_S = 60.0
"""After running for so long, the next restart is the first again."""
ANSWER_GRACE_S = 2.0
"""Beyond a request's own time, for a host that does not answer at all."""


class P2pNetwork:
    """`Network` over libp2p. Handlers are registered before `start`; everything else may be called at any time."""

    def __init__(self, settings: P2pSettings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._metrics = P2pMetrics(registry)
        self._child: Child | None = None
        self._started: asyncio.Future[None] | None = None
        self._ended = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False
        self._peer_id = ""
        self._addresses: tuple[str, ...] = ()
        self._peers: dict[str, Peer] = {}
        self._protected: set[str] = set()
        self._dialled: set[str] = set()
        self._topics: dict[str, GossipHandler] = {}
        self._protocols: dict[str, RequestHandler] = {}
        self._direct: DirectHandler | None = None
        self._peer_handlers: list[PeerHandler] = []
        self._requests: dict[int, asyncio.Future[bytes]] = {}
        self._next_request = 0
        self._answers: set[asyncio.Task[None]] = set()
        self._events: dict[Frame, Callable[..., None]] = {
            Frame.STARTED: self._on_started,
            Frame.FAILED: self._on_failed,
            Frame.PEER: self._on_peer_frame,
            Frame.GOSSIP: self._on_gossip,
            Frame.DIRECT: self._on_direct_frame,
            Frame.ASKED: self._on_asked,
            Frame.ANSWERED: self._on_answered,
            Frame.SCORE: self._on_score,
            Frame.COUNTS: self._on_counts,
            Frame.LOG: self._on_log,
        }

    async def start(self) -> None:
        """Start the host; returns when it listens. Raises Unavailable with one sentence."""
        await self._spawn()
        self._watcher = asyncio.get_running_loop().create_task(self._watch(), name="p2p host")

    async def stop(self) -> None:
        """End the host and everything that waits for it. Safe to call twice."""
        self._stopping = True
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None
        for task in tuple(self._answers):
            task.cancel()
        if self._child is not None:
            await self._child.stop()
            self._child = None
        self._forget_peers()

    @property
    def host_pid(self) -> int | None:
        """Process id of the host, None while it is away."""
        return None if self._child is None else self._child.pid

    def dial(self, address: str) -> None:
        """Keep a connection to a multiaddress with /p2p/<id>, as to a bootstrap address."""
        self._dialled.add(address)
        self._tell(Frame.DIAL, address.encode())

    # ── Network ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def peer_id(self) -> str:
        """Our own id; "" before the host has started."""
        return self._peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Our multiaddresses with /p2p/<id>."""
        return self._addresses

    def peers(self) -> tuple[Peer, ...]:
        """Connected peers."""
        return tuple(self._peers.values())

    def publish(self, topic: str, message: bytes) -> None:
        """Gossip on a topic that was subscribed to."""
        assert len(message) <= GOSSIP_MAX_BYTES
        self._offer(Frame.PUBLISH, topic.encode(), message)

    def subscribe(self, topic: str, handler: GossipHandler) -> None:
        """Follow a topic."""
        assert topic not in self._topics
        self._topics[topic] = handler
        self._tell(Frame.SUBSCRIBE, topic.encode())

    def send(self, peer: str, message: bytes) -> None:
        """To one peer; dropped when it is not connected."""
        assert len(message) <= DIRECT_MAX_BYTES
        if peer in self._peers:
            self._offer(Frame.SEND, peer.encode(), message)

    def broadcast(self, message: bytes) -> None:
        """To every connected peer."""
        assert len(message) <= DIRECT_MAX_BYTES
        if self._peers:
            self._offer(Frame.BROADCAST, message)

    def on_direct(self, handler: DirectHandler) -> None:
        """Who receives direct messages; one handler, before the start."""
        assert self._direct is None
        assert self._child is None
        self._direct = handler

    def serve(self, protocol: str, handler: RequestHandler) -> None:
        """Answer requests of a protocol; before the start."""
        assert self._child is None
        self._protocols[protocol] = handler

    async def request(self, peer: str, protocol: str, message: bytes, timeout_s: float) -> bytes:
        """Ask a peer. Raises Unavailable."""
        assert len(message) <= REQUEST_MAX_BYTES
        if peer not in self._peers:
            raise Unavailable(f"{peer} is not connected")
        self._next_request += 1
        key = self._next_request
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._requests[key] = future
        try:
            fields = (peer.encode(), protocol.encode(), message, number(int(timeout_s * 1000)))
            if not self._offer(Frame.REQUEST, number(key), *fields):
                raise Unavailable("the p2p host does not keep up")
            async with asyncio.timeout(timeout_s + ANSWER_GRACE_S):
                return await future
        except TimeoutError:
            raise Unavailable(f"{peer} did not answer in {timeout_s} s") from None
        finally:
            del self._requests[key]

    def on_peer(self, handler: PeerHandler) -> None:
        """Be told who comes and goes."""
        self._peer_handlers.append(handler)

    def report(self, peer: str, offence: Offence) -> None:
        """Score a peer."""
        self._metrics.offences.labels(offence.name.lower()).inc()
        self._tell(Frame.REPORT, peer.encode(), number(offence.value))

    def protect(self, peer: str, protected: bool) -> None:
        """Keep a peer's connection when connections must be given up."""
        (self._protected.add if protected else self._protected.discard)(peer)
        self._tell(Frame.PROTECT, peer.encode(), number(protected))

    # ── the host's process ──────────────────────────────────────────────────────────────────────────────────────────

    async def _spawn(self) -> None:
        """Start the process and wait until it listens. Raises Unavailable."""
        self._ended.clear()
        self._started = asyncio.get_running_loop().create_future()
        try:
            self._settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            child = await Child.spawn(self._on_frame, self._on_end)
        except OSError as error:
            raise Unavailable(f"the p2p host cannot be started: {error}") from error
        self._metrics.host_started()
        child.tell(Frame.CONFIGURE, self._settings.encode(tuple(self._protocols), log.getEffectiveLevel()))
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._started
        except (TimeoutError, Unavailable, asyncio.CancelledError) as error:
            await child.kill()
            if isinstance(error, TimeoutError):
                raise Unavailable(f"the p2p host did not start in {START_TIMEOUT_S:.0f} s") from None
            raise
        self._child = child
        # Not before it listens: what changes while it starts would be told to nobody.
        for topic in self._topics:
            child.tell(Frame.SUBSCRIBE, topic.encode())
        for peer in self._protected:
            child.tell(Frame.PROTECT, peer.encode(), number(1))
        for address in self._dialled:
            child.tell(Frame.DIAL, address.encode())
        log.info("p2p listening peer=%s addresses=%s", self._peer_id, ",".join(self._addresses))

    async def _watch(self) -> None:
        """Start the host again whenever it ends."""
        pause_s = RESTART_FIRST_S
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time()
            await self._ended.wait()
            if self._child is not None:
                child, self._child = self._child, None
                await child.kill()
                self._metrics.restarts.inc()
                self._forget_peers()
                pause_s = RESTART_FIRST_S if loop.time() - since > STEADY_S else pause_s
                log.warning("p2p host ended, starts again in_s=%.1f", pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(RESTART_MAX_S, pause_s * 2)
            try:
                await self._spawn()
            except Unavailable as error:
                log.warning("p2p host did not start, tries again in_s=%.1f reason=%s", pause_s, error)
                self._ended.set()

    def _on_frame(self, kind: Frame, fields: list[bytes]) -> None:
        self._events[kind](*fields)

    def _on_end(self) -> None:
        self._ended.set()
        if self._started is not None and not self._started.done():
            self._started.set_exception(Unavailable("the p2p host ended while it started; its reason is in the log"))

    def _forget_peers(self) -> None:
        for future in self._requests.values():
            if not future.done():
                future.set_exception(Unavailable("the p2p host is gone"))
        gone, self._peers = self._peers, {}
        self._metrics.peers.set(0)
        for peer in gone.values():
            self._tell_handlers(peer, False)

    def _tell(self, kind: Frame, *fields: bytes) -> None:
        if self._child is not None:
            self._child.tell(kind, *fields)

    def _offer(self, kind: Frame, *fields: bytes) -> bool:
        self._metrics.sent[kind] += 1
        if self._child is not None and self._child.offer(kind, *fields):
            return True
        self._metrics.queue_drops.inc()
        return False

    # ── events of the host ──────────────────────────────────────────────────────────────────────────────────────────

    def _on_started(self, peer_id: bytes, addresses: bytes, listen: bytes) -> None:
        self._peer_id = peer_id.decode()
        self._addresses = tuple(addresses.decode().split("\n")) if addresses else ()
        self._settings = replace(self._settings, listen=listen.decode())
        if self._started is not None and not self._started.done():
            self._started.set_result(None)

    def _on_failed(self, reason: bytes) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_exception(Unavailable(reason.decode()))

    def _on_peer_frame(self, peer: bytes, address: bytes, outbound: bytes, points: bytes, connected: bytes) -> None:
        entry = Peer(peer.decode(), address.decode(), bool(to_number(outbound)), to_number(points))
        if to_number(connected):
            self._peers[entry.id] = entry
        else:
            self._peers.pop(entry.id, None)
        self._metrics.peers.set(len(self._peers))
        self._tell_handlers(entry, bool(to_number(connected)))

    def _tell_handlers(self, peer: Peer, connected: bool) -> None:
        for handler in self._peer_handlers:
            handler(peer, connected)

    def _on_gossip(self, topic: bytes, source: bytes, message: bytes) -> None:
        self._metrics.received[Frame.GOSSIP] += 1
        handler = self._topics.get(topic.decode())
        if handler is not None:
            self._hand(handler, source.decode(), message)

    def _on_direct_frame(self, source: bytes, message: bytes) -> None:
        self._metrics.received[Frame.DIRECT] += 1
        if self._direct is not None:
            self._hand(self._direct, source.decode(), message)

    def _hand(self, handler: DirectHandler, source: str, message: bytes) -> None:
        try:
            handler(source, message)
        except InvalidMessage:
            self.report(source, Offence.MALFORMED)

    def _on_asked(self, key: bytes, peer: bytes, protocol: bytes, message: bytes) -> None:
        self._metrics.received[Frame.ASKED] += 1
        task = asyncio.get_running_loop().create_task(
            self._answer(key, peer.decode(), self._protocols[protocol.decode()], message)
        )
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, key: bytes, peer: str, handler: RequestHandler, message: bytes) -> None:
        status, answer = Status.REFUSED, b""
        try:
            answer = await handler(peer, message)
            assert len(answer) <= RESPONSE_MAX_BYTES
            status = Status.ANSWERED
        except InvalidMessage:
            self.report(peer, Offence.MALFORMED)
            status = Status.INVALID
        except Unavailable:
            pass
        self._tell(Frame.RESPOND, key, number(status), answer)

    def _on_answered(self, key: bytes, status: bytes, answer: bytes) -> None:
        future = self._requests.get(to_number(key))
        if future is None or future.done():
            return
        if to_number(status) == Status.ANSWERED:
            future.set_result(answer)
        else:
            future.set_exception(Unavailable(Status(to_number(status)).sentence))

    def _on_score(self, peer: bytes, points: bytes) -> None:
        known = self._peers.get(peer.decode())
        if known is not None:
            self._peers[known.id] = replace(known, score=to_number(points))

    def _on_counts(self, counts: bytes) -> None:
        self._metrics.take(json.loads(counts))

    def _on_log(self, level: bytes, text: bytes) -> None:
        log.log(to_number(level), "%s", text.decode())
