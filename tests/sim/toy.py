"""What consensus-only schedules put in the place of keys and of the EVM: the same shapes, a hundredth of the cost.

signature   keccak(secret ‖ digest), 65 bytes; nobody in a schedule holds another's secret
state       a root that is the keccak of the parent's root and the block's body
body        its keccak, where a header has the transactions root
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import rlp

from zg_node.consensus.epoch import Epochs
from zg_node.consensus.messages import Certificate, Domain, VoteKind
from zg_node.consensus.votes import Claim, ValidatorSet, Verifier
from zg_node.errors import InvalidBlock
from zg_node.execution.validation import CLOCK_DRIFT_MAX_MS
from zg_node.types.block import HEADER_MAX_BYTES, Block, ConsensusHeader, Header, StoredBlock
from zg_node.types.hashing import EMPTY_TRIE_ROOT, EMPTY_UNCLES_HASH, ZERO_HASH, keccak
from zg_node.types.shape import strings

NETWORK = keccak(b"a network that exists for the length of a schedule")
CHAIN_ID = 1


def secret(index: int) -> bytes:
    """Validator `index`'s key."""
    return keccak(b"secret" + index.to_bytes(4, "big"))


def address(index: int) -> bytes:
    """20 bytes; ascending, so that node numbers and places in the set are the same."""
    return index.to_bytes(4, "big") + keccak(secret(index))[:16]


def sign(key: bytes, digest: bytes) -> bytes:
    """65 bytes."""
    return keccak(key + digest) + bytes(33)


@dataclass(frozen=True, slots=True)
class ToyKey:
    """What a `Signer` asks of a key."""

    secret: bytes

    def sign_recoverable(self, digest: bytes, hasher: None = None) -> bytes:
        return sign(self.secret, digest)


class Notary:
    """Checks signatures of `count` validators."""

    def __init__(self, count: int) -> None:
        self._secrets = {address(index): secret(index) for index in range(count)}

    def verify(self, claims: Sequence[Claim]) -> list[bool]:
        """Satisfies `Verifier`."""
        secrets = self._secrets
        return [c.address in secrets and c.signature == sign(secrets[c.address], c.digest) for c in claims]


@cache
def _genesis(set_hash: bytes) -> Block:
    return make_block(ZERO_HASH, ZERO_HASH, 0, 0, 0, 0, set_hash, b"\xc0")


def genesis(set_hash: bytes) -> StoredBlock:
    """Block 0."""
    return stored(_genesis(set_hash), b"")


def make_block(
    parent_hash: bytes,
    parent_root: bytes,
    number: int,
    epoch: int,
    view: int,
    timestamp_ms: int,
    set_hash: bytes,
    body: bytes,
) -> Block:
    """A block whose state root follows from its parent's."""
    consensus = ConsensusHeader(NETWORK, epoch, view, timestamp_ms, set_hash, set_hash, 0, 0)
    return _block(parent_hash, keccak(parent_root + body), number, consensus, body)


def child(epochs: Epochs, parent: Block | StoredBlock, view: int, timestamp_ms: int, salt: bytes) -> Block:
    """A sound child of `parent`; its clock may be behind the parent's."""
    consensus = parent.consensus
    return make_block(
        parent.hash,
        parent.header.state_root,
        parent.number + 1,
        epochs.epoch_after(parent.number, consensus),
        view,
        max(timestamp_ms, consensus.timestamp_ms + 1),
        consensus.set_hash,
        bytes(rlp.encode([salt])),
    )


def spoil(block: Block) -> Block:
    """The same block with a state root that does not follow."""
    fields = list(rlp.decode(block.header.raw))
    fields[3] = keccak(fields[3])
    return Block(Header.decode(bytes(rlp.encode(fields))), block.consensus, block.body)


