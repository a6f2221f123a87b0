"""A shard's chain: proposals, siblings, finality, and what a restart makes of the log."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import rlp

from tests.beacon import Silent
from tests.execution.unchanging import Unchanging
from tests.rpc.devchain import ALICE, BOB, GENESIS, NOBODY, DevChain
from zg_node import _core
from zg_node.db import log as block_log
from zg_node.db.log import BlockLog
from zg_node.errors import Corrupt, InvalidBlock, InvalidConfig, Unavailable
from zg_node.execution.genesis import Genesis, packaged, parse
from zg_node.execution.service import Chain, ChainOptions
from zg_node.types.block import Block, Header
from zg_node.types.hashing import ZERO_HASH


def send(dev: DevChain, *raws: str) -> None:
    chain = dev.chain
    answers = dev.pool.add(
        chain.state, chain.head.hash, chain.next_base_fee(), chain.head.header.gas_limit, raws, chain.now_ms()
    )
    assert all(isinstance(answer, bytes) for answer in answers), answers


def pay(dev: DevChain, sender: bytes, nonce: int, to: bytes, value: int = 1) -> str:
    return dev.sign(sender, nonce, to="0x" + to.hex(), value=hex(value))


def propose(dev: DevChain, view: int, parent_hash: bytes | None = None) -> Block:
    dev.clock.advance(10)
    block = dev.chain.propose(view, parent_hash or dev.chain.head.hash, bytes(20), True)
    assert block is not None
    return block


def balance(dev: DevChain, at: bytes | int, address: bytes) -> int:
    account = dev.chain.state.account(at, address)
    return 0 if account is None else account[1]


def open_again(directory: Path, genesis: Genesis = GENESIS) -> Chain:
    engine = _core.Engine(genesis.chain_id(0))
    options = ChainOptions(cache_bytes=8 << 20, history_blocks=100, flush_bytes=1 << 20)
    pool = _core.Pool(
        genesis.chain_id(0), max_transactions=100, max_bytes=1 << 20, max_per_sender=100, max_queued_per_sender=10,
        max_queued=50, lifetime_ms=1000, price_bump_percent=10, min_tip=0, allow_unprotected=False,
    )  # fmt: skip
    chain = Chain(0, genesis, ZERO_HASH, directory, engine, engine, pool, options, lambda: 4_000_000_000_000)
    chain.follow(Unchanging(), Silent())
    return chain


def abandon(dev: DevChain) -> None:
    """What a kill leaves: nothing is written, the locks are gone."""
    dev.chain.close(checkpoint=False)


# ── making blocks ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_chain_is_at_block_zero(tmp_path: Path) -> None:
    chain = DevChain(tmp_path).chain
    assert chain.head.number == 0
    assert chain.by_number(0) == chain.head == chain.by_hash(chain.head.hash)
    assert chain.by_number(1) is None
    chain.close()


def test_an_empty_block_is_made_only_when_it_is_wanted(tmp_path: Path) -> None:
    chain = DevChain(tmp_path).chain
    assert chain.propose(1, chain.head.hash, bytes(20), False) is None
    assert chain.propose(1, chain.head.hash, bytes(20), True) is not None
    chain.close()


def test_a_block_is_due_when_something_waits_that_pays_the_base_fee(tmp_path: Path) -> None:
    dev = DevChain(tmp_path)
    base_fee = dev.chain.next_base_fee()
    fees = {"maxFeePerGas": hex(base_fee - 1), "maxPriorityFeePerGas": "0x0"}
    send(dev, dev.sign(ALICE, 0, to="0x" + NOBODY.hex(), **fees), pay(dev, BOB, 1, NOBODY))
    assert dev.pool.len() == (1, 1)
    assert not dev.chain.waiting()
    send(dev, pay(dev, BOB, 0, NOBODY))
    assert dev.chain.waiting()
    dev.mine()
    assert dev.pool.len() == (1, 0)
    assert not dev.chain.waiting()
    dev.chain.close()


def test_a_block_is_invisible_until_it_is_final(tmp_path: Path) -> None:
    dev = DevChain(tmp_path)
    send(dev, pay(dev, ALICE, 0, NOBODY))
    block = propose(dev, 1)
    tx_hash = _core.body_hashes(block.body)
    assert (dev.chain.head.number, dev.chain.by_number(1), dev.chain.by_hash(block.hash)) == (0, None, None)
    assert dev.chain.transaction(tx_hash) is None
    stored = dev.chain.commit(block.hash, b"certificate")
    assert dev.chain.head == stored == dev.chain.by_number(1) == dev.chain.by_hash(block.hash)
    assert dev.chain.transaction(tx_hash) == (1, 0)
    assert (stored.body, stored.certificate, stored.senders) == (block.body, b"certificate", ALICE)
    assert not dev.chain.waiting()
    dev.chain.close()


@pytest.mark.parametrize("winner", [0, 1])
def test_of_two_siblings_either_one_becomes_final_and_the_other_leaves_no_trace(tmp_path: Path, winner: int) -> None:
    dev = DevChain(tmp_path)
    receivers = (b"\x61" * 20, b"\x62" * 20)
    siblings = []
    for view, receiver in enumerate(receivers, start=1):
        other = DevChain(tmp_path / f"proposer-{view}")
        other.clock.advance(view)
        send(other, pay(other, ALICE, 0, receiver, 7))
        siblings.append(propose(other, view))
        other.chain.close()
    dev.clock.advance(100)
    for block in siblings:
        dev.chain.execute(block)
    assert [balance(dev, block.hash, receiver) for block in siblings for receiver in receivers] == [7, 0, 0, 7]
    child = propose(dev, 3, siblings[winner].hash)
    dev.chain.commit(siblings[winner].hash, b"")
    assert dev.chain.head.hash == siblings[winner].hash
    assert dev.chain.state.head()[2] == siblings[winner].header.state_root
    assert balance(dev, 1, receivers[winner]) == 7
    assert balance(dev, 1, receivers[1 - winner]) == 0
    assert not dev.chain.state.has(siblings[1 - winner].hash)
    with pytest.raises(Unavailable, match="is not here"):
        propose(dev, 4, siblings[1 - winner].hash)
    dev.chain.commit(child.hash, b"")
    assert dev.chain.head.number == 2
    dev.chain.close()


def test_blocks_on_unfinalised_blocks_become_final_in_order(tmp_path: Path) -> None:
    dev = DevChain(tmp_path)
    first = propose(dev, 1)
    second = propose(dev, 2, first.hash)
    third = propose(dev, 3, second.hash)
    assert dev.chain.unfinalised(third.hash) == (first.hash, second.hash, third.hash)
    assert dev.chain.unfinalised(dev.chain.head.hash) == ()
    for block in (first, second, third):
        dev.chain.commit(block.hash, b"")
    assert dev.chain.head.hash == third.hash
    dev.chain.close()


def test_a_block_that_is_no_child_of_the_head_is_never_logged(tmp_path: Path) -> None:
    dev = DevChain(tmp_path)
    first = propose(dev, 1)
    second = propose(dev, 2, first.hash)
    with pytest.raises(AssertionError):
        dev.chain.commit(second.hash, b"")
    dev.chain.commit(first.hash, b"")
    dev.chain.commit(second.hash, b"")
    abandon(dev)
    chain = open_again(tmp_path)
    assert chain.head.hash == second.hash
    chain.close()


# ── judging blocks ──────────────────────────────────────────────────────────────────────────────────────────────────


def changed(block: Block, index: int, value: object) -> Block:
    """The block with one field of its EVM header replaced."""
    items = rlp.decode(block.header.raw)
    items[index] = value
    return replace(block, header=Header.decode(rlp.encode(items)))


@pytest.fixture
def proposed(tmp_path: Path) -> Block:
    """Another proposer's block with two transactions."""
    other = DevChain(tmp_path / "proposer")
    send(other, pay(other, ALICE, 0, NOBODY), pay(other, BOB, 0, NOBODY))
    block = propose(other, 1)
    other.chain.close()
    return block


