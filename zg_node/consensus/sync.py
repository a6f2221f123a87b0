"""Catching up with a shard's finalised chain: which peer is asked for what, and what may be executed when.

    Heard, Gone                  ┐              ┌ Ask(peer, range)      several peers at once, within bounds
    Answered, Unproven           ├─▶ ChainSync ─┤ Deliver(run)          in order, proven final, at most two ahead
    Lied, Failed                 │     .step    ├ Penalise(peer, why)
    Committed, Tick              ┘              └ Diverged              our chain is not the network's

Pure: no sockets, clocks or signatures. `sync_verify` has proven a run before the machine sees it, so a peer can only
waste time, and pays for it: one that lies loses score, one that stalls is asked last, and the block that everything
waits for is asked of a second peer after HEDGE_MS. What one peer says about its height is believed only as far as to
ask it: `behind` counts what was proven, and `target`, which people see, needs a proof or most peers' word.

An epoch's validators are known once the epoch before is executed. A range of an epoch that is not known yet sets a
ceiling: nothing at or above it is asked for until the set is there, or until the claim has had its time.

A block is never of an earlier epoch than its parent. So those who voted once, and have left with their stake, can prove
nothing above the chain that we have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

from zg_node.consensus.sync_messages import RANGE_MAX_BLOCKS, RANGE_MAX_BODY_BYTES, BlocksRequest
from zg_node.consensus.sync_verify import Run
from zg_node.p2p.network import Offence

AHEAD_MAX_BLOCKS = 2048
"""How far above the executed chain blocks are asked for."""
BUFFER_MAX_BYTES = 48 * 1024 * 1024
"""Proven blocks that wait for their turn; above it only the next one is asked for."""
REQUESTS_MAX = 12
PEER_REQUESTS_MAX = 2
DELIVERED_MAX_RUNS = 2
"""Runs handed over that are not committed yet."""
NEAR_BLOCKS = 4
"""A gap that live consensus closes by itself, unless the head stands still for STUCK_MS."""
STUCK_MS = 1500
HEDGE_MS = 3000
BACKOFF_MS = 500
BACKOFF_MAX_MS = 30_000
CLAIM_MS = 5000
"""How long one peer's claim that the next epoch has begun may stop us."""

# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Heard:
    """A peer's status: it has the blocks `first` … `number`, it says."""

    peer: str
    number: int
    first: int


@dataclass(frozen=True, slots=True)
class Gone:
    """The peer is not connected any more."""

    peer: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An `Ask` led to a proven run."""

    peer: str
    run: Run


@dataclass(frozen=True, slots=True)
class Unknown:
    """An `Ask` for blocks from `first` on led to some of an epoch whose validators are not known."""

    peer: str
    first: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Lied:
    """An `Ask` led to what no honest peer sends."""

    peer: str
    first: int
    offence: Offence


@dataclass(frozen=True, slots=True)
class Failed:
    """An `Ask` led to nothing in time."""

    peer: str
    first: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The chain's head is this block now, by sync or by consensus."""

    number: int
    hash: bytes
    epoch: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Heard | Gone | Answered | Unknown | Lied | Failed | Committed | Tick

# ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Ask:
    """Fetch the range from the peer; ends as Answered, Unknown, Lied or Failed."""

    peer: str
    request: BlocksRequest


@dataclass(frozen=True, slots=True)
class Deliver:
    """Execute and commit these blocks, which follow the last delivered ones; ends as Committed."""

    run: Run


@dataclass(frozen=True, slots=True)
class Penalise:
    peer: str
    offence: Offence


@dataclass(frozen=True, slots=True)
class Diverged:
    """Block `number` is proven final and does not follow ours: more than a third of the stake signed two chains, or
    this data directory holds what never became final."""

    number: int
    ours: bytes
    theirs: bytes


Effect = Ask | Deliver | Penalise | Diverged

# ── machine ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class PeerState:
    """What is known of a peer."""

    number: int = -1
    """What it may be asked for, at most; lowered when it fails to deliver."""
    first: int = 0
    asked: int = 0
    """Requests under way."""
    served: int = 0
    failures: int = 0
    free_at_ms: int = 0


@dataclass(slots=True)
class Asked:
    """A range under way."""

    request: BlocksRequest
    peers: dict[str, int] = field(default_factory=dict)
    """Who was asked, and when (ms)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A peer says that another epoch begins at `first`."""

    peer: str
    first: int
    epoch: int
    until_ms: int


