"""Reveals on real chains: the leader's passes, nobody else's does, and keys follow the validators that come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest
from coincurve import PrivateKey

from tests.bls import CHEAP
from zg_node import _core
from zg_node.assembly import open_chain
from zg_node.config import Settings
from zg_node.consensus.instance import Restored, Timeouts
from zg_node.consensus.messages import Certificate, VoteKind
from zg_node.consensus.votes import verify
from zg_node.contracts import staking
from zg_node.contracts.staking import COIN, STAKING
from zg_node.epochs import Instances, ValidatorSets, Voter
from zg_node.errors import InvalidBlock, Unavailable
from zg_node.execution.beacon import BLS, mixed, reveal_message
from zg_node.execution.genesis import Genesis, packaged, parse
from zg_node.execution.service import Chain
from zg_node.keys import bls_pubkey, bls_secret
from zg_node.reveals import Reveals
from zg_node.types.block import Block

SECRETS = tuple(sorted((bytes([n]) * 32 for n in (3, 4)), key=lambda secret: Voter.of(secret).address))
NEWCOMER = b"\x07" * 32
EPOCH_BLOCKS = 4


def _genesis() -> Genesis:
    text, *_ = packaged("devnet").split("[[validators]]")
    rows = "".join(
        f'[[validators]]\naddress = "0x{Voter.of(secret).address.hex()}"\nstake = 100\n'
        f'pubkey48 = "0x{bls_pubkey(secret).hex()}"\n\n'
        for secret in SECRETS
    )
    return parse(text.replace("epoch_blocks = 1_000", f"epoch_blocks = {EPOCH_BLOCKS}") + rows, "two")


GENESIS = _genesis()
NOW_MS = GENESIS.file.timestamp_s * 1000 + 10_000


@dataclass
class Node:
    """One machine's root shard and shard 1."""

    home: Path
    voter: Voter | None

    def __post_init__(self) -> None:
        self.now_ms = NOW_MS
        self.sets = ValidatorSets(GENESIS)
        self.root, self.shard = (self.open(index) for index in (0, 1))

    def open(self, index: int) -> Chain:
        return open_chain(Settings(), GENESIS, self.home, index, lambda: self.now_ms, self.sets, voter=self.voter)

    def close(self) -> None:
        self.root.close()
        self.shard.close()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """By place in the set."""
    first, second = (Node(tmp_path / str(place), Voter.of(secret)) for place, secret in enumerate(SECRETS))
    yield first, second
    first.close()
    second.close()


def leader(view: int, epoch: int = 0) -> int:
    return ValidatorSets(GENESIS).certain(epoch).leader(view)


def view_of(place: int, after: int = 0) -> int:
    """The first view after `after` that this validator leads."""
    return next(view for view in range(after + 1, after + 10) if leader(view) == place)


def propose(chain: Chain, view: int, coinbase: bytes = bytes(20)) -> Block:
    block = chain.propose(view, chain.head.hash, coinbase, True)
    assert block is not None
    return block


def finalise(block: Block, *chains: Chain) -> None:
    certificate = Certificate(VoteKind.FINALIZE, block.consensus.epoch, block.consensus.view, block.hash, ())
    certificate = replace(certificate, signatures=((0, b"\1" * 65),))
    for chain in chains:
        chain.execute(block)
        chain.commit(block.hash, certificate.encode())


# ── whose it is ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", [0, 1])
def test_what_the_leader_reveals_is_taken_and_mixed_in(nodes: tuple[Node, Node], place: int) -> None:
    ours, theirs = nodes[place].root, nodes[1 - place].root
    block = propose(ours, view_of(place))
    theirs.execute(block)
    reveal = BLS.sign(bls_secret(SECRETS[place]), reveal_message(GENESIS.network, GENESIS.chain_id(0), 1))
    assert block.consensus.reveal == reveal
    assert block.header.prev_randao == mixed(ours.head.header.prev_randao, reveal)


def test_who_does_not_lead_the_view_is_refused(nodes: tuple[Node, Node]) -> None:
    block = propose(nodes[1].root, view_of(0))
    with pytest.raises(InvalidBlock, match="not signed by its BLS key"):
        nodes[0].root.execute(block)
    assert nodes[0].root.unfinalised(block.hash) == ()


def test_what_a_quorum_vouches_for_is_not_checked_again(nodes: tuple[Node, Node]) -> None:
    block = propose(nodes[1].root, view_of(0))
    nodes[0].root.execute(block, certified=True)
    assert nodes[0].root.unfinalised(block.hash) == (block.hash,)


def test_a_reveal_is_of_one_height_and_shard(nodes: tuple[Node, Node]) -> None:
    view = view_of(0)
    header = propose(nodes[0].root, view).consensus
    for chain_id, number, fits in ((0, 1, True), (0, 2, False), (1, 1, False)):
        reveals = Reveals(GENESIS.network, GENESIS.chain_id(chain_id), nodes[1].sets, None, BLS)
        if fits:
            reveals.check(number, header)
        else:
            with pytest.raises(InvalidBlock):
                reveals.check(number, header)


