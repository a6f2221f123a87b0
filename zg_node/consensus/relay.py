"""Whom to send a certificate: the peers that have not shown, a moment later, that they know what it proves.

    a quorum of votes ─▶ add ─ GRACE_MS ─▶ due: (peer, certificate) for everyone that has not shown it

Votes go to everyone, so nearly everyone makes the same certificates; sending each to all would double what a block
costs. It helps those alone that have missed votes: who is connected to a part of the validators, or only listens. What
a peer says tells what it knows. A peer that lies about it harms itself. Nodes that only listen never show what they
know, and each would send every certificate to all the others: they send it to a few, each time to others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zg_node.consensus.instance import Message
from zg_node.consensus.messages import Certificate, Proposal, VoteKind

GRACE_MS = 50
"""Between making a certificate and sending it. Below Δ: view timeouts leave room for it."""
PEERS_MAX = 1024
"""Peers whose words are remembered."""
LISTENER_PEERS_MAX = 3
"""Peers to whom a node without a vote sends a certificate."""
PENDING_MAX = 256
"""Certificates that wait for their time; the oldest goes first."""


@dataclass(slots=True)
class _Known:
    """The highest views that a peer has spoken of."""

    notarized: int = 0
    """It knows that a block of this view is notarized, and so what that builds on."""
    finalised: int = 0
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
        if message.kind is VoteKind.FINALIZE:
            known.finalised = max(known.finalised, message.view)
        elif not isinstance(message, Certificate):
            return
        known.notarized = max(known.notarized, message.view)

    def add(self, certificate: Certificate, now_ms: int) -> int:
        """Keep a certificate until its time, which is returned."""
        if len(self._pending) >= PENDING_MAX:
            del self._pending[0]
        self._pending.append((now_ms + GRACE_MS, certificate))
        return self._pending[0][0]

    def due(self, peers: Sequence[str], now_ms: int, most: int = PEERS_MAX) -> list[tuple[str, Certificate]]:
        """What to send now, and to whom: each certificate to `most` peers."""
        ready = [certificate for at_ms, certificate in self._pending if at_ms <= now_ms]
        self._pending = self._pending[len(ready) :]
        return [(peer, certificate) for certificate in ready for peer in self._lacking(peers, certificate, most)]

    def next_ms(self) -> int | None:
        """When something is due next."""
        return self._pending[0][0] if self._pending else None

    def _lacking(self, peers: Sequence[str], certificate: Certificate, most: int) -> Sequence[str]:
        """Those who have not shown it; of more than `most`, others in every view."""
        lacking = [peer for peer in peers if not self._knows(peer, certificate)]
        if len(lacking) <= most:
            return lacking
        start = certificate.view * most % len(lacking)
        return (lacking[start:] + lacking[:start])[:most]

    def _knows(self, peer: str, certificate: Certificate) -> bool:
        known = self._known.get(peer)
        if known is None:
            return False
        shown = known.finalised if certificate.kind is VoteKind.FINALIZE else known.notarized
        return shown >= certificate.view
