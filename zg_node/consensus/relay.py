"""Whom to tell what: votes those who need them, and a certificate the peers that have not shown, a moment later, that
they know what it proves. `voters` are the peers that all other validators vote from; None unless each of them is known
and connected, and then nobody is spared.

    vote to notarize ─▶ audience: the voters
    a quorum of votes ─▶ add ─ GRACE_MS ─▶ due: a certificate, and those who have not shown it
                                             voters      all of them, of a voter; a few, of a listener
                                             listeners   a few, each time others, and of finality alone

Votes to finalise go to everyone, so nearly everyone makes the same certificates; sending each to all would double what
a block costs. It helps those alone that have missed votes: who is connected to a part of the validators, or only
listens. What a peer says tells what it knows. A peer that lies about it harms itself. Nodes that only listen never show
what they know: so that each of them hears of finality, which proves all before it, COPIES times and not of every peer,
the voters divide them, and a listener passes on to a few what it has.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from zg_node.consensus.instance import Message
from zg_node.consensus.messages import Certificate, Proposal, Vote, VoteKind

GRACE_MS = 50
"""Between making a certificate and sending it. Below Δ: view timeouts leave room for it."""
PEERS_MAX = 1024
"""Peers whose words are remembered."""
COPIES = 2
"""Peers that a listener sends a certificate to, and voters that a listener has it of, where it is connected to all."""
PENDING_MAX = 256
"""Certificates that wait for their time; the oldest goes first."""


@dataclass(slots=True)
class _Known:
    """The highest views that a peer has spoken of, each behind its epoch: the next epoch's may begin below."""

    notarized: tuple[int, int] = (0, 0)
    """It knows that a block of this view is notarized, and so what that builds on."""
    finalised: tuple[int, int] = (0, 0)
    """It has voted to finalise a block of this view, and is told the others' votes, or has sent the certificate."""


class Relay:
    """What one shard's peers have shown to know, and the certificates that wait for the rest of them."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._pending: list[tuple[int, Certificate]] = []
        """(when to send it, certificate), in order of time."""

    def heard(self, peer: str, message: Message) -> None:
        """Take note of what `peer` must know to have said this."""
        known = self._known.get(peer)
        if known is None:
            if len(self._known) >= PEERS_MAX:
                self._known.clear()
            known = self._known[peer] = _Known()
        if isinstance(message, Proposal) or message.kind is VoteKind.SKIP:
            return  # who has skipped a view need not know what else became of it
        place = message.epoch, message.view
        if message.kind is VoteKind.FINALIZE:
            known.finalised = max(known.finalised, place)
        elif not isinstance(message, Certificate):
            return
        known.notarized = max(known.notarized, place)

    def add(self, certificate: Certificate, now_ms: int) -> int:
        """Keep a certificate until its time, which is returned."""
        if len(self._pending) >= PENDING_MAX:
            del self._pending[0]
        self._pending.append((now_ms + GRACE_MS, certificate))
        return self._pending[0][0]

    def due(
        self, peers: Sequence[str], now_ms: int, *, votes: bool, voters: Collection[str] | None
    ) -> list[tuple[Certificate, Sequence[str]]]:
        """What to send now, and to whom of the connected `peers`; `votes` says that this node votes itself."""
        ready = [certificate for at_ms, certificate in self._pending if at_ms <= now_ms]
        self._pending = self._pending[len(ready) :]
        return [(certificate, self._receivers(peers, certificate, votes, voters)) for certificate in ready]

    def next_ms(self) -> int | None:
        """When something is due next."""
        return self._pending[0][0] if self._pending else None

    def _receivers(
        self, peers: Sequence[str], certificate: Certificate, votes: bool, voters: Collection[str] | None
    ) -> Sequence[str]:
        lacking = [peer for peer in peers if not self._knows(peer, certificate)]
        final = certificate.kind is VoteKind.FINALIZE
        if not votes:
            return _some(lacking, COPIES, certificate.view) if final else ()
        if voters is None:
            return lacking
        listeners = [peer for peer in lacking if peer not in voters] if final else []
        share = max(COPIES, -(-COPIES * len(listeners) // (1 + len(voters))))
        return [*(peer for peer in lacking if peer in voters), *_some(listeners, share, certificate.view)]

    def _knows(self, peer: str, certificate: Certificate) -> bool:
        known = self._known.get(peer)
        if known is None:
            return False
        shown = known.finalised if certificate.kind is VoteKind.FINALIZE else known.notarized
        return shown >= (certificate.epoch, certificate.view)


def audience(message: Message, peers: Sequence[str], voters: Collection[str] | None) -> Collection[str] | None:
    """Who of the connected `peers` is to hear what this node says to all; None for everyone, which is cheaper. A vote
    to notarize serves those alone who may vote next; of who votes alone, it is heard like everything else."""
    serves_voters = isinstance(message, Vote) and message.kind is VoteKind.NOTARIZE
    return voters if serves_voters and voters and len(voters) < len(peers) else None


def _some(peers: Sequence[str], count: int, view: int) -> Sequence[str]:
    """At most `count` of them, others in every view."""
    if len(peers) <= count:
        return peers
    start = view * count % len(peers)
    return [*peers[start:], *peers[:start]][:count]
