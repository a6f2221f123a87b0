"""A real shard with one validator and short epochs: what a node that serves a snapshot has."""

from __future__ import annotations

from pathlib import Path

import orjson
from coincurve import PrivateKey

from tests.beacon import Silent
from zg_node import _core
from zg_node.clock import ManualClock
from zg_node.consensus.epoch import Epochs
from zg_node.consensus.light import EpochProof, Trusted
from zg_node.consensus.messages import Certificate, Domain, VoteKind
from zg_node.consensus.votes import Signer, Validator, ValidatorSet, address_of
from zg_node.execution.genesis import packaged, parse
from zg_node.execution.service import Chain, ChainOptions, SystemCalls
from zg_node.execution.validation import Lineage
from zg_node.types.block import ConsensusHeader, StoredBlock

GENESIS = parse(packaged("devnet"), "devnet")
ACCOUNTS = list(GENESIS.development_keys.items())
KEY = PrivateKey(bytes(31) + b"\x05")
MEMBERS = ValidatorSet((Validator(address_of(KEY.public_key), 1),))
EPOCH_BLOCKS = 8
TRUSTED = Trusted(GENESIS.network, GENESIS.chain_id(0), True, EPOCH_BLOCKS, 0, MEMBERS)


class EpochChain:
    """Its blocks are made by `mine`; it satisfies the chain's `Epochs`."""

    def __init__(self, directory: Path, history_blocks: int = 100) -> None:
        self.clock = ManualClock(GENESIS.file.timestamp_s * 1000 + 1000)
        self._rules = Epochs(0, EPOCH_BLOCKS)
        pool = _core.Pool(
            GENESIS.chain_id(0), max_transactions=100_000, max_bytes=64 << 20, max_per_sender=50_000,
            max_queued_per_sender=64, max_queued=1_000, lifetime_ms=3_600_000, price_bump_percent=10, min_tip=0,
            allow_unprotected=False,
        )  # fmt: skip
        engine = _core.Engine(GENESIS.chain_id(0))
        options = ChainOptions(cache_bytes=8 << 20, history_blocks=history_blocks, flush_bytes=64 << 20)
        self.chain = Chain(0, GENESIS, MEMBERS.hash(), directory, engine, engine, pool, options, self.clock.unix_ms)
        self.chain.follow(self, Silent())
        self.nonce = 0

    # ── what the chain asks about epochs ────────────────────────────────────────────────────────────────────────────

    def lineage(self, number: int, parent: ConsensusHeader, child: ConsensusHeader | None) -> Lineage:
        epoch = self._rules.epoch_after(number, parent)
        return Lineage(epoch, MEMBERS.hash(), MEMBERS.hash())

    def closing_calls(self, number: int, parent: ConsensusHeader, epoch: int, view: int) -> SystemCalls:
        return ()

    def committed(self, block: StoredBlock) -> None:
        if self._rules.ends(block.number, block.consensus):
            certificate = Certificate.decode(block.certificate)
            proof = EpochProof(block.header, block.consensus, certificate, MEMBERS.validators)
            self.chain.blocks.put_epoch(block.consensus.epoch, proof.encode())

    # ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def mine(self, transfers: int = 3) -> StoredBlock:
        """Finalise a block that pays to new accounts and deploys a contract."""
        raws = [self._transaction(to=self._fresh()) for _ in range(transfers)]
        raws.append(self._transaction(input="0x" + _deployment(self.nonce).hex()))
        return self.include(raws)

    def include(self, raws: list[str]) -> StoredBlock:
        """Finalise a block of these transactions."""
        chain, head = self.chain, self.chain.head
        self.clock.advance(100)
        answers = chain.pool.add(
            chain.state, head.hash, chain.next_base_fee(), head.header.gas_limit, raws, self.clock.unix_ms()
        )
        assert all(isinstance(answer, bytes) for answer in answers), answers
        block = chain.propose(head.number + 1, head.hash, bytes(20), True)
        assert block is not None
        return chain.commit(block.hash, certify(block.consensus, block.hash).encode())

    def _fresh(self) -> str:
        return "0x" + _core.keccak256(self.nonce.to_bytes(8, "big"))[:20].hex()

    def _transaction(self, **fields: object) -> str:
        _, key = ACCOUNTS[0]
        transaction: dict[str, object] = {
            "type": "0x2", "chainId": hex(GENESIS.chain_id(0)), "nonce": hex(self.nonce), "gas": hex(3_000_000),
            "maxFeePerGas": hex(20 * 10**9), "maxPriorityFeePerGas": hex(10**9), "value": "0x1", "input": "0x",
        }  # fmt: skip
        self.nonce += 1
        return "0x" + _core.sign_transaction_json(orjson.dumps(transaction | fields), key).hex()


def certify(consensus: ConsensusHeader, block_hash: bytes) -> Certificate:
    """The only validator's FINALIZE vote is a quorum."""
    domain = Domain(GENESIS.network, GENESIS.chain_id(0), consensus.epoch)
    vote = Signer(KEY, 0).vote(domain, VoteKind.FINALIZE, consensus.view, block_hash)
    return Certificate(VoteKind.FINALIZE, consensus.epoch, consensus.view, block_hash, ((0, vote.signature),))


def _deployment(salt: int) -> bytes:
    """Init code that fills 20 slots and leaves code of its own behind."""
    stores = b"".join(bytes((0x60, 1 + (slot + salt) % 250, 0x60, slot, 0x55)) for slot in range(20))
    runtime = bytes((0x60, salt % 256, 0x00))
    copy = b"".join(bytes((0x60, byte, 0x60, at, 0x53)) for at, byte in enumerate(runtime))
    return stores + copy + bytes((0x60, len(runtime), 0x60, 0, 0xF3))
