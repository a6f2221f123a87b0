"""Who reveals what on one shard: this node's own values, and whether another proposer's is the one that it must be.

the set of the epoch ─▶ who leads the view ─▶ its BLS key, from the staking contract ─▶ check
"""

from __future__ import annotations

from zg_node.epochs import ValidatorSets, Voter
from zg_node.errors import InvalidBlock, Unavailable
from zg_node.execution.beacon import Scheme, reveal_message
from zg_node.types.block import ConsensusHeader


class Reveals:
    """Satisfies `execution.beacon.Beacon`."""

    def __init__(self, network: bytes, chain_id: int, sets: ValidatorSets, voter: Voter | None, scheme: Scheme) -> None:
        self._network = network
        self._chain_id = chain_id
        self._sets = sets
        self._voter = voter
        self._scheme = scheme
        self._last: tuple[int, bytes] | None = None
        """Height and reveal; the same height is tried again while there is nothing to put into a block."""

    def reveal(self, number: int) -> bytes:
        """This node's reveal; see `Beacon`."""
        if self._voter is None:
            raise Unavailable("a node without a voting key proposes nothing")
        if self._last is None or self._last[0] != number:
            self._last = number, self._scheme.sign(self._voter.bls_secret, self._message(number))
        return self._last[1]

    def check(self, number: int, header: ConsensusHeader) -> None:
        """Whether a reveal is its proposer's; see `Beacon`."""
        pubkey = self._sets.leader_pubkey(header.epoch, header.view)
        if not self._scheme.verify(pubkey, self._message(number), header.reveal):
            raise InvalidBlock("what the proposer reveals is not signed by its BLS key")

    def _message(self, number: int) -> bytes:
        return reveal_message(self._network, self._chain_id, number)
