"""Proof that a validator contradicted itself: two statements with its signature that no honest node makes together.

    NOTARIZE(v, a) · NOTARIZE(v, b)     two blocks notarized in one view
    SKIP(v)        · FINALIZE(v, a)     a view given up and kept
    FINALIZE(v, a) · FINALIZE(v, b)     two blocks finalised in one view
    proposal(v, a) · proposal(v, b)     two proposals of one leader for one view

Anyone can check it: each half is a 32-byte digest (see `messages`) and 65 bytes that `ecrecover` turns into the voter's
address. Equal offences have equal ids, whoever reports them and in whatever order the halves came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zg_node.consensus.messages import SIGNATURE_BYTES, VOTE_MAX_BYTES, Domain, Proposal, Vote, VoteKind
from zg_node.consensus.votes import Claim, ValidatorSet, Verifier, verify
from zg_node.errors import InvalidMessage
from zg_node.types.encoding import encode
from zg_node.types.hashing import keccak
from zg_node.types.shape import strings

EVIDENCE_MAX_BYTES = 1024

_PAIRS = frozenset({(VoteKind.NOTARIZE,) * 2, (VoteKind.SKIP, VoteKind.FINALIZE), (VoteKind.FINALIZE,) * 2})


@dataclass(frozen=True, slots=True)
class Seal:
    """What a leader signed when it proposed: a proposal without its block."""

    epoch: int
    view: int
    parent_view: int
    block_hash: bytes
    leader: int
    signature: bytes

    @classmethod
    def of(cls, proposal: Proposal) -> Seal:
        return cls(
            proposal.epoch,
            proposal.view,
            proposal.parent_view,
            proposal.block.hash,
            proposal.leader,
            proposal.signature,
        )

    def encode(self) -> bytes:
        fields = (self.epoch, self.view, self.parent_view, self.block_hash, self.leader, self.signature)
        return encode(fields)

    @classmethod
    def decode(cls, data: bytes) -> Seal:
        """Parse; raises InvalidMessage."""
        f = strings(data, 6, VOTE_MAX_BYTES, "seal")
        if len(f[3]) != 32 or len(f[5]) != SIGNATURE_BYTES or any(len(f[i]) > 8 for i in (0, 1, 2, 4)):
            raise InvalidMessage("seal: a field has the wrong length")
        epoch, view, parent_view, leader = (int.from_bytes(f[i], "big") for i in (0, 1, 2, 4))
        return cls(epoch, view, parent_view, f[3], leader, f[5])


Half = Vote | Seal


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two halves in their order: by vote kind, then parent view, then block hash. Use `of`."""

    chain_id: int
    """The shard in which it happened; the network is the node's own."""
    first: Half
    second: Half

    @classmethod
    def of(cls, domain: Domain, one: Half, other: Half) -> Evidence:
        """Evidence of two halves in any order."""
        first, second = sorted((one, other), key=_order)
        return cls(domain.chain_id, first, second)

    @property
    def offender(self) -> int:
        """Index in the validator set of the epoch."""
        return _author(self.first)

    @property
    def epoch(self) -> int:
        return self.first.epoch

    @property
    def view(self) -> int:
        return self.first.view

    @property
    def id(self) -> bytes:
        """32 bytes: the same for every report of the same two statements."""
        statements = [_statement(half) for half in (self.first, self.second)]
        return keccak(encode([b"ZGEVID1", self.chain_id, self.offender, *statements]))

    def claims(self, members: ValidatorSet, domain: Domain) -> tuple[Claim, Claim]:
        """Digest, signature and address of each half: what a contract rebuilds. Raises InvalidMessage."""
        first, second = (members.claim(_author(h), _digest(domain, h), h.signature) for h in (self.first, self.second))
        return first, second

    def check(self, members: ValidatorSet, domain: Domain, verifier: Verifier = verify) -> None:
        """Raise InvalidMessage unless this convicts `offender` of `members`, the set of the domain's epoch."""
        if (self.chain_id, self.first.epoch, self.second.epoch) != (domain.chain_id, domain.epoch, domain.epoch):
            raise InvalidMessage("evidence: of another chain or epoch")
        if self.first.view != self.second.view or _author(self.first) != _author(self.second):
            raise InvalidMessage("evidence: of two views or two validators")
        if _order(self.first) >= _order(self.second) or not _contradict(self.first, self.second):
            raise InvalidMessage("evidence: the statements do not contradict each other")
        if isinstance(self.first, Seal) and members.leader(self.first.view) != self.offender:
            raise InvalidMessage("evidence: the view had another leader")
        if not all(verifier(self.claims(members, domain))):
            raise InvalidMessage(f"evidence: not signed by validator {self.offender}")

    def encode(self) -> bytes:
        tag = int(isinstance(self.first, Seal))
        return encode([tag, self.chain_id, self.first.encode(), self.second.encode()])

    @classmethod
    def decode(cls, data: bytes) -> Evidence:
        """Parse; raises InvalidMessage. `check` says whether it convicts."""
        tag, chain_id, first, second = strings(data, 4, EVIDENCE_MAX_BYTES, "evidence")
        if tag not in (b"", b"\1") or len(chain_id) > 8:
            raise InvalidMessage("evidence: of an unknown sort")
        parse: Callable[[bytes], Half] = Seal.decode if tag else Vote.decode
        evidence = cls(int.from_bytes(chain_id, "big"), parse(first), parse(second))
        if evidence.encode() != data:
            raise InvalidMessage("evidence: not canonical")
        return evidence


def contradiction(domain: Domain, earlier: Sequence[Vote], vote: Vote) -> Evidence | None:
    """The evidence that `vote` makes with one of its voter's `earlier` votes in the same view."""
    for other in earlier:
        if _contradict(*sorted((other, vote), key=_order)):
            return Evidence.of(domain, other, vote)
    return None


def _contradict(first: Half, second: Half) -> bool:
    """Whether two different statements of one validator in one view, in order, are an offence."""
    match first, second:
        case Seal(), Seal():
            return (first.parent_view, first.block_hash) != (second.parent_view, second.block_hash)
        case Vote(), Vote():
            return (first.kind, second.kind) in _PAIRS and first.block_hash != second.block_hash
    return False


def _order(half: Half) -> tuple[int, bytes]:
    return (half.parent_view if isinstance(half, Seal) else int(half.kind), half.block_hash)


def _author(half: Half) -> int:
    return half.leader if isinstance(half, Seal) else half.voter


def _statement(half: Half) -> list[int | bytes]:
    """A half without its signature, which is not unique."""
    kind = 0 if isinstance(half, Seal) else int(half.kind)
    parent_view = half.parent_view if isinstance(half, Seal) else 0
    return [kind, half.epoch, half.view, parent_view, half.block_hash]


def _digest(domain: Domain, half: Half) -> bytes:
    if isinstance(half, Seal):
        return domain.proposal_digest(half.view, half.parent_view, half.block_hash)
    return domain.vote_digest(half.kind, half.view, half.block_hash)
