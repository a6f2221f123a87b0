"""Who is connected, who stays, and who is banned.

    connected ─▶ second connection of a peer? the one that the smaller id dialled stays; what is written to the peer
                 moves there, and a moment later the other goes
              ─▶ more than 64 peers? the least useful one that is not protected goes, first of those who come
                 from one host; if all are, protected ones still come in, up to the swarm's bound
    offence   ─▶ points; at 0: ban, disconnect, ban list
    of another network? it stops being a peer, is disconnected, and may come again in half a minute

One peer counts once, whatever connections it has for a moment.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import trio
from libp2p.abc import INetConn, INetStream, INetwork, INotifee
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.peer.id import ID
from libp2p.rcmgr import Direction

from zg_node.p2p.address import Multiaddr, host_of, neighbourhood
from zg_node.p2p.bucket import MESSAGES_BURST, MESSAGES_PER_S, Bucket
from zg_node.p2p.contain import Counts, contained, log
from zg_node.p2p.network import Offence
from zg_node.p2p.score import BAN_S, PROTECTED_BAN_S, BanFile, ScoreBook
from zg_node.p2p.sockets import PAUSE_MAX_S
from zg_node.p2p.swarm import GuardedSwarm

PEERS_MAX = 64
SECOND_CONNECTION_S = 1.0
"""How long both connections of a peer stand: both sides know both before one goes, and what was written to it has been
read."""
ELSEWHERE_S = 30.0
"""How long a peer of another network is not connected to: it may have been started with a wrong genesis file."""
ELSEWHERE_MAX = 1024
WARNING_PAUSE_S = 300.0
"""Between two warnings about peers of another network."""
BANS_SAVED_S = 1.0
"""After a ban the list is written, with those that follow: peers may bring as many identities as they like."""
FLOOD_S = 1.0
"""A peer that is so far beyond its bucket loses points, too."""


@dataclass(slots=True)
class Connected:
    """One connected peer."""

    name: str
    """Its id, base58."""
    address: str
    neighbourhood: str
    """Whoever has this address can have many like it."""
    outbound: bool
    since_s: float
    """`trio.current_time()` of its first connection."""
    messages: Bucket
    """How many messages it may send."""
    conn: INetConn
    """The connection on which streams to it are opened."""


OnPeer = Callable[[ID, Connected, bool], None]
"""(peer, what we know of it, connected?)."""
OnMoved = Callable[[ID], None]
"""(peer)."""


class Peers:
    """Decides who stays. The swarm asks `admits` and tells `arrived` and `departed` through a notifee."""

    def __init__(self, nursery: trio.Nursery, counts: Counts, bans: BanFile) -> None:
        self._nursery = nursery
        self._counts = counts
        self._file = bans
        self._book = ScoreBook(bans.load())
        self._protected: set[str] = set()
        self._elsewhere: dict[str, float] = {}
        """Peers of another network, and until when (`trio.current_time()`) they stay away."""
        self._warn_from_s = 0.0
        self._unsaved = False
        """Whether the ban list is to be written."""
        self._handlers: list[OnPeer] = []
        self._movers: list[OnMoved] = []
        self._swarm: GuardedSwarm | None = None
        self.table: dict[ID, Connected] = {}
        self.on_points: Callable[[str, int], None] = lambda name, points: None
        """(peer, points) after an offence."""

    def watch(self, swarm: GuardedSwarm) -> None:
        """Begin to listen."""
        self._swarm = swarm
        swarm.register_notifee(_Notifee(self))

    def on_peer(self, handler: OnPeer) -> None:
        """Be told who comes and goes."""
        self._handlers.append(handler)

    def on_moved(self, handler: OnMoved) -> None:
        """Be told when streams to a peer are to be opened again: on another connection, which stays."""
        self._movers.append(handler)

    def admits(self, peer: ID) -> bool:
        """Whether a peer may connect now."""
        name = peer.to_base58()
        if self.is_banned(name):
            return False
        if peer in self.table or len(self.table) < PEERS_MAX or name in self._protected:
            return True
        return self._least_useful() is not None

    def protect(self, name: str, protected: bool) -> None:
        """Keep a peer when others must go."""
        (self._protected.add if protected else self._protected.discard)(name)

    def is_protected(self, name: str) -> bool:
        """Whether the peer is kept when others must go."""
        return name in self._protected

    def is_banned(self, name: str) -> bool:
        """Whether nothing of the peer is wanted."""
        return self._is_elsewhere(name) or self._book.is_banned(name, time.time())

    def points(self, name: str) -> int:
        """0 to 100."""
        return int(self._book.points(name, time.time()))

    def offend(self, peer: ID, offence: Offence) -> None:
        """A peer did something wrong on the wire."""
        self.charge(peer.to_base58(), offence.value)

    def charge(self, name: str, cost: int) -> None:
        """Take points; at 0 the peer is banned and disconnected. Among peers of another network nobody is at fault."""
        if self._is_elsewhere(name):
            return
        ban_s = PROTECTED_BAN_S if name in self._protected else BAN_S
        if self._book.charge(name, cost, time.time(), ban_s):
            self._counts["bans"] += 1
            if not self._unsaved:
                self._unsaved = True
                self._nursery.start_soon(self._save_later)
            connected = [peer for peer, entry in self.table.items() if entry.name == name]
            level = logging.WARNING if connected else logging.DEBUG  # who only signs gossip costs nothing to make
            log.log(level, "banned peer=%s until=%d", name, self._book.bans[name].until_s)
            for peer in connected:
                self.disconnect(peer)
        self.on_points(name, self.points(name))

    def save(self) -> None:
        """Write the ban list, if it has changed."""
        if self._unsaved:
            self._unsaved = False
            try:
                self._file.save(self._book.bans)
            except OSError as error:
                log.warning("ban list not written error=%s", error)

    def turn_away(self, peer: ID) -> None:
        """A peer is of another network: it is none of ours from now on, and is disconnected when it has had the time
        to find that out, too."""
        name, now_s = peer.to_base58(), trio.current_time()
        if len(self._elsewhere) >= ELSEWHERE_MAX:
            del self._elsewhere[next(iter(self._elsewhere))]
        self._elsewhere[name] = now_s + ELSEWHERE_S
        entry = self.table.pop(peer, None)
        if entry is None:
            return
        level = logging.DEBUG
        if entry.outbound and now_s >= self._warn_from_s:  # who dials us may be wrong alone
            self._warn_from_s = now_s + WARNING_PAUSE_S
            level = logging.WARNING
        said = "peer=%s address=%s is of another network: has this node the right genesis file?"
        log.log(level, said, name, entry.address)
        self._tell(peer, entry, False)
        self._nursery.start_soon(self._part, peer)

    async def take_messages(self, peer: ID, count: int) -> None:
        """Account messages of a peer, and wait as long as it has to be slowed down."""
        pause_s = self.count_messages(peer, count)
        if pause_s > 0:
            await trio.sleep(pause_s)

    def count_messages(self, peer: ID, count: int, own: bool = True) -> float:
        """Account messages of a peer; returns the seconds for which nothing more should be read from it. Too many cost
        it points if they are its `own`, and not what it passes on for others."""
        entry = self.table.get(peer)
        if entry is None:
            return 0.0
        pause_s = entry.messages.take(count, trio.current_time())
        if pause_s > 0:
            self._counts["throttled"] += 1
            if own and pause_s > FLOOD_S:
                self.offend(peer, Offence.FLOOD)
        return min(pause_s, PAUSE_MAX_S)

    def disconnect(self, peer: ID) -> None:
        """Close all connections of a peer, soon."""
        assert self._swarm is not None
        for conn in tuple(self._swarm.connections.get(peer, ())):
            self._close(conn)

    # ── for the swarm ───────────────────────────────────────────────────────────────────────────────────────────────

    def arrived(self, conn: INetConn) -> None:
        """A connection stands, unless it has ended meanwhile."""
        peer = conn.muxed_conn.peer_id
        if conn.is_closed:
            return
        if self.is_banned(peer.to_base58()):
            self._close(conn)
            return
        if peer in self.table:
            self._choose(peer)
            self._nursery.start_soon(contained, self._counts, self._leave_one, peer)
            return
        if len(self.table) >= PEERS_MAX:
            self._counts["refused"] += 1
            victim = self._least_useful()
            if victim is not None:
                self.disconnect(victim)
            elif peer.to_base58() not in self._protected:
                self._close(conn)
                return
        addresses = conn.get_transport_addresses()
        address = str(addresses[0]) if addresses else ""
        near = neighbourhood(host_of(addresses[0]) or "") if addresses else ""
        now_s = trio.current_time()
        bucket = Bucket.full(MESSAGES_PER_S, MESSAGES_BURST, now_s)
        entry = Connected(peer.to_base58(), address, near, _is_outbound(conn), now_s, bucket, conn)
        self.table[peer] = entry
        self._tell(peer, entry, True)

    def departed(self, conn: INetConn) -> None:
        """A connection is gone."""
        peer = conn.muxed_conn.peer_id
        if self._open_connections(peer):
            self._choose(peer)
            return
        entry = self.table.pop(peer, None)
        if entry is not None:
            self._tell(peer, entry, False)

    # ── decisions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _least_useful(self) -> ID | None:
        """The unprotected peer that goes first. Peers that we dialled stay longest: nobody else chose them. Of the
        others, one from the neighbourhood with the most peers goes, which fills no table by coming often; of those the
        one with the fewest points, and the last to come."""
        candidates = [(peer, entry) for peer, entry in self.table.items() if entry.name not in self._protected]
        if not candidates:
            return None
        crowds = Counter(entry.neighbourhood for _, entry in candidates)

        def rank(candidate: tuple[ID, Connected]) -> tuple[bool, int, int, float]:
            entry = candidate[1]
            return entry.outbound, -crowds[entry.neighbourhood], self.points(entry.name), -entry.since_s

        return min(candidates, key=rank)[0]

    async def _save_later(self) -> None:
        await trio.sleep(BANS_SAVED_S)
        self.save()

    def _choose(self, peer: ID) -> None:
        """Put the connection that stays last, and have streams opened on it; both sides choose the same."""
        assert self._swarm is not None
        keep_outbound = self._swarm.self_id.to_bytes() < peer.to_bytes()
        self._swarm.connections[peer].sort(key=lambda conn: _is_outbound(conn) == keep_outbound)
        entry, stays = self.table.get(peer), self._open_connections(peer)[-1]
        if entry is not None and entry.conn is not stays:
            entry.conn = stays
            for handler in self._movers:
                handler(peer)

    async def _leave_one(self, peer: ID) -> None:
        """Close all connections of a peer but the last."""
        await trio.sleep(SECOND_CONNECTION_S)
        for conn in self._open_connections(peer)[:-1]:
            self._close(conn)

    async def _part(self, peer: ID) -> None:
        """Close a peer's connections after a moment."""
        await trio.sleep(SECOND_CONNECTION_S)
        self.disconnect(peer)

    def _is_elsewhere(self, name: str) -> bool:
        return self._elsewhere.get(name, 0.0) > trio.current_time()

    def _open_connections(self, peer: ID) -> list[INetConn]:
        assert self._swarm is not None
        return [conn for conn in self._swarm.connections.get(peer, ()) if not conn.is_closed]

    def _close(self, conn: INetConn) -> None:
        self._nursery.start_soon(contained, self._counts, conn.close)

    def _tell(self, peer: ID, entry: Connected, connected: bool) -> None:
        for handler in self._handlers:
            handler(peer, entry, connected)


class _Notifee(INotifee):
    """Passes on what concerns us."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def connected(self, network: INetwork, conn: INetConn) -> None:
        self._peers.arrived(conn)

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:
        self._peers.departed(conn)

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        pass

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        pass

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        pass

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        pass


def _is_outbound(conn: INetConn) -> bool:
    assert isinstance(conn, SwarmConn)
    return conn.direction == Direction.OUTBOUND
