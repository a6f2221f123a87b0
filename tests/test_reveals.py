"""Reveals on real chains: the leader's passes, nobody else's does, whoever the validators are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest
from coincurve import PrivateKey

from tests.beacon import prove
from zg_node import _core
from zg_node.assembly import open_chain
from zg_node.config import Settings
from zg_node.consensus.messages import Certificate, VoteKind
from zg_node.contracts import staking
from zg_node.contracts.staking import COIN, STAKING
from zg_node.epochs import ShardEpochs, ValidatorSets, Voter
from zg_node.errors import InvalidBlock, Unavailable
from zg_node.execution.beacon import KEY_BYTES, mixed, reveal_message
from zg_node.execution.genesis import Genesis, packaged, parse
from zg_node.execution.service import Chain
from zg_node.keys import bls_pubkey, bls_secret
from zg_node.reveals import Reveals
from zg_node.types.block import REVEAL_BYTES, Block, ConsensusHeader

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
    key = PrivateKey(SECRETS[place])
    reveal = key.public_key.format() + _core.vrf_prove(key.secret, reveal_message(GENESIS.network, ours.chain_id, 1))
    assert block.consensus.reveal == reveal
    assert block.header.prev_randao == mixed(ours.head.header.prev_randao, reveal)


def test_who_does_not_lead_the_view_is_refused(nodes: tuple[Node, Node]) -> None:
    block = propose(nodes[1].root, view_of(0))
    with pytest.raises(InvalidBlock, match="not that of who leads the view"):
        nodes[0].root.execute(block)
    assert nodes[0].root.unfinalised(block.hash) == ()


def test_a_proof_by_another_key_than_the_one_before_it_is_refused(nodes: tuple[Node, Node]) -> None:
    ours, theirs = (propose(nodes[place].root, view_of(place)).consensus for place in (0, 1))
    mine, stolen = ours.reveal[:KEY_BYTES], theirs.reveal[KEY_BYTES:]
    reveals = Reveals(GENESIS.network, GENESIS.chain_id(0), nodes[1].sets, None)
    reveals.check(1, ours)
    for reveal, why in ((mine + stolen, "not proven"), (bytes(REVEAL_BYTES), "no public key"), (b"", "no public key")):
        with pytest.raises(InvalidBlock, match=why):
            reveals.check(1, replace(ours, reveal=reveal))


def test_what_a_quorum_vouches_for_is_not_checked_again(nodes: tuple[Node, Node]) -> None:
    block = propose(nodes[1].root, view_of(0))
    nodes[0].root.execute(block, certified=True)
    assert nodes[0].root.unfinalised(block.hash) == (block.hash,)


def test_a_reveal_is_of_one_height_and_shard(nodes: tuple[Node, Node]) -> None:
    view = view_of(0)
    header = propose(nodes[0].root, view).consensus
    for chain_id, number, fits in ((0, 1, True), (0, 2, False), (1, 1, False)):
        reveals = Reveals(GENESIS.network, GENESIS.chain_id(chain_id), nodes[1].sets, None)
        if fits:
            reveals.check(number, header)
        else:
            with pytest.raises(InvalidBlock):
                reveals.check(number, header)


def test_leaders_of_other_shards_reveal_with_the_same_keys(nodes: tuple[Node, Node]) -> None:
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


def test_another_nonce_makes_another_block_and_the_same_mix(nodes: tuple[Node, Node]) -> None:
    message = reveal_message(GENESIS.network, GENESIS.chain_id(0), 1)
    key = PrivateKey(SECRETS[0]).public_key.format()
    blocks = []
    for nonce in (5, 6):
        reveal = key + prove(SECRETS[0], message, nonce)
        nodes[0].root.follow(ShardEpochs(GENESIS, nodes[0].root, nodes[0].sets), Fixed(reveal))
        blocks.append(propose(nodes[0].root, view_of(0)))
        nodes[1].root.execute(blocks[-1])
    one, other = blocks
    assert one.hash != other.hash
    assert one.header.prev_randao == other.header.prev_randao


@dataclass
class Fixed:
    """Satisfies `execution.beacon.Beacon`: reveals this."""

    value: bytes

    def reveal(self, number: int) -> bytes:
        return self.value

    def check(self, number: int, header: ConsensusHeader) -> None:
        pass


def test_a_height_is_proven_once_however_often_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    proven: list[bytes] = []

    def vrf_prove(secret: bytes, message: bytes) -> bytes:
        proven.append(message)
        return message

    monkeypatch.setattr(_core, "vrf_prove", vrf_prove)
    reveals = Reveals(GENESIS.network, 7, ValidatorSets(GENESIS), Voter.of(SECRETS[0]))
    assert reveals.reveal(1) == reveals.reveal(1) != reveals.reveal(2)
    assert len(proven) == 2


# ── validators that come later ──────────────────────────────────────────────────────────────────────────────────────


def test_a_validator_that_joins_reveals_with_its_voting_key(nodes: tuple[Node, Node], tmp_path: Path) -> None:
    joining = Node(tmp_path / "joining", Voter.of(NEWCOMER))
    chains = [*(node.root for node in nodes), joining.root]
    _create_validator(chains[0])
    view = 0
    while chains[0].head.number < 2 * EPOCH_BLOCKS:
        view += 1
        finalise(propose(chains[leader(view)], view), *chains)
    members = nodes[1].sets.certain(2)
    place = members.index_of(Voter.of(NEWCOMER).address)
    assert place is not None
    view = next(later for later in range(view + 1, view + 20) if members.leader(later) == place)
    with pytest.raises(InvalidBlock):
        nodes[1].root.execute(propose(nodes[0].root, view))
    nodes[1].root.execute(propose(joining.root, view))
    joining.close()


def _create_validator(chain: Chain) -> None:
    """Put the transactions that make NEWCOMER a validator into the pool; its operator is the first rich account."""
    operator, key = next(iter(GENESIS.development_keys.items()))
    network, chain_id = GENESIS.network, GENESIS.chain_id(0)
    pubkey = bls_pubkey(NEWCOMER)
    message = staking.possession_message(network, chain_id, pubkey, operator)
    possession = _core.bls_possession_proof(bls_secret(NEWCOMER), message)
    digest = staking.vote_key_digest(network, chain_id, pubkey)
    proof = PrivateKey(NEWCOMER).sign_recoverable(digest, hasher=None)
    create = staking.function("createAndInitializeValidatorIfNecessary")
    register = staking.function("registerVoteKey")
    calls = (
        (create.encode(("",) * 5, 0, 0, pubkey, possession), 100 * COIN),
        (register.encode(pubkey, Voter.of(NEWCOMER).address, proof), 0),
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