def end(block: Block, shard: int, epoch_blocks: int) -> Block:
    """The same block of a shard, but it says that it is the last of its epoch."""
    fields, consensus = list(rlp.decode(block.header.raw)), block.consensus
    last = (consensus.epoch + 1) * epoch_blocks
    if shard == 0:
        fields[8] = last.to_bytes((last.bit_length() + 7) // 8, "big")
    else:
        consensus = replace(consensus, root_number=last)
        fields[12] = consensus.hash()
    return Block(Header.decode(bytes(rlp.encode(fields))), consensus, block.body)


def _block(parent_hash: bytes, root: bytes, number: int, consensus: ConsensusHeader, body: bytes) -> Block:
    fields = [
        parent_hash, EMPTY_UNCLES_HASH, bytes(20), root, keccak(body), EMPTY_TRIE_ROOT, bytes(256), 0, number,
        30_000_000, 0, consensus.timestamp_ms // 1000, consensus.hash(), ZERO_HASH, bytes(8), 10**9, EMPTY_TRIE_ROOT,
        0, 0, ZERO_HASH, ZERO_HASH,
    ]  # fmt: skip
    return Block(Header.decode(bytes(rlp.encode(fields))), consensus, body)


def check_body(header: bytes, body: bytes) -> None:
    """Satisfies `BodyCheck`."""
    if strings(header, 21, HEADER_MAX_BYTES, "header")[4] != keccak(body):
        raise InvalidBlock("another block's body")


def stored(block: Block, certificate: bytes) -> StoredBlock:
    return StoredBlock(block.header, block.consensus, block.body, b"", b"\xc0", certificate)


def certified(block: StoredBlock, members: ValidatorSet, verifier: Verifier) -> bool:
    """Whether a block of another node has a finality certificate of its own. Raises InvalidMessage for a false one."""
    certificate = Certificate.decode(block.certificate)
    if certificate.block_hash != block.hash or certificate.kind is not VoteKind.FINALIZE:
        return False
    members.check_certificate(Domain(NETWORK, CHAIN_ID, certificate.epoch), certificate, verifier)
    return True


class Ledger:
    """A node's blocks: the final ones, and those that were executed on top of them."""

    def __init__(self, head: StoredBlock, epochs: Epochs) -> None:
        self.head = head
        self.final = [head]
        """Every final block, by height."""
        self._epochs = epochs
        self._pending: dict[bytes, Block] = {}

    def propose(self, view: int, parent_hash: bytes, now_ms: int, salt: bytes) -> Block:
        """A block on `parent_hash`. Raises InvalidBlock when the parent is unknown."""
        block = child(self._epochs, self._parent(parent_hash), view, now_ms, salt)
        self._pending[block.hash] = block
        return block

    def execute(self, block: Block, now_ms: int | None) -> None:
        """Check `block` on its parent; without a clock for one that a quorum vouches for. Raises InvalidBlock."""
        parent = self._parent(block.header.parent_hash)
        timestamp_ms = block.consensus.timestamp_ms
        if timestamp_ms <= parent.consensus.timestamp_ms:
            raise InvalidBlock("the timestamp does not grow")
        if now_ms is not None and timestamp_ms > now_ms + CLOCK_DRIFT_MAX_MS:
            raise InvalidBlock("the timestamp is ahead of our clock")
        if block.consensus.epoch != self._epochs.epoch_after(parent.number, parent.consensus):
            raise InvalidBlock("the epoch does not follow from the parent")
        root = keccak(parent.header.state_root + block.body)
        if block.number != parent.number + 1 or block.header.state_root != root:
            raise InvalidBlock("the block does not follow from its parent")
        self._pending[block.hash] = block

    def commit(self, block: Block, certificate: bytes) -> StoredBlock:
        """Make an executed child of the head the head."""
        assert block.hash in self._pending, "only an executed block becomes final"
        assert block.header.parent_hash == self.head.hash, "only a child of the head becomes final"
        self._pending = {h: b for h, b in self._pending.items() if b.number > block.number}
        self.head = stored(block, certificate)
        self.final.append(self.head)
        return self.head

    def find(self, block_hash: bytes) -> Block | None:
        """A block that this node has, final or not."""
        for block in reversed(self.final):
            if block.hash == block_hash:
                return Block(block.header, block.consensus, block.body)
        return self._pending.get(block_hash)

    def _parent(self, block_hash: bytes) -> Block | StoredBlock:
        if block_hash == self.head.hash:
            return self.head
        block = self._pending.get(block_hash)
        if block is None:
            raise InvalidBlock("unknown parent")
        return block
