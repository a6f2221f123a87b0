"""Between a node and its network: what consensus says is told to the monitor and bent by the node's attacker, what it
answers to those that catch up is bent by its liar, and whom it blames is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from tests.sim.liars.liar import Liar
from zg_node import _core
from zg_node.consensus import wire
from zg_node.consensus.votes import Claim, verify
from zg_node.p2p.memory import MemoryNetwork
from zg_node.p2p.network import Offence, RequestHandler

CLAIMS_MAX = 20_000
DECODED_MAX = 1024
REVEALS_MAX = 256

decode = lru_cache(DECODED_MAX)(wire.decode)
"""The real parsing of a message, done once for all who look at it: messages never change."""
verify_reveal = lru_cache(REVEALS_MAX)(_core.vrf_verify)
"""The real check of what a proposer reveals, made once for all who execute its block."""


class MemoisedVerifier:
    """The real check of a signature, made once for all nodes of a schedule: it is a pure function."""

    def __init__(self) -> None:
        self._known: dict[Claim, bool] = {}

    def __call__(self, claims: Sequence[Claim]) -> tuple[bool, ...]:
        known = self._known
        if len(known) > CLAIMS_MAX:
            known.clear()
        for claim in claims:
            if claim not in known:
                known[claim] = verify((claim,))[0]
        return tuple(known[claim] for claim in claims)


class Speaker(Protocol):
    """The node behind a tap."""

    def said(self, message: bytes) -> None:
        """Consensus says this, to whomever."""

    def speak(self, peer: str, message: bytes) -> None:
        """Send it to a peer, as the node's attacker bends it."""

    def overhear(self, message: bytes) -> None:
        """This reached the node."""

    def blames(self, peer: str, offence: Offence) -> None:
        """The node takes points of a peer."""


class Tap:
    """A node's network as its services see it."""

    def __init__(self, network: MemoryNetwork, node: Speaker, liar: Liar | None) -> None:
        self._network = network
        self._node = node
        self._liar = liar
        self.peers = network.peers
        self.publish = network.publish
        self.subscribe = network.subscribe
        self.request = network.request
        self.on_peer = network.on_peer
        self.protect = network.protect

    @property
    def peer_id(self) -> str:
        return self._network.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        return self._network.addresses

    def broadcast(self, message: bytes) -> None:
        self._node.said(message)
        for peer in self._network.peers():
            self._node.speak(peer.id, message)

    def send(self, peer: str, message: bytes) -> None:
        self._node.said(message)
        self._node.speak(peer, message)

    def on_direct(self, handler: Callable[[str, bytes], None]) -> None:
        def hear(peer: str, message: bytes) -> None:
            self._node.overhear(message)
            handler(peer, message)

        self._network.on_direct(hear)

    def serve(self, protocol: str, handler: RequestHandler) -> None:
        self._network.serve(protocol, handler if self._liar is None else self._liar.serving(handler))

    def report(self, peer: str, offence: Offence) -> None:
        self._node.blames(peer, offence)
        self._network.report(peer, offence)
