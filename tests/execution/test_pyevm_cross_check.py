"""revm and py-evm, written by different people, must agree on every byte of random blocks; `trie` on every root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_bloom.bloom import BloomFilter

from tests.conformance.world import World, list_root
from tests.execution.pyevm_shard import Shard, native_engine, pyevm_engine
from tests.execution.pyevm_workload import AT, CHAIN_ID, MAX_FEE, Workload, address_of, transaction_fields
from zg_node import _core
from zg_node.types.block import Header

BLOCKS = 4
TRANSACTIONS = 40
RESULTS = ("header", "diff", "receipts", "body", "senders", "tx_hashes", "gas_used", "state_root", "tx_count", "number")


@pytest.mark.parametrize("seed", range(6))
def test_both_engines_agree_on_random_blocks(seed: int, tmp_path: Path) -> None:
    workload = Workload(seed)
    native = Shard(tmp_path / "native", native_engine(), workload)
    pyevm = Shard(tmp_path / "pyevm", pyevm_engine(), workload)
    assert native.genesis.header == pyevm.genesis.header
    world = World()
    world.apply(workload.genesis())
    included = succeeded = 0
    for number in range(1, BLOCKS + 1):
        attributes = workload.attributes(number, timestamp=1_000 + number // 2)
        raws = workload.transactions(native.nonces(), TRANSACTIONS)
        proposer, follower = (native, pyevm) if number % 2 else (pyevm, native)
        proposer.offer(attributes, raws)
        proposed = proposer.build(attributes)
        executed = follower.execute(proposed)
        for name in RESULTS:
            assert getattr(executed, name) == getattr(proposed, name), f"{name} of block {number}"
        world.apply(proposed.diff)
        assert_roots(world, proposed)
        proposer.finalise(proposed)
        follower.finalise(executed)
        included += proposed.tx_count
        succeeded += sum(receipt[0] == b"\1" for receipt in rlp.decode(proposed.receipts))
    assert included > BLOCKS * TRANSACTIONS // 2
    assert 0 < succeeded < included


def assert_roots(world: World, block: _core.Executed) -> None:
    """The header's roots and bloom, computed again by other code."""
    header, fields = Header.decode(block.header), rlp.decode(block.header)
    raws = rlp.decode(block.body)
    receipts = [consensus_receipt(raw, *receipt) for raw, receipt in zip(raws, rlp.decode(block.receipts), strict=True)]
    assert world.root() == header.state_root == block.state_root
    assert list_root(raws) == fields[4], "transactionsRoot"
    assert list_root(receipts) == fields[5], "receiptsRoot"
    logs = [log for receipt in rlp.decode(block.receipts) for log in receipt[2]]
    assert bloom(logs) == header.bloom


def consensus_receipt(raw: bytes, status: bytes, cumulative_gas: bytes, logs: list[list[Any]]) -> bytes:
    """A receipt as its root commits to it (EIP-2718)."""
    kind = b"" if raw[0] >= 0xC0 else raw[:1]
    return kind + bytes(rlp.encode([status, cumulative_gas, bloom(logs), logs]))


def bloom(logs: list[list[Any]]) -> bytes:
    """256 bytes: addresses and topics."""
    bits = BloomFilter()
    for address, topics, _ in logs:
        bits.add(address)
        bits.extend(topics)
    return int(bits).to_bytes(256, "big")


def test_an_account_that_was_only_touched_earns_no_refund_for_its_authorization(tmp_path: Path) -> None:
    """What a block's first transaction touches without value does not exist for the second one (EIP-161, EIP-7702)."""
    workload = Workload(1)
    native = Shard(tmp_path / "native", native_engine(), workload)
    pyevm = Shard(tmp_path / "pyevm", pyevm_engine(), workload)
    sender, authority = workload.senders[0], workload.authorities[0]
    fees = {"maxFeePerGas": MAX_FEE, "maxPriorityFeePerGas": 0}
    touch = {**transaction_fields(0, address_of(authority), 21_000), "type": 2, **fees}
    entry = authority.sign_authorization({"chainId": CHAIN_ID, "address": AT["store"], "nonce": 0})
    delegate = {**transaction_fields(1, bytes(19) + b"\x77", 100_000), "type": 4, "authorizationList": [entry], **fees}
    attributes = workload.attributes(1, 1_000)
    pyevm.offer(attributes, [bytes(sender.sign_transaction(fields).raw_transaction) for fields in (touch, delegate)])
    block = pyevm.build(attributes)
    assert block.gas_used == 21_000 + 21_000 + 25_000
    assert native.execute(block).header == block.header