WRONG: dict[str, Callable[[Block], Block]] = {
    "state root": lambda block: changed(block, 3, b"\1" * 32),
    "transactions root": lambda block: changed(block, 4, b"\1" * 32),
    "receipts root": lambda block: changed(block, 5, b"\1" * 32),
    "bloom": lambda block: changed(block, 6, b"\1" * 256),
    "gas used": lambda block: changed(block, 10, 21_000),
    "coinbase": lambda block: changed(block, 2, b"\1" * 20),
    "a body without a transaction": lambda block: replace(block, body=rlp.encode(rlp.decode(block.body)[:1])),
    "a transaction twice": lambda block: replace(block, body=rlp.encode(rlp.decode(block.body)[:1] * 2)),
    "a body that is no list": lambda block: replace(block, body=b"\x83abc"),
    "a transaction that is none": lambda block: replace(block, body=rlp.encode([b"\2garbage"])),
    "a list for a transaction": lambda block: replace(block, body=rlp.encode([[b"\1"]])),
    "nested lists": lambda block: replace(block, body=b"\xc1" * 200),
    "no body": lambda block: replace(block, body=b""),
}


def test_another_proposers_block_passes(tmp_path: Path, proposed: Block) -> None:
    dev = DevChain(tmp_path / "judge")
    dev.clock.advance(1000)
    dev.chain.execute(proposed)
    dev.chain.execute(proposed)
    assert dev.chain.commit(proposed.hash, b"").hash == proposed.hash
    dev.chain.close()


