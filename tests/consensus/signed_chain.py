"""A finalised chain with real signatures and toy bodies, over several epochs, as a peer serves it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import rlp
from coincurve import PrivateKey

from zg_node.consensus.light import EpochProof
from zg_node.consensus.messages import Certificate, Domain, VoteKind
from zg_node.consensus.sync_verify import Rules
from zg_node.consensus.votes import Signer, Validator, ValidatorSet, address_of
from zg_node.errors import InvalidBlock
from zg_node.types.block import Block, ConsensusHeader, Header, StoredBlock
from zg_node.types.hashing import EMPTY_TRIE_ROOT, EMPTY_UNCLES_HASH, ZERO_HASH, keccak

NETWORK = keccak(b"signed chain")
CHAIN_ID = 7
EPOCH_BLOCKS = 40


def keys(count: int, salt: int = 0) -> list[PrivateKey]:
    """The same ones every time."""
    return [PrivateKey(keccak(bytes([salt, index]))) for index in range(count)]


def members_of(signers: Iterable[PrivateKey]) -> ValidatorSet:
    """A set of equal stakes."""
    return ValidatorSet(
        tuple(sorted((Validator(address_of(key.public_key), 1) for key in signers), key=lambda v: v.address))
    )


def check_body(header: bytes, body: bytes) -> None:
    """A toy transactions root: the keccak of the body."""
    if rlp.decode(header)[4] != keccak(body):
        raise InvalidBlock("another block's body")


@dataclass(slots=True)
class Epochs:
    """Signing keys by epoch; the sets alternate from epoch 2 on."""

    by_epoch: list[list[PrivateKey]] = field(
        default_factory=lambda: [keys(4), keys(4), keys(4, 1), keys(7, 2), keys(4)]
    )

    def of(self, epoch: int) -> ValidatorSet | None:
        return members_of(self.by_epoch[epoch]) if epoch < len(self.by_epoch) else None

    def certify(self, epoch: int, view: int, block_hash: bytes, kind: VoteKind = VoteKind.FINALIZE) -> Certificate:
        """A quorum's votes."""
        members, domain = members_of(self.by_epoch[epoch]), Domain(NETWORK, CHAIN_ID, epoch)
        signatures = []
        for key in self.by_epoch[epoch]:
            index = members.index_of(address_of(key.public_key))
            assert index is not None
            signatures.append((index, Signer(key, index).vote(domain, kind, view, block_hash).signature))
        return Certificate(kind, epoch, view, block_hash, tuple(sorted(signatures)[: len(signatures) * 2 // 3 + 1]))


def epoch_of(number: int) -> int:
    return max(0, number - 1) // EPOCH_BLOCKS


def make(parent: StoredBlock | None, body: bytes, epochs: Epochs, salt: int = 0) -> Block:
    """The block after `parent`, or block 0."""
    number = 0 if parent is None else parent.number + 1
    epoch = epoch_of(number)
    members, following = epochs.of(epoch), epochs.of(epoch + 1)
    assert members is not None
    last = number == (epoch + 1) * EPOCH_BLOCKS and following is not None
    next_set = following.hash() if last and following is not None else members.hash()
    consensus = ConsensusHeader(NETWORK, epoch, number, 1000 * number + salt, members.hash(), next_set, 0, 0)
    parent_hash = ZERO_HASH if parent is None else parent.hash
    fields = [
        parent_hash, EMPTY_UNCLES_HASH, bytes(20), ZERO_HASH, keccak(body), EMPTY_TRIE_ROOT, bytes(256), 0, number,
        500_000_000, 0, number, consensus.hash(), ZERO_HASH, bytes(8), 10**9, EMPTY_TRIE_ROOT, 0, 0, ZERO_HASH,
        ZERO_HASH,
    ]  # fmt: skip
    return Block(Header.decode(rlp.encode(fields)), consensus, body)


def stored(block: Block, certificate: bytes) -> StoredBlock:
    """As the database keeps it."""
    return StoredBlock(block.header, block.consensus, block.body, b"", b"receipts", certificate)


@dataclass(slots=True)
class Index:
    """What a block store tells beside the blocks."""

    first: int = 0
    epochs: dict[int, bytes] = field(default_factory=dict)

    def epoch(self, epoch: int) -> bytes | None:
        return self.epochs.get(epoch)


class SignedChain:
    """`length` blocks after block 0. With `gap` only every gap-th block, and every epoch's last, has a certificate of
    its own; the others have that of a descendant."""

    def __init__(
        self, length: int, *, gap: int = 1, body_bytes: int = 50, epochs: Epochs | None = None, salt: int = 0
    ) -> None:
        self.epochs = epochs or Epochs()
        self.blocks = Index()
        self.stored = [stored(make(None, b"\xc0", self.epochs), b"")]
        waiting: list[Block] = []
        parent = self.stored[0]
        for number in range(1, length + 1):
            body = (number.to_bytes(4, "big") + bytes([salt])) * (body_bytes // 5 + 1)
            block = make(parent, body, self.epochs, salt)
            parent = stored(block, b"")
            waiting.append(block)
            if number % gap == 0 or number % EPOCH_BLOCKS == 0 or number == length:
                certificate = self.epochs.certify(block.consensus.epoch, block.consensus.view, block.hash)
                self.stored += [stored(b, certificate.encode()) for b in waiting]
                waiting = []
            if number % EPOCH_BLOCKS == 0:
                self._end_epoch(self.stored[-1])

    def _end_epoch(self, block: StoredBlock) -> None:
        following = self.epochs.of(block.consensus.epoch + 1)
        if following is not None:
            certificate = Certificate.decode(block.certificate)
            proof = EpochProof(block.header, block.consensus, certificate, following.validators)
            self.blocks.epochs[block.consensus.epoch] = proof.encode()

    @property
    def head(self) -> StoredBlock:
        return self.stored[-1]

    def by_number(self, number: int) -> StoredBlock | None:
        return self.stored[number] if self.blocks.first <= number < len(self.stored) else None

    def rules(self, known: int | None = None) -> Rules:
        """What its blocks are checked against; with `known` only the sets up to that epoch are known."""
        sets = self.epochs.of if known is None else lambda epoch: self.epochs.of(epoch) if epoch <= known else None
        return Rules(NETWORK, CHAIN_ID, sets, check_body)

    def with_block(self, number: int, **changes: object) -> SignedChain:
        """A copy in which one stored block is another."""
        copy = object.__new__(SignedChain)
        copy.epochs, copy.blocks = self.epochs, self.blocks
        copy.stored = list(self.stored)
        copy.stored[number] = replace(self.stored[number], **changes)  # type: ignore[arg-type]
        return copy
