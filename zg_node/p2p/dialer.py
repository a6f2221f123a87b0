"""Whom to connect to: bootstrap addresses for ever, known and found peers while there is room.

    bootstrap, DIAL, protected peers   again and again, at most 2 s apart
    known peers (peers.json), found    while fewer than 32 peers are connected, up to a minute apart, 10 times

The address book is written once a minute, so that a node finds its network again without any bootstrap node. While
nobody is connected it may be this node that is cut off: nothing is forgotten then, and the book stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio
from libp2p.peer.id import ID

from zg_node.errors import Unavailable
from zg_node.p2p.address import Multiaddr, endpoint, parse_peer_address, with_peer
from zg_node.p2p.contain import Counts, contained, log
from zg_node.p2p.peers import Connected, Peers
from zg_node.p2p.swarm import GuardedSwarm

PEERS_WANTED = 32
TARGETS_MAX = 256
DIALS_MAX = 8
"""Dials under way."""
TICK_S = 0.1
BACKOFF_FIRST_S = 0.25
BACKOFF_KEPT_MAX_S = 2.0
BACKOFF_MAX_S = 60.0
FAILURES_MAX = 10
SAVE_INTERVAL_S = 60.0
BOOK_MAX_BYTES = 1024 * 1024


@dataclass(slots=True)
class Target:
    """A peer to connect to."""

    peer: ID
    address: Multiaddr
    kept: bool
    """Whether to dial for ever."""
    failures: int = 0
    due_s: float = 0.0
    """`trio.current_time()` of the next dial."""
    dialling: bool = False

    def failed(self, now_s: float, patient: bool) -> None:
        """Put the next dial off; `patient` lets the pause grow to a minute."""
        self.failures += 1
        limit_s = BACKOFF_MAX_S if patient else BACKOFF_KEPT_MAX_S
        self.due_s = now_s + min(limit_s, BACKOFF_FIRST_S * 2.0 ** min(self.failures, 16))


class Dialer:
    """Keeps connections."""

    def __init__(self, swarm: GuardedSwarm, peers: Peers, nursery: trio.Nursery, counts: Counts, book: Path) -> None:
        """`book` is the file of known addresses."""
        self._swarm = swarm
        self._peers = peers
        self._nursery = nursery
        self._counts = counts
        self._book = book
        self._targets: dict[ID, Target] = {}
        self._dials = 0
        self._wake = trio.Event()
        peers.on_peer(self._on_peer)

    def keep(self, address: str) -> None:
        """Dial an address with /p2p/<id> for ever. Raises Unavailable when it is not one."""
        bare, peer = parse_peer_address(address)
        if peer != self._swarm.self_id:
            self._targets[peer] = Target(peer, bare, True)
            self._wake.set()

    def found(self, peer: ID, addresses: Sequence[Multiaddr]) -> None:
        """Somebody told us where a peer listens. What is known already is kept unless it failed: a false hint lasts no
        longer than until a true one comes."""
        if peer == self._swarm.self_id or self._peers.is_banned(peer.to_base58()):
            return
        usable = [address for address in addresses if _is_usable(address)]
        if not usable:
            return
        known = self._targets.get(peer)
        if known is not None:
            if known.failures and not known.kept:
                known.address = usable[0]
            return
        if len(self._targets) >= TARGETS_MAX:
            gone = [peer for peer, target in self._targets.items() if not target.kept and peer not in self._peers.table]
            if not gone:
                return
            del self._targets[max(gone, key=lambda other: self._targets[other].failures)]
        self._targets[peer] = Target(peer, usable[0], False)
        self._wake.set()

    async def run(self) -> None:
        """Dial who is missing."""
        self._load()
        saved_s = trio.current_time()
        while True:
            now_s = trio.current_time()
            for target in tuple(self._targets.values()):
                if self._is_due(target, now_s):
                    target.dialling = True
                    self._dials += 1
                    self._nursery.start_soon(contained, self._counts, self._dial, target)
            if now_s - saved_s > SAVE_INTERVAL_S:
                saved_s = now_s
                self.save()
            missing = any(target.peer not in self._peers.table for target in self._targets.values())
            with trio.move_on_after(TICK_S if missing else SAVE_INTERVAL_S):
                await self._wake.wait()
            self._wake = trio.Event()

    def save(self) -> None:
        """Write the address book, unless nobody is connected."""
        if not self._peers.table:
            return
        lines = [with_peer(target.address, target.peer) for target in self._targets.values() if not target.failures]
        fresh = self._book.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(lines, indent=0) + "\n", encoding="utf-8")
            fresh.replace(self._book)
        except OSError as error:
            log.warning("address book not written error=%s", error)

    def _load(self) -> None:
        """Read the address book; a damaged one is as good as none."""
        try:
            if self._book.stat().st_size > BOOK_MAX_BYTES:
                return
            lines = json.loads(self._book.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        for line in lines[:TARGETS_MAX] if isinstance(lines, list) else ():
            try:
                bare, peer = parse_peer_address(str(line))
            except Unavailable:
                continue
            self.found(peer, [bare])

    def _is_due(self, target: Target, now_s: float) -> bool:
        if target.dialling or now_s < target.due_s or self._dials >= DIALS_MAX or target.peer in self._peers.table:
            return False
        if self._is_kept(target):
            return not self._peers.is_banned(target.peer.to_base58())
        return len(self._peers.table) < PEERS_WANTED and self._peers.admits(target.peer)

    def _is_kept(self, target: Target) -> bool:
        return target.kept or self._peers.is_protected(target.peer.to_base58())

    async def _dial(self, target: Target) -> None:
        try:
            await self._swarm.dial(target.address, target.peer)
        except Unavailable as error:
            log.debug("dial failed peer=%s reason=%s", target.peer, error)
            target.failed(trio.current_time(), patient=not self._is_kept(target))
            if not self._is_kept(target) and target.failures >= FAILURES_MAX and self._peers.table:
                self._targets.pop(target.peer, None)
        finally:
            target.dialling = False
            self._dials -= 1

    def _on_peer(self, peer: ID, entry: Connected, connected: bool) -> None:
        target = self._targets.get(peer)
        if target is None:
            return
        if connected:
            target.failures = 0
        elif self._peers.is_banned(entry.name) and not self._is_kept(target):
            del self._targets[peer]
        else:
            # Not at once: a peer that closes on purpose would be dialled in a loop.
            target.due_s = trio.current_time() + BACKOFF_FIRST_S
            self._wake.set()


def _is_usable(address: Multiaddr) -> bool:
    try:
        host, port = endpoint(address)
    except ValueError:
        return False
    return port > 0 and host not in ("0.0.0.0", "::")  # noqa: S104