@pytest.mark.parametrize("what", WRONG)
def test_a_block_with_a_wrong_part_is_refused_and_the_right_one_still_passes(
    tmp_path: Path, proposed: Block, what: str
) -> None:
    dev = DevChain(tmp_path / "judge")
    dev.clock.advance(1000)
    with pytest.raises(InvalidBlock):
        dev.chain.execute(WRONG[what](proposed))
    dev.chain.execute(proposed)
    dev.chain.commit(proposed.hash, b"")
    dev.chain.close()


def test_a_block_below_the_head_is_nothing_to_judge(tmp_path: Path, proposed: Block) -> None:
    dev = DevChain(tmp_path / "judge")
    dev.clock.advance(1000)
    dev.mine()
    with pytest.raises(Unavailable, match="is not here"):
        dev.chain.execute(proposed)
    dev.chain.close()


def test_a_block_becomes_invalid_when_another_parent_is_final(tmp_path: Path, proposed: Block) -> None:
    proposer = DevChain(tmp_path / "another")
    proposer.clock.advance(900)
    proposer.mine()
    child = propose(proposer, 2)
    proposer.chain.close()
    dev = DevChain(tmp_path / "judge")
    dev.clock.advance(1000)
    dev.chain.execute(proposed)
    dev.chain.commit(proposed.hash, b"")
    with pytest.raises(InvalidBlock, match="does not build on the final"):
        dev.chain.execute(child)
    dev.chain.close()


# ── restarts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def mined(directory: Path, count: int, checkpoint_at: int = 0) -> DevChain:
    """A chain of `count` blocks with a transfer each."""
    dev = DevChain(directory)
    for nonce in range(count):
        send(dev, pay(dev, ALICE, nonce, NOBODY))
        dev.mine()
        if nonce + 1 == checkpoint_at:
            dev.chain.truncate(dev.chain.checkpoint())
    return dev


@pytest.mark.parametrize("checkpoint_at", [0, 3, 6])
def test_blocks_behind_the_last_checkpoint_come_back_from_the_log(tmp_path: Path, checkpoint_at: int) -> None:
    dev = mined(tmp_path, 6, checkpoint_at)
    head, blocks = dev.chain.head, [dev.chain.by_number(number) for number in range(7)]
    abandon(dev)
    chain = open_again(tmp_path)
    assert chain.head == head
    assert [chain.by_number(number) for number in range(7)] == blocks
    assert chain.state.account(6, NOBODY) == (0, 6, chain.state.account(6, NOBODY)[2])  # type: ignore[index]
    for block in blocks[1:]:
        assert block is not None
        assert chain.transaction(_core.body_hashes(block.body)) == (block.number, 0)
    chain.close()