def test_other_shards_take_the_keys_from_the_root_shard(nodes: tuple[Node, Node]) -> None:
    nodes[1].shard.execute(propose(nodes[0].shard, view_of(0)))
    with pytest.raises(InvalidBlock):
        nodes[1].shard.execute(propose(nodes[0].shard, view_of(1)))


def test_a_node_without_a_voting_key_proposes_nothing(tmp_path: Path) -> None:
    observer = Node(tmp_path, None)
    with pytest.raises(Unavailable, match="without a voting key"):
        propose(observer.root, 1)
    observer.close()


# ── what is left to choose ──────────────────────────────────────────────────────────────────────────────────────────


def test_whatever_a_leader_proposes_the_mix_is_the_same(nodes: tuple[Node, Node]) -> None:
    node, first = nodes[0], view_of(0)
    one = propose(node.root, first)
    node.now_ms += 50
    other = propose(node.root, view_of(0, first), coinbase=b"\1" * 20)
    assert one.hash != other.hash
    assert one.header.prev_randao == other.header.prev_randao
    for block in (one, other):
        nodes[1].root.execute(block)


def test_a_height_is_signed_once_however_often_it_is_tried() -> None:
    signed: list[bytes] = []

    def sign(secret: bytes, message: bytes) -> bytes:
        signed.append(message)
        return CHEAP.sign(secret, message)

    scheme = replace(CHEAP, sign=sign)
    reveals = Reveals(GENESIS.network, 7, ValidatorSets(GENESIS), Voter.of(SECRETS[0]), scheme)
    assert reveals.reveal(1) == reveals.reveal(1) != reveals.reveal(2)
    assert len(signed) == 2


# ── validators that come later ──────────────────────────────────────────────────────────────────────────────────────


def test_the_keys_of_validators_that_join_are_those_of_the_staking_contract(nodes: tuple[Node, Node]) -> None:
    chains = [node.root for node in nodes]
    newcomer = Voter.of(NEWCOMER)
    _create_validator(chains[0], newcomer)
    view = 0
    while chains[0].head.number < 2 * EPOCH_BLOCKS:
        view += 1
        finalise(propose(chains[leader(view)], view), *chains)
    members = nodes[1].sets.certain(2)
    assert members.index_of(newcomer.address) is not None
    known = {*map(bls_pubkey, SECRETS), bls_pubkey(NEWCOMER)}
    assert {nodes[1].sets.leader_pubkey(2, turn) for turn in range(len(members.turns))} == known
    fresh = ValidatorSets(GENESIS)
    fresh.follow(chains[1])
    for epoch in (0, 2):
        for turn in range(10):
            assert fresh.leader_pubkey(epoch, turn) == nodes[1].sets.leader_pubkey(epoch, turn)
    with pytest.raises(Unavailable):
        fresh.leader_pubkey(9, 1)


def test_a_voter_whose_validator_has_another_bls_key_is_warned(
    nodes: tuple[Node, Node], caplog: pytest.LogCaptureFixture
) -> None:
    sets, voter = nodes[0].sets, Voter.of(SECRETS[0])
    for own, warnings in ((voter, 0), (replace(voter, bls_pubkey=bls_pubkey(NEWCOMER)), 1)):
        instances = Instances(GENESIS, 0, sets, own, Timeouts(), verify)
        caplog.clear()
        assert instances.instance(0, Restored(0, nodes[0].root.head.hash)).view == 1
        assert ["has another BLS key" in record.message for record in caplog.records] == [True] * warnings


def _create_validator(chain: Chain, voter: Voter) -> None:
    """Put the transactions that make `voter` a validator into the pool; its operator is the first rich account."""
    operator, key = next(iter(GENESIS.development_keys.items()))
    network, chain_id = GENESIS.network, GENESIS.chain_id(0)
    pubkey = voter.bls_pubkey
    message = staking.possession_message(network, chain_id, pubkey, operator)
    possession = _core.bls_possession_proof(voter.bls_secret, message)
    digest = staking.vote_key_digest(network, chain_id, pubkey)
    proof = PrivateKey(NEWCOMER).sign_recoverable(digest, hasher=None)
    create = staking.function("createAndInitializeValidatorIfNecessary")
    register = staking.function("registerVoteKey")
    calls = (
        (create.encode(("",) * 5, 0, 0, pubkey, possession), 100 * COIN),
        (register.encode(pubkey, voter.address, proof), 0),
    )
    raws = [_transaction(key, nonce, data, value) for nonce, (data, value) in enumerate(calls)]
    head = chain.head
    answers = chain.pool.add(chain.state, head.hash, chain.next_base_fee(), head.header.gas_limit, raws, chain.now_ms())
    assert all(isinstance(answer, bytes) for answer in answers), answers


def _transaction(key: bytes, nonce: int, data: bytes, value: int) -> bytes:
    fields = {
        "type": "0x2", "chainId": hex(GENESIS.chain_id(0)), "nonce": hex(nonce), "gas": hex(10_000_000),
        "maxFeePerGas": hex(20 * 10**9), "maxPriorityFeePerGas": hex(10**9), "value": hex(value),
        "to": "0x" + STAKING.hex(), "input": "0x" + data.hex(),
    }  # fmt: skip
    return _core.sign_transaction_json(orjson.dumps(fields), key)
