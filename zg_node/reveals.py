"""Who reveals what on one shard: this node's own values, and whether another proposer's is the one that it must be.

the set of the epoch ─▶ the address of who leads the view ─▶ the key in the reveal ─▶ its proof
"""

from __future__ import annotations

from coincurve import PublicKey

from zg_node import _core
from zg_node.consensus.votes import address_of
from zg_node.epochs import ValidatorSets, Voter
from zg_node.errors import InvalidBlock, Unavailable
from zg_node.execution.beacon import parts, reveal_message
from zg_node.types.block import ConsensusHeader


class Reveals:
    """Satisfies `execution.beacon.Beacon`."""

    def __init__(self, network: bytes, chain_id: int, sets: ValidatorSets, voter: Voter | None) -> None:
        self._network = network
        self._chain_id = chain_id
        self._sets = sets
        self._voter = voter
        self._last: tuple[int, bytes] | None = None
        """Height and reveal; the same height is tried again while there is nothing to put into a block."""

    def reveal(self, number: int) -> bytes:
        """This node's reveal; see `Beacon`."""
        if self._voter is None:
            raise Unavailable("a node without a voting key proposes nothing")
        if self._last is None or self._last[0] != number:
            key = self._voter.key
            self._last = number, key.public_key.format() + _core.vrf_prove(key.secret, self._message(number))
        return self._last[1]

    def check(self, number: int, header: ConsensusHeader) -> None:
        """Whether a reveal is its proposer's; see `Beacon`."""
        members = self._sets.certain(header.epoch)
        leader = members.validators[members.leader(header.view)]
        pubkey, proof = parts(header.reveal)
        if _address(pubkey) != leader.address:
            raise InvalidBlock("the key that reveals is not that of who leads the view")
        if _core.vrf_verify(pubkey, self._message(number), proof) is None:
            raise InvalidBlock("what the proposer reveals is not proven")

    def _message(self, number: int) -> bytes:
        return reveal_message(self._network, self._chain_id, number)


def _address(pubkey: bytes) -> bytes:
    """20 bytes. Raises InvalidBlock for what is no key."""
    try:
        return address_of(PublicKey(pubkey))
    except ValueError as error:
        raise InvalidBlock("what the proposer reveals begins with no public key") from error