def test_a_clean_stop_leaves_nothing_to_replay(tmp_path: Path) -> None:
    dev = mined(tmp_path, 3)
    dev.chain.close()
    chain = open_again(tmp_path)
    assert chain.state.flushed()[0] == chain.blocks.durable == chain.head.number == 3
    assert (chain.state.pending_bytes(), chain.blocks.waiting()) == (0, 0)
    chain.close()


def test_what_was_not_final_is_gone_after_a_restart(tmp_path: Path) -> None:
    dev = mined(tmp_path, 2)
    block = propose(dev, 9)
    abandon(dev)
    chain = open_again(tmp_path)
    assert chain.head.number == 2
    assert not chain.state.has(block.hash)
    chain.close()


def test_the_log_forgets_segments_that_the_databases_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_log, "SEGMENT_MAX_BYTES", 1)
    dev = mined(tmp_path, 4, checkpoint_at=3)
    head = dev.chain.head
    abandon(dev)
    log = BlockLog(tmp_path / "log")
    assert [record.block.number for record in log.replay()] == [3, 4]
    log.close()
    chain = open_again(tmp_path)
    assert chain.head == head
    chain.close()


@pytest.mark.parametrize("lost", ["state", "blocks"])
def test_a_database_that_is_lost_is_made_again_from_a_whole_log(tmp_path: Path, lost: str) -> None:
    dev = mined(tmp_path, 3)
    head = dev.chain.head
    abandon(dev)
    shutil.rmtree(tmp_path / lost)
    chain = open_again(tmp_path)
    assert chain.head == head
    chain.close()


@pytest.mark.parametrize("lost", ["state", "blocks"])
def test_a_database_that_is_lost_and_that_the_log_cannot_replace_is_corrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr(block_log, "SEGMENT_MAX_BYTES", 1)
    dev = mined(tmp_path, 4, checkpoint_at=3)
    abandon(dev)
    shutil.rmtree(tmp_path / lost)
    with pytest.raises(Corrupt, match="the log goes on at block 3"):
        open_again(tmp_path)


def test_a_state_without_its_pointer_is_corrupt_and_its_tables_stay(tmp_path: Path) -> None:
    abandon(mined(tmp_path, 2, checkpoint_at=2))
    (tmp_path / "state" / "CURRENT").unlink()
    before = sorted(path.name for path in (tmp_path / "state").iterdir())
    with pytest.raises(Corrupt, match="state is damaged: it has no CURRENT"):
        open_again(tmp_path)
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == before


def test_another_chains_log_is_corrupt(tmp_path: Path) -> None:
    for name, receiver in (("one", NOBODY), ("other", BOB)):
        dev = DevChain(tmp_path / name)
        for nonce in range(3):
            send(dev, pay(dev, ALICE, nonce, receiver))
            dev.mine()
            if nonce == 0:
                dev.chain.checkpoint()
        abandon(dev)
    shutil.rmtree(tmp_path / "one" / "log")
    shutil.copytree(tmp_path / "other" / "log", tmp_path / "one" / "log")
    with pytest.raises(Corrupt, match="block 2 of the log is of another chain"):
        open_again(tmp_path / "one")


def test_another_networks_directory_is_refused(tmp_path: Path) -> None:
    dev = mined(tmp_path, 1)
    abandon(dev)
    other = parse(packaged("devnet").replace('name = "devnet"', 'name = "othernet"', 1), "othernet")
    with pytest.raises((InvalidConfig, Corrupt), match="another network"):
        open_again(tmp_path, other)


def test_a_directory_in_use_is_unavailable(tmp_path: Path) -> None:
    dev = DevChain(tmp_path)
    with pytest.raises(Unavailable, match="in use"):
        open_again(tmp_path)
    dev.chain.close()