class ChainSync:
    """One shard's catching up."""

    def __init__(self, shard: int, head: Committed, knows: Callable[[int], bool], now_ms: int) -> None:
        """`head` is the chain's head; `knows` tells whether an epoch's validators are known."""
        self.shard = shard
        self.committed = head.number
        self.proven = head.number
        """Height of the highest block that was proven final."""
        self._knows = knows
        self._epoch = head.epoch
        self._delivered, self._tip, self._tip_epoch = head.number, head.hash, head.epoch
        self._moved_ms = now_ms
        self._peers: dict[str, PeerState] = {}
        self._asked: dict[int, Asked] = {}
        self._ready: dict[int, tuple[str, Run]] = {}
        self._runs: list[int] = []
        """Last heights of the runs that were handed over and are not committed."""
        self._claim: Claim | None = None

    @property
    def target(self) -> int:
        """The highest block that is proven final, or that more than half of the peers say they have."""
        heights = sorted((peer.number for peer in self._peers.values()), reverse=True)
        agreed = heights[len(heights) // 2] if heights else 0
        return max(self.proven, self.committed, agreed)

    @property
    def peers(self) -> int:
        """How many have said what they have."""
        return len(self._peers)

    @property
    def behind(self) -> int:
        """Proven blocks that are not committed."""
        return max(0, self.proven - self.committed)

    def steady(self, now_ms: int) -> bool:
        """Whether the head moves, and nobody says to be far ahead of it."""
        return self._claimed() - self.committed <= NEAR_BLOCKS and now_ms - self._moved_ms < STUCK_MS

    def step(self, event: Event, now_ms: int) -> list[Effect]:
        """Take one event."""
        out: list[Effect] = []
        match event:
            case Heard(peer, number, first):
                state = self._peers.setdefault(peer, PeerState())
                if now_ms >= state.free_at_ms:
                    state.number, state.first = number, first
            case Gone(peer):
                self._forget(peer)
            case Answered(peer, run) if self._is_past(run):
                self._fail(peer, run.first, Offence.INVALID, now_ms, out)
            case Answered(peer, run):
                self._on_run(peer, run, out)
            case Unknown():
                self._on_unknown(event, now_ms, out)
            case Lied(peer, first, offence):
                self._fail(peer, first, offence, now_ms, out)
            case Failed(peer, first):
                self._fail(peer, first, Offence.UNHELPFUL, now_ms, out)
            case Committed():
                self._on_committed(event, now_ms)
            case Tick():
                self._hedge(now_ms, out)
            case _:
                assert_never(event)
        self._review_claim(now_ms)
        self._deliver(now_ms, out)
        self._ask(now_ms, out)
        return out

    # ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_run(self, peer: str, run: Run, out: list[Effect]) -> None:
        if not self._settle(peer, run.first):
            return
        state = self._peers[peer]
        state.failures = max(0, state.failures - 1)
        state.served += 1
        self._asked.pop(run.first, None)
        self.proven = max(self.proven, run.last)
        if run.first > self._delivered:
            self._ready.setdefault(run.first, (peer, run))
        claim = self._claim
        if claim is not None and claim.first == run.first:
            if claim.epoch != run.epoch:
                out.append(Penalise(claim.peer, Offence.INVALID))
            self._claim = None

    def _is_past(self, run: Run) -> bool:
        """Whether it goes on above our chain with an epoch that was over there."""
        return run.first > self._delivered and run.epoch < self._tip_epoch

    def _on_unknown(self, event: Unknown, now_ms: int, out: list[Effect]) -> None:
        """Wait for an epoch's validators, unless it cannot follow: then the peer lied."""
        if not self._settle(event.peer, event.first):
            return
        self._drop(event.peer, event.first)
        if event.first == self.committed + 1 and event.epoch not in (self._epoch, self._epoch + 1):
            self._blame(event.peer, Offence.INVALID, now_ms, out)
        elif self._claim is None or event.first < self._claim.first:
            self._claim = Claim(event.peer, event.first, event.epoch, now_ms + CLAIM_MS)

    def _fail(self, peer: str, first: int, offence: Offence, now_ms: int, out: list[Effect]) -> None:
        if not self._settle(peer, first):
            return
        self._drop(peer, first)
        self._peers[peer].number = min(self._peers[peer].number, first - 1)
        self._blame(peer, offence, now_ms, out)

    def _blame(self, peer: str, offence: Offence, now_ms: int, out: list[Effect]) -> None:
        state = self._peers[peer]
        state.free_at_ms = now_ms + min(BACKOFF_MS << min(state.failures, 10), BACKOFF_MAX_MS)
        state.failures += 1
        out.append(Penalise(peer, offence))

    def _settle(self, peer: str, first: int) -> bool:
        """Note that a request is over; False when it is not ours to mind any more."""
        state = self._peers.get(peer)
        if state is None:
            return False
        state.asked = max(0, state.asked - 1)
        return True

    def _drop(self, peer: str, first: int) -> None:
        """The peer did not deliver the range: it is to be asked of another."""
        asked = self._asked.get(first)
        if asked is not None:
            asked.peers.pop(peer, None)
            if not asked.peers:
                del self._asked[first]

    def _forget(self, peer: str) -> None:
        self._peers.pop(peer, None)
        for first in list(self._asked):
            self._drop(peer, first)

    # ── progress ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_committed(self, head: Committed, now_ms: int) -> None:
        if head.number > self.committed:
            self.committed, self._epoch, self._moved_ms = head.number, head.epoch, now_ms
            self._runs = [last for last in self._runs if last > head.number]
        if head.number > self._delivered:
            self._delivered, self._tip, self._tip_epoch = head.number, head.hash, head.epoch
            self.proven = max(self.proven, head.number)
            self._ready = {first: ready for first, ready in self._ready.items() if first > head.number}

    def _review_claim(self, now_ms: int) -> None:
        """Go on when the awaited validators are known, or when one peer has stopped us for long enough."""
        claim = self._claim
        if claim is not None and (now_ms >= claim.until_ms or self._knows(claim.epoch)):
            if now_ms >= claim.until_ms and claim.peer in self._peers:
                self._peers[claim.peer].free_at_ms = now_ms + CLAIM_MS
            self._claim = None

    def _deliver(self, now_ms: int, out: list[Effect]) -> None:
        while len(self._runs) < DELIVERED_MAX_RUNS and self._delivered + 1 in self._ready:
            peer, run = self._ready.pop(self._delivered + 1)
            if self._is_past(run):
                if peer in self._peers:
                    self._blame(peer, Offence.INVALID, now_ms, out)
                return
            parent = run.blocks[0].header.parent_hash
            if parent != self._tip:
                out.append(Diverged(run.first, self._tip, parent))
                return
            self._delivered, self._tip, self._tip_epoch = run.last, run.blocks[-1].hash, run.epoch
            self._runs.append(run.last)
            out.append(Deliver(run))

    # ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, now_ms: int, out: list[Effect]) -> None:
        if not self._wanted(now_ms):
            return
        full = sum(run.size for _, run in self._ready.values()) >= BUFFER_MAX_BYTES
        under_way = sum(len(asked.peers) for asked in self._asked.values())
        for request in self._missing():
            if under_way >= REQUESTS_MAX or (full and request.first != self._delivered + 1):
                return
            peer = self._choose(request.first, now_ms)
            if peer is not None:
                self._send(peer, request, now_ms, out)
                under_way += 1

    def _wanted(self, now_ms: int) -> bool:
        gap = self._claimed() - self._delivered
        return gap > NEAR_BLOCKS or (gap > 0 and (self.behind > 0 or now_ms - self._moved_ms >= STUCK_MS))

    def _claimed(self) -> int:
        """The highest block that any peer says it has."""
        return max([self.proven, self.committed, *(peer.number for peer in self._peers.values())])

    def _missing(self) -> Iterator[BlocksRequest]:
        """Ranges that are neither here nor under way, lowest first, none across a multiple of RANGE_MAX_BLOCKS."""
        known = {first: run.last for first, (_, run) in self._ready.items()}
        known |= {first: asked.request.last for first, asked in self._asked.items()}
        starts = sorted(known)
        limit = min(self._claimed(), self.committed + AHEAD_MAX_BLOCKS)
        if self._claim is not None:
            limit = min(limit, self._claim.first - 1)
        at = self._delivered + 1
        while at <= limit:
            if at in known:
                at = known[at] + 1
                continue
            last = min(limit, _window_end(at), next((start - 1 for start in starts if start > at), limit))
            yield BlocksRequest(self.shard, at, last - at + 1, RANGE_MAX_BODY_BYTES)
            at = last + 1

    def _choose(self, first: int, now_ms: int, beside: frozenset[str] = frozenset()) -> str | None:
        """The peer to ask: the most reliable, then the least busy one."""
        fit = [
            (state.failures, state.asked, state.served, peer)
            for peer, state in self._peers.items()
            if state.first <= first <= state.number
            and state.asked < PEER_REQUESTS_MAX
            and state.free_at_ms <= now_ms
            and peer not in beside
        ]
        return min(fit)[3] if fit else None

    def _send(self, peer: str, request: BlocksRequest, now_ms: int, out: list[Effect]) -> None:
        asked = self._asked.setdefault(request.first, Asked(request))
        asked.peers[peer] = now_ms
        self._peers[peer].asked += 1
        out.append(Ask(peer, request))

    def _hedge(self, now_ms: int, out: list[Effect]) -> None:
        """Ask a second peer for the range that everything waits for."""
        asked = self._asked.get(self._delivered + 1)
        if asked is None or len(asked.peers) != 1 or now_ms - min(asked.peers.values()) < HEDGE_MS:
            return
        peer = self._choose(asked.request.first, now_ms, frozenset(asked.peers))
        if peer is not None:
            self._send(peer, asked.request, now_ms, out)


def _window_end(number: int) -> int:
    """The last height that one request from `number` on may reach."""
    return (number - 1) // RANGE_MAX_BLOCKS * RANGE_MAX_BLOCKS + RANGE_MAX_BLOCKS
