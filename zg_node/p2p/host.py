"""The host's process: a trio program that a node starts with one end of a socket pair.

    python -m zg_node.p2p.host <fd>

    node ══ Link ══ Host ─┬─ Reactor                         every socket of a running connection
                          ├─ GuardedSwarm, Peers, Dialer     connections
                          ├─ Exchange, Table, LocalNetwork   whom else there is to dial
                          ├─ DirectStreams                   send, broadcast
                          ├─ Requests                        request, serve
                          └─ Gossip                          publish, subscribe

It ends when the node says so, when the socket closes, and when the node's process is gone, however that happens. The
identity comes over the socket, never on the command line.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import trio
from libp2p.peer.id import ID

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.address import Multiaddr, MultiaddrError, check_free, endpoint
from zg_node.p2p.basic import GuardedHost
from zg_node.p2p.beat import next_beat
from zg_node.p2p.contain import Counts, kept, log
from zg_node.p2p.dialer import Dialer
from zg_node.p2p.direct import DirectStreams
from zg_node.p2p.discovery import LocalNetwork, Table
from zg_node.p2p.exchange import Exchange
from zg_node.p2p.fast_gossip import FastGossip
from zg_node.p2p.framing import Buffer, Frame, number, to_number
from zg_node.p2p.gossip import Gossip
from zg_node.p2p.link import Link, LinkLogHandler
from zg_node.p2p.peers import Connected, Peers
from zg_node.p2p.reactor import Reactor, install
from zg_node.p2p.requests import Requests
from zg_node.p2p.score import BanFile
from zg_node.p2p.settings import P2pSettings, decode_settings
from zg_node.p2p.status import Status
from zg_node.p2p.stock_gossip import StockGossip
from zg_node.p2p.topics import allowed_topics
from zg_node.parent import follow

COUNTS_INTERVAL_S = 2.0
GC_ALLOCATIONS = 20_000
"""Containers made between two looks for cycles; what the library loads at the start is never looked at again."""
BANS_FILE = "bans.json"
BOOK_FILE = "peers.json"

_PAGE_BYTES = resource.getpagesize()


class Host:
    """Everything of one run, and what the node's commands mean."""

    def __init__(
        self, settings: P2pSettings, protocols: tuple[str, ...], reactor: Reactor, link: Link, nursery: trio.Nursery
    ) -> None:
        counts = link.counts
        self._settings = settings
        self._link = link
        self._nursery = nursery
        self._counts = counts
        home = settings.home
        self._peers = Peers(nursery, counts, BanFile(home / BANS_FILE))
        self._host = GuardedHost.create(
            settings.identity,
            settings.network,
            reactor if settings.fast_path else None,
            nursery,
            counts,
            self._peers.offend,
            self._peers.admits,
            self._peers.take_messages,
        )
        self._peers.watch(self._host.swarm)
        self._peers.on_points = self._tell_points
        self._peers.on_peer(self._tell_peer)
        self._topics = allowed_topics(settings.network, settings.shards)
        self._direct = DirectStreams(self._host, self._peers, nursery, counts, self._take_direct)
        self._requests = Requests(self._host, self._peers, link, nursery, counts)
        for protocol in protocols:
            self._requests.serve(protocol)
        self._gossip = self._make_gossip()
        self._dialer = Dialer(self._host.swarm, self._peers, nursery, counts, home / BOOK_FILE)
        whom = random.Random()  # noqa: S311 — whom to ask, nothing secret
        self._exchange = Exchange(self._host, self._peers, nursery, counts, self._dialer.found, whom)
        self._host.on_identified = self._identified
        self._host.on_elsewhere = self._peers.turn_away
        self._commands: dict[Frame, Callable[..., None]] = {
            Frame.SUBSCRIBE: self._subscribe,
            Frame.PUBLISH: self._publish,
            Frame.SEND: lambda peer, message: self._direct.send(peer.decode(), message),
            Frame.BROADCAST: self._direct.broadcast,
            Frame.REQUEST: self._request,
            Frame.RESPOND: lambda key, status, answer: self._requests.respond(
                to_number(key), Status(to_number(status)), answer
            ),
            Frame.REPORT: lambda peer, cost: self._peers.charge(peer.decode(), to_number(cost)),
            Frame.PROTECT: lambda peer, on: self._peers.protect(peer.decode(), bool(to_number(on))),
            Frame.DIAL: lambda address: self._dialer.keep(address.decode()),
        }

    def _make_gossip(self) -> Gossip:
        common = (self._host, self._peers, self._nursery, self._counts, self._topics, self._take_gossip)
        return FastGossip(*common, self._settings.identity) if self._settings.fast_path else StockGossip(*common)

    async def start(self) -> None:
        """Listen. Raises Unavailable with a sentence for the operator."""
        listen = parse_listen(self._settings.listen)
        try:
            check_free(listen)
        except OSError as error:
            raise Unavailable(f"p2p cannot listen on {listen}: {error.strerror or error}") from error
        self._nursery.start_soon(kept, self._counts, self._gossip.run)
        if not await self._host.swarm.listen(listen):
            raise Unavailable(f"p2p cannot listen on {listen}")
        for address in self._settings.bootstrap:
            self._dialer.keep(address)
        self._nursery.start_soon(kept, self._counts, self._dialer.run)
        self._nursery.start_soon(kept, self._counts, self._exchange.run)
        if self._settings.dht:
            table = Table(self._host, self._peers, self._counts, self._dialer.found)
            self._nursery.start_soon(kept, self._counts, table.run)
        if self._settings.mdns:
            local = LocalNetwork(self._host, self._settings.network, self._dialer.found)
            self._nursery.start_soon(kept, self._counts, local.run)
        self._nursery.start_soon(self._tell_counts)
        addresses = "\n".join(str(address) for address in self._host.get_addrs())
        bound = str(self._host.get_transport_addrs()[0])
        self._link.tell(Frame.STARTED, self._host.get_id().to_base58().encode(), addresses.encode(), bound.encode())

    def stop(self) -> None:
        """Keep what the next run wants to know."""
        self._dialer.save()
        self._peers.save()

    def command(self, kind: Frame, fields: list[bytes]) -> bool:
        """Do what the node says; returns whether to go on. Raises Unavailable."""
        if kind is Frame.STOP:
            return False
        self._commands[kind](*fields)
        return True

    # ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _subscribe(self, topic: bytes) -> None:
        assert topic.decode() in self._topics
        self._gossip.subscribe(topic.decode())

    def _publish(self, topic: bytes, message: bytes) -> None:
        self._gossip.publish(topic.decode(), message)

    def _request(self, key: bytes, peer: bytes, protocol: bytes, question: bytes, timeout_ms: bytes) -> None:
        timeout_s = to_number(timeout_ms) / 1000
        self._requests.ask(to_number(key), peer.decode(), protocol.decode(), question, timeout_s)

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _identified(self, peer: ID, addresses: Sequence[Multiaddr]) -> None:
        self._exchange.identified(peer, addresses)
        self._dialer.found(peer, addresses)

    def _tell_peer(self, peer: ID, entry: Connected, connected: bool) -> None:
        fields = (number(entry.outbound), number(self._peers.points(entry.name)), number(connected))
        self._link.tell(Frame.PEER, entry.name.encode(), entry.address.encode(), *fields)

    def _tell_points(self, name: str, points: int) -> None:
        self._link.tell(Frame.SCORE, name.encode(), number(points))

    def _take_direct(self, name: str, message: Buffer) -> None:
        self._link.offer(Frame.DIRECT, name.encode(), message)

    def _take_gossip(self, topic: str, source: str, message: bytes) -> None:
        self._link.offer(Frame.GOSSIP, topic.encode(), source.encode(), message)

    async def _tell_counts(self) -> None:
        while True:
            counts: dict[str, float] = dict(self._counts)
            counts["cpu_seconds"] = sum(os.times()[:2])
            counts["resident_bytes"] = resident_bytes()
            self._link.tell(Frame.COUNTS, json.dumps(counts).encode())
            await next_beat(COUNTS_INTERVAL_S)


