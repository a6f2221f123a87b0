"""A root shard with short epochs, certified headers and the real contract of data availability: what a light client
asks about. Its only validator is the first holder; others register."""

from __future__ import annotations

from pathlib import Path
from random import Random

import orjson
from coincurve import PrivateKey

from tests.beacon import Silent
from tests.da.cluster import key_of
from zg_node import _core
from zg_node.clock import ManualClock
from zg_node.consensus.epoch import Epochs
from zg_node.consensus.light import EpochProof
from zg_node.consensus.messages import Certificate, Domain, VoteKind
from zg_node.consensus.votes import Signer, Validator, ValidatorSet, address_of
from zg_node.contracts import da
from zg_node.contracts.staking import COIN
from zg_node.da.certificate import Blob
from zg_node.da.messages import commitment_of
from zg_node.execution.genesis import packaged, parse
from zg_node.execution.service import Chain, ChainOptions, SystemCalls
from zg_node.execution.validation import Lineage
from zg_node.types.block import ConsensusHeader, StoredBlock

EPOCH_BLOCKS = 8
GENESIS = parse(packaged("devnet").replace("epoch_blocks = 1_000", f"epoch_blocks = {EPOCH_BLOCKS}"), "short")
VALIDATOR = PrivateKey(GENESIS.development_vote_key or b"")
MEMBERS = ValidatorSet(tuple(Validator(*member) for member in GENESIS.validators))
OWNER, OWNER_KEY = next(iter(GENESIS.development_keys.items()))
"""Who pays for everything; the first holder is its own."""
ENCODING = _core.Encoding(Random(6).randbytes(500_000))


class CertifiedChain:
    """Its blocks are made by `include`; it satisfies the chain's `Epochs`. `key` signs the certificates."""

    def __init__(self, directory: Path, key: PrivateKey = VALIDATOR) -> None:
        self._clock = ManualClock(GENESIS.file.timestamp_s * 1000 + 1000)
        self._key = key
        self._rules = Epochs(0, EPOCH_BLOCKS)
        self._nonce = 0
        pool = _core.Pool(
            GENESIS.chain_id(0), max_transactions=1_000, max_bytes=64 << 20, max_per_sender=500,
            max_queued_per_sender=64, max_queued=100, lifetime_ms=3_600_000, price_bump_percent=10, min_tip=0,
            allow_unprotected=False,
        )  # fmt: skip
        engine = _core.Engine(GENESIS.chain_id(0))
        options = ChainOptions(cache_bytes=8 << 20, history_blocks=100, flush_bytes=64 << 20)
        self.chain = Chain(0, GENESIS, MEMBERS.hash(), directory, engine, engine, pool, options, self._clock.unix_ms)
        self.chain.follow(self, Silent())

    # ── what the chain asks about epochs ────────────────────────────────────────────────────────────────────────────

    def lineage(self, number: int, parent: ConsensusHeader, child: ConsensusHeader | None) -> Lineage:
        return Lineage(self._rules.epoch_after(number, parent), MEMBERS.hash(), MEMBERS.hash())

    def closing_calls(self, number: int, parent: ConsensusHeader, epoch: int, view: int) -> SystemCalls:
        return da.closing_calls(epoch, number == self._rules.last_of(epoch))

    def committed(self, block: StoredBlock) -> None:
        if self._rules.ends(block.number, block.consensus):
            proof = EpochProof(block.header, block.consensus, Certificate.decode(block.certificate), MEMBERS.validators)
            self.chain.blocks.put_epoch(block.consensus.epoch, proof.encode())

    # ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def epoch(self) -> int:
        """Of the next block."""
        return self.chain.head.number // EPOCH_BLOCKS

    def include(self, *raws: str) -> StoredBlock:
        """Finalise a block of these transactions."""
        chain, head = self.chain, self.chain.head
        self._clock.advance(100)
        now_ms, limit = self._clock.unix_ms(), head.header.gas_limit
        answers = chain.pool.add(chain.state, head.hash, chain.next_base_fee(), limit, list(raws), now_ms)
        assert all(isinstance(answer, bytes) for answer in answers), answers
        block = chain.propose(head.number + 1, head.hash, bytes(20), True)
        assert block is not None
        domain = Domain(GENESIS.network, GENESIS.chain_id(0), block.consensus.epoch)
        vote = Signer(self._key, 0).vote(domain, VoteKind.FINALIZE, block.consensus.view, block.hash)
        signatures = ((0, vote.signature),)
        certificate = Certificate(
            VoteKind.FINALIZE, block.consensus.epoch, block.consensus.view, block.hash, signatures
        )
        return chain.commit(block.hash, certificate.encode())

    def reach(self, epoch: int) -> None:
        """Empty blocks until the next one is of `epoch`."""
        while self.epoch < epoch:
            self.include()

    def call(self, data: bytes, value: int = 0) -> str:
        """A transaction of OWNER to the contract of data availability."""
        transaction = {
            "type": "0x2", "chainId": hex(GENESIS.chain_id(0)), "nonce": hex(self._nonce), "gas": hex(3_000_000),
            "maxFeePerGas": hex(20 * 10**9), "maxPriorityFeePerGas": hex(10**9), "value": hex(value),
            "to": "0x" + da.DATA_AVAILABILITY.hex(), "input": "0x" + data.hex(),
        }  # fmt: skip
        self._nonce += 1
        return "0x" + _core.sign_transaction_json(orjson.dumps(transaction), OWNER_KEY).hex()

    # ── data availability ───────────────────────────────────────────────────────────────────────────────────────────

    def reached_at(self, peer: str) -> str:
        """The transaction that says where the first holder is."""
        return self.call(da.set_peer(address_of(VALIDATOR.public_key), peer))

    def registration(self, index: int, peer: str, coins: int) -> str:
        """The transaction that makes holder `index`."""
        key = key_of(index)
        digest = da.registration_digest(GENESIS.network, GENESIS.chain_id(0), OWNER)
        proof = key.sign_recoverable(digest, hasher=None)
        return self.call(da.register(address_of(key.public_key), peer, proof), coins * COIN)

    def certify(self) -> Blob:
        """Have the blob of ENCODING paid for and certified, by the only holder of genesis."""
        blob = Blob(commitment_of(ENCODING.header()), len(ENCODING.blob()), 3, self.epoch, self.epoch + 9)
        rules = GENESIS.file.da
        fee = rules.byte_price_wei * blob.length * 10 + rules.blob_price_wei
        self.include(self.call(da.request(blob), fee))
        signature = VALIDATOR.sign_recoverable(blob.digest(GENESIS.network), hasher=None)
        self.include(self.call(da.certify(blob.id(GENESIS.network), [(0, signature)])))
        return blob

    def word(self, slot: int) -> int:
        """Of the contract, in the newest state."""
        return self.chain.state.storage(self.chain.head.number, da.DATA_AVAILABILITY, slot)
