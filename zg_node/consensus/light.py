"""Trust from genesis to now without executing anything: a chain of epochs' last headers.

    genesis set ─▶ certifies the last block of epoch 0, whose header commits to the set of epoch 1 ─▶ … ─▶ epoch e

The last block of an epoch always has a FINALIZE certificate of its own, by the epoch's own set, and its consensus
header names the hash of the next set; the set itself travels beside it. So a dozen kilobytes an epoch prove the
current validators, and with them any header, any receipt under it, and the state root that a snapshot must give.

This is safe as long as no past set's keys have been bought: a node that was offline for longer than the unbonding
period needs a recent block hash from someone it trusts (`Trusted` can begin from any set).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from zg_node.consensus.messages import CERTIFICATE_MAX_BYTES, Certificate, Domain, VoteKind
from zg_node.consensus.votes import VALIDATORS_MAX, Validator, ValidatorSet
from zg_node.errors import InvalidMessage
from zg_node.types.block import CONSENSUS_HEADER_MAX_BYTES, HEADER_MAX_BYTES, ConsensusHeader, Header
from zg_node.types.encoding import encode
from zg_node.types.hashing import keccak
from zg_node.types.shape import decode

SET_MAX_BYTES = VALIDATORS_MAX * 64
EPOCH_PROOF_MAX_BYTES = CERTIFICATE_MAX_BYTES + HEADER_MAX_BYTES + CONSENSUS_HEADER_MAX_BYTES + SET_MAX_BYTES + 64


@dataclass(frozen=True, slots=True)
class EpochProof:
    """The last block of an epoch, and the set that takes over. RLP of the four, each as a string."""

    header: Header
    consensus: ConsensusHeader
    certificate: Certificate
    """FINALIZE for `header` itself, by the epoch's set."""
    members: tuple[Validator, ...]
    """The next epoch's set. A `ValidatorSet` is made of it only once it is proven: that takes work."""

    def encode(self) -> bytes:
        parts = [self.header.raw, self.consensus.encode(), self.certificate.encode(), encode_members(self.members)]
        return encode(parts)

    @classmethod
    def decode(cls, data: bytes) -> EpochProof:
        """Parse; raises InvalidMessage. Nothing is proven yet."""
        match decode(data, EPOCH_PROOF_MAX_BYTES, "epoch proof"):
            case [bytes() as header, bytes() as consensus, bytes() as certificate, bytes() as members]:
                return cls(
                    Header.decode(header),
                    ConsensusHeader.decode(consensus),
                    Certificate.decode(certificate),
                    decode_members(members),
                )
        raise InvalidMessage("epoch proof: wrong shape")


@dataclass(frozen=True, slots=True)
class Trusted:
    """What a light client believes about one shard: the validators of an epoch."""

    network: bytes
    chain_id: int
    is_root: bool
    epoch_blocks: int
    """Blocks in an epoch of the root shard."""
    epoch: int
    members: ValidatorSet
    last: Header | None = None
    """The last header of the epoch before; None at the beginning."""

    def check_header(self, header: Header, consensus: ConsensusHeader, certificate: Certificate) -> None:
        """Raise InvalidMessage unless `header` is a final block of this epoch by its own certificate."""
        if header.extra_data != consensus.hash():
            raise InvalidMessage("extraData is not the consensus header's hash")
        if consensus.network != self.network or consensus.epoch != self.epoch:
            raise InvalidMessage(f"a header of epoch {consensus.epoch}, where epoch {self.epoch} is known")
        if consensus.set_hash != self.members.hash():
            raise InvalidMessage(f"the header names other validators for epoch {self.epoch}")
        if certificate.kind is not VoteKind.FINALIZE or certificate.block_hash != header.hash:
            raise InvalidMessage("the certificate does not finalise this header")
        if certificate.view < consensus.view:
            raise InvalidMessage("the certificate is older than its block")
        self.members.check_certificate(Domain(self.network, self.chain_id, self.epoch), certificate)

    def advance(self, proof: EpochProof) -> Trusted:
        """Believe in the next epoch's validators. Raises InvalidMessage, and nothing has changed."""
        self.check_header(proof.header, proof.consensus, proof.certificate)
        if not self.is_last(proof.header, proof.consensus):
            raise InvalidMessage(f"block {proof.header.number} is not the last of epoch {self.epoch}")
        if _hash(proof.members) != proof.consensus.next_set_hash:
            raise InvalidMessage(f"these are not the validators that epoch {self.epoch} hands over to")
        members = self.members if proof.members == self.members.validators else ValidatorSet(proof.members)
        return replace(self, epoch=self.epoch + 1, members=members, last=proof.header)

    def is_last(self, header: Header, consensus: ConsensusHeader) -> bool:
        """Whether a header of this epoch ends it. A shard's epoch ends with the block that imports the root's end."""
        return (header.number if self.is_root else consensus.root_number) == (self.epoch + 1) * self.epoch_blocks


def encode_members(members: tuple[Validator, ...]) -> bytes:
    """RLP [[address, stake] …], ascending by address."""
    return encode([[v.address, v.stake] for v in members])


def decode_members(data: bytes) -> tuple[Validator, ...]:
    """Parse; raises InvalidMessage. Order and stakes are checked with the hash of the whole."""
    items = decode(data, SET_MAX_BYTES, "validator set")
    if not isinstance(items, list) or not 0 < len(items) <= VALIDATORS_MAX:
        raise InvalidMessage("validator set: wrong shape")
    return tuple(map(_member, items))


def _member(item: object) -> Validator:
    match item:
        case [bytes() as address, bytes() as stake] if (
            len(address) == 20 and 0 < len(stake) <= 32 and stake[:1] != b"\0"
        ):
            return Validator(address, int.from_bytes(stake, "big"))
    raise InvalidMessage("validator set: a member has the wrong shape")


def _hash(members: tuple[Validator, ...]) -> bytes:
    """As `ValidatorSet.hash`."""
    return keccak(b"".join(v.address + v.stake.to_bytes(32, "big") for v in members))