def parse_listen(text: str) -> Multiaddr:
    """The address to listen on. Raises Unavailable."""
    try:
        address = Multiaddr(text)
        endpoint(address)
    except (ValueError, MultiaddrError) as error:
        raise Unavailable(f"p2p cannot listen on {text!r}: expected /ip4/<address>/tcp/<port>") from error
    return address


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


class Run:
    """One run of the process: the first frame configures a host, the others wait until that has started."""

    def __init__(self, end: socket.socket, reactor: Reactor, nursery: trio.Nursery) -> None:
        """`end` is our end of the socket to the node."""
        self._reactor = reactor
        self._nursery = nursery
        self._host: Host | None = None
        self._early: list[tuple[Frame, list[bytes]]] = []
        """Frames that came while the host started."""
        self._first = trio.Event()
        end.setblocking(False)
        self._link = Link(reactor, end.fileno(), reactor.counts)
        self._link.on_frame = self._take_early

    async def until_end(self) -> None:
        """Run until the node closes the socket or says so. Raises InvalidMessage when it breaks the protocol."""
        log.addHandler(LinkLogHandler(self._link))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._configure)
                await self._link.run()
                nursery.cancel_scope.cancel()
        except* Unavailable as errors:
            self._link.tell(Frame.FAILED, str(errors.exceptions[0]).encode())
            self._link.flush()
        if self._host is not None:
            self._host.stop()

    def _take_early(self, kind: Frame, fields: list[bytes]) -> bool:
        self._early.append((kind, fields))
        self._first.set()
        return kind is not Frame.STOP

    async def _configure(self) -> None:
        """Start a host and let it have what came. Raises InvalidMessage, Unavailable."""
        await self._first.wait()
        kind, fields = self._early.pop(0)
        if kind is not Frame.CONFIGURE:
            raise InvalidMessage("a host is configured first")
        settings, protocols, log_level = decode_settings(fields[0])
        log.setLevel(log_level)
        host = Host(settings, protocols, self._reactor, self._link, self._nursery)
        await host.start()
        for kind, fields in self._early:
            host.command(kind, fields)
        gc.collect()
        gc.freeze()
        self._host, self._link.on_frame = host, host.command


async def serve(end: socket.socket) -> None:
    """Run a host for the node at the other end, until it closes it."""
    async with trio.open_nursery() as nursery:
        with Reactor(nursery, Counts()) as reactor:
            await Run(end, reactor, nursery).until_end()
        nursery.cancel_scope.cancel()


def main() -> None:
    """Run a host on the socket whose file descriptor is the first argument."""
    parent = os.getppid()
    if not follow(parent, signal.SIGKILL):
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    log.propagate = False
    install()
    gc.set_threshold(GC_ALLOCATIONS)
    trio.run(serve, socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
