"""Words of the root shard's storage, with everything that proves them to a light client: `/zg/stateproof/1`.

    question = RLP [address, slot …]                     up to SLOTS_MAX slots of one contract
    answer   = RLP [header, consensus header, FINALIZE certificate, account proof, storage proof …]

The proof is of the newest final block that has a certificate of its own; who asks chooses no block, so an answer costs
the node a handful of trie reads. `CertifiedWords.check` needs nothing but the validators of the block's epoch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import orjson

from zg_node.consensus.light import Trusted
from zg_node.consensus.messages import Certificate
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.network import REQUEST_MAX_BYTES, RESPONSE_MAX_BYTES
from zg_node.types.block import ConsensusHeader, Header, StoredBlock
from zg_node.types.encoding import encode
from zg_node.types.shape import decode
from zg_node.types.trie_proof import PROOF_MAX_NODES, storage_word

PROTOCOL = "/zg/stateproof/1"

SLOTS_MAX = 32
SERVED_MAX = 4
"""Questions answered at one time; the network bounds how many wait."""


@dataclass(frozen=True, slots=True)
class WordsRequest:
    """Which words."""

    address: bytes
    """20 bytes."""
    slots: tuple[int, ...]

    def encode(self) -> bytes:
        return encode((self.address, *(slot.to_bytes(32, "big") for slot in self.slots)))

    @classmethod
    def decode(cls, data: bytes) -> WordsRequest:
        """Parse a peer's question; raises InvalidMessage."""
        match decode(data, REQUEST_MAX_BYTES, "state proof request"):
            case [bytes() as address, *slots] if len(address) == 20 and len(slots) <= SLOTS_MAX:
                return cls(address, tuple(map(_slot, slots)))
        raise InvalidMessage("state proof request: wrong shape")


@dataclass(frozen=True, slots=True)
class CertifiedWords:
    """An answer; nothing in it is proven before `check`."""

    header: Header
    consensus: ConsensusHeader
    certificate: Certificate
    account_proof: tuple[bytes, ...]
    storage_proofs: tuple[tuple[bytes, ...], ...]
    """One a slot, in the question's order."""

    def encode(self) -> bytes:
        parts = (self.header.raw, self.consensus.encode(), self.certificate.encode())
        return encode((*parts, self.account_proof, *self.storage_proofs))

    @classmethod
    def decode(cls, data: bytes) -> CertifiedWords:
        """Parse; raises InvalidMessage."""
        match decode(data, RESPONSE_MAX_BYTES, "state proof"):
            case [bytes() as header, bytes() as consensus, bytes() as certificate, account, *slots] if (
                len(slots) <= SLOTS_MAX
            ):
                return cls(
                    Header.decode(header),
                    ConsensusHeader.decode(consensus),
                    Certificate.decode(certificate),
                    _nodes(account),
                    tuple(map(_nodes, slots)),
                )
        raise InvalidMessage("state proof: wrong shape")

    def check(self, trusted: Trusted, request: WordsRequest) -> tuple[int, ...]:
        """The words that were asked for, in order. Raises InvalidMessage unless a block of the epoch that `trusted`
        knows, final by its own certificate, has them."""
        trusted.check_header(self.header, self.consensus, self.certificate)
        if len(self.storage_proofs) != len(request.slots):
            raise InvalidMessage("state proof: of another number of slots")
        root = self.header.state_root
        return tuple(
            storage_word(root, request.address, slot, self.account_proof, proof)
            for slot, proof in zip(request.slots, self.storage_proofs, strict=True)
        )


def _slot(item: object) -> int:
    if isinstance(item, bytes) and len(item) == 32:
        return int.from_bytes(item, "big")
    raise InvalidMessage("state proof request: a slot has the wrong shape")


def _nodes(item: object) -> tuple[bytes, ...]:
    if isinstance(item, list) and len(item) <= PROOF_MAX_NODES and all(isinstance(node, bytes) for node in item):
        return tuple(item)
    raise InvalidMessage("state proof: wrong shape")


class State(Protocol):
    """What is asked of a shard's state, from any thread."""

    def proof_json(self, at: int | bytes, address: bytes, slots: Sequence[int]) -> bytes: ...


class ProvenChain(Protocol):
    """What is asked of the root shard's chain, from any thread."""

    @property
    def head(self) -> StoredBlock: ...

    @property
    def state(self) -> State: ...


class StateProofServer:
    """The handler of `/zg/stateproof/1`."""

    def __init__(self, root: ProvenChain, executor: Executor) -> None:
        self._root = root
        self._executor = executor
        self._turns = asyncio.Semaphore(SERVED_MAX)

    async def answer(self, peer: str, message: bytes) -> bytes:
        """A peer's question. Raises InvalidMessage, Unavailable."""
        request = WordsRequest.decode(message)
        async with self._turns:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._prove, request)

    def _prove(self, request: WordsRequest) -> bytes:
        block = self._root.head
        certificate = Certificate.decode(block.certificate) if block.certificate else None
        if certificate is None or certificate.block_hash != block.hash:
            raise Unavailable("the newest block has no certificate of its own yet")
        proof = orjson.loads(self._root.state.proof_json(block.number, request.address, request.slots))
        account = _unhex(proof["accountProof"])
        storage = tuple(_unhex(entry["proof"]) for entry in proof["storageProof"])
        return CertifiedWords(block.header, block.consensus, certificate, account, storage).encode()


def _unhex(nodes: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(node.removeprefix("0x")) for node in nodes)
