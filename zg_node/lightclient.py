"""A client that believes nobody: it follows the certified epochs from genesis and takes words of the root shard's
state only with their proofs.

    genesis set ─ EPOCHS ─▶ validators of now ─ stateproof ─▶ certified header ─▶ storage words
                                                     └─ or eth_getProof of any JSON-RPC endpoint, for the same header

It needs a network connection, no disk and no execution: a dozen kilobytes an epoch, a few for each question. Of the
states that it is shown none is older than the one before: what it reads in several questions fits together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from zg_node.consensus.light import Trusted
from zg_node.consensus.sync_messages import EPOCHS_MAX, EpochsRequest, decode_epochs
from zg_node.consensus.sync_messages import PROTOCOL as SYNC
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import Network, Offence
from zg_node.stateproof import PROTOCOL as STATE_PROOF
from zg_node.stateproof import CertifiedWords, WordsRequest
from zg_node.types.block import Header

log = logging.getLogger("zg.light")

ANSWER_TIMEOUT_S = 15.0
PAUSE_S = 0.2
"""Between two rounds over the peers."""
ROUNDS_MAX = 50

Prover = Callable[[int, WordsRequest], Awaitable[tuple[Sequence[bytes], Sequence[Sequence[bytes]]]]]
"""(block number, question) → account proof and storage proofs, from a source that need not be trusted. Raises
Unavailable, InvalidMessage."""


@dataclass(frozen=True, slots=True)
class Words:
    """Proven words of a contract's storage."""

    header: Header
    """The certified block whose state has them."""
    values: tuple[int, ...]


class LightClient:
    """What is certain about the root shard."""

    def __init__(self, network: Network, trusted: Trusted) -> None:
        """`trusted` is where trust begins: the genesis set, or a later one that the operator vouches for."""
        self._network = network
        self.trusted = trusted
        self.bytes_sent = 0
        self.bytes_received = 0
        self._newest = 0
        """The number of the newest block whose state was proven."""
        self._answered = ""
        """The peer that proved it, which is asked first."""

    async def words(self, address: bytes, slots: Sequence[int], prover: Prover | None = None) -> Words:
        """The words in these slots, at most SLOTS_MAX, of a contract in a recent certified state. `prover` stands in
        for the peers' storage proofs; headers are the peers' either way. Raises Unavailable when no peer can prove
        them."""
        reason = "no peer is connected"
        for _ in range(ROUNDS_MAX):
            for peer in sorted(self._network.peers(), key=lambda peer: peer.id != self._answered):
                try:
                    return await self._ask(peer.id, WordsRequest(address, tuple(slots)), prover)
                except Unavailable as error:
                    reason = str(error)
                    log.debug("peer=%s state proof: %s", peer.id, error)
                except InvalidMessage as error:
                    reason = f"peer {peer.id} proves nothing: {error}"
                    log.info("peer=%s state proof: %s", peer.id, error)
                    self._network.report(peer.id, Offence.INVALID)
            await asyncio.sleep(PAUSE_S)
        raise Unavailable(f"no certified state: {reason}")

    async def _ask(self, peer: str, request: WordsRequest, prover: Prover | None) -> Words:
        wanted = request if prover is None else WordsRequest(request.address, ())
        answer = CertifiedWords.decode(await self._request(peer, STATE_PROOF, wanted.encode()))
        epoch, number = answer.consensus.epoch, answer.header.number
        if epoch != self.trusted.epoch:
            await self._follow(peer)
        if epoch != self.trusted.epoch:
            raise Unavailable(f"the peer is in epoch {epoch}, and {self.trusted.epoch} is the newest that it proves")
        if number < self._newest:
            raise Unavailable(f"the peer is at block {number}, and block {self._newest} is certified already")
        values = await asyncio.to_thread(answer.check, self.trusted, wanted)
        if prover is not None:
            values = await self._ask_prover(prover, answer, request)
        self._newest, self._answered = number, peer
        return Words(answer.header, values)

    async def _follow(self, peer: str) -> None:
        """Advance over the epochs that have ended, as far as the peer can prove them."""
        while True:
            answer = await self._request(peer, SYNC, EpochsRequest(0, self.trusted.epoch, EPOCHS_MAX).encode())
            proofs = decode_epochs(answer)
            for proof in proofs:
                self.trusted = await asyncio.to_thread(self.trusted.advance, proof)
            if not proofs:
                return

    async def _ask_prover(self, prover: Prover, certified: CertifiedWords, request: WordsRequest) -> tuple[int, ...]:
        try:
            account, storage = await prover(certified.header.number, request)
            answer = replace(certified, account_proof=tuple(account), storage_proofs=tuple(map(tuple, storage)))
            return answer.check(self.trusted, request)
        except InvalidMessage as error:
            raise Unavailable(f"the endpoint's proof does not hold: {error}") from error

    async def _request(self, peer: str, protocol: str, question: bytes) -> bytes:
        answer = await self._network.request(peer, protocol, question, ANSWER_TIMEOUT_S)
        self.bytes_sent += len(question)
        self.bytes_received += len(answer)
        return answer
