"""py-evm behind the execution Protocol: what it builds, what it refuses, what its contracts see."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth.vm import opcode_values as op
from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS, HISTORY_BUFFER_LENGTH
from eth.vm.forks.prague.constants import HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS
from eth_account.signers.local import LocalAccount

from tests.execution import pyevm_contracts as contracts
from tests.execution.pyevm_contracts import assemble, initcode, push
from tests.execution.pyevm_shard import Shard, native_engine, pyevm_engine
from tests.execution.pyevm_workload import AT, CHAIN_ID, ETHER, GWEI, Workload, address_of, transaction_fields
from zg_node import _core
from zg_node.errors import InvalidBlock
from zg_node.execution.pyevm import PyEvmEngine
from zg_node.execution.pyevm.engine import HEADER_FIELDS
from zg_node.types.block import Attributes

ENGINES: dict[str, Callable[[], Any]] = {"native": native_engine, "py-evm": pyevm_engine}


@pytest.fixture
def workload() -> Workload:
    return Workload(1)


@pytest.fixture
def shard(tmp_path: Path, workload: Workload) -> Shard:
    return Shard(tmp_path / "state", pyevm_engine(), workload)


def signed(signer: LocalAccount, fields: dict[str, Any], tip: int = GWEI) -> bytes:
    """A transaction of type 2, or 4 when it has authorizations."""
    kind = 4 if "authorizationList" in fields else 2
    fees = {"type": kind, "maxFeePerGas": 10 * GWEI, "maxPriorityFeePerGas": tip}
    return bytes(signer.sign_transaction({**fields, **fees}).raw_transaction)


def transfer(signer: LocalAccount, nonce: int, value: int = 1, gas: int = 21_000) -> bytes:
    return signed(signer, transaction_fields(nonce, bytes([0x77]) * 20, gas, value))


def attributes_at(number: int, **changes: Any) -> Attributes:
    fixed = {"coinbase": b"\xbe" * 20, "gas_limit": 30_000_000, "base_fee": GWEI, "prev_randao": bytes(32)}
    hashes = {"extra_data": bytes(32), "parent_beacon_root": bytes([number]) * 32}
    return Attributes(**{"number": number, "timestamp": 1_000 + number, **fixed, **hashes, **changes})


# ── building ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_engines_build_the_same_block_from_the_same_pool(tmp_path: Path, workload: Workload) -> None:
    attributes = workload.attributes(1, 1_000)
    raws = workload.transactions({address_of(s): 0 for s in (*workload.senders, *workload.authorities)}, 90)
    blocks = []
    for name, engine in ENGINES.items():
        shard = Shard(tmp_path / name, engine(), workload)
        shard.offer(attributes, raws)
        blocks.append(shard.build(attributes))
    assert blocks[0].tx_count > 30
    assert blocks[0].body == blocks[1].body
    assert blocks[0].header == blocks[1].header


def test_a_block_stays_within_its_gas_budget(shard: Shard, workload: Workload) -> None:
    attributes = attributes_at(1)
    shard.offer(attributes, [transfer(sender, nonce) for sender in workload.senders for nonce in range(2)])
    block = shard.build(attributes, gas_budget=100_000)
    assert (block.tx_count, block.gas_used) == (4, 84_000)


def test_a_block_stays_within_its_size(shard: Shard, workload: Workload) -> None:
    attributes = attributes_at(1)
    shard.offer(attributes, [transfer(sender, 0) for sender in workload.senders])
    whole = shard.build(attributes)
    assert whole.tx_count == len(workload.senders)
    assert shard.build(attributes, body_bytes=len(whole.body)).tx_count == whole.tx_count
    smaller = shard.build(attributes, body_bytes=len(whole.body) - 1)
    assert smaller.tx_count == whole.tx_count - 1
    assert len(smaller.body) < len(whole.body)


def test_no_transaction_is_begun_after_the_deadline(tmp_path: Path, workload: Workload) -> None:
    seconds = itertools.count(step=0.3)
    engine = PyEvmEngine(native_engine(), CHAIN_ID, clock_s=lambda: next(seconds))
    shard = Shard(tmp_path, engine, workload)
    attributes = attributes_at(1)
    shard.offer(attributes, [transfer(sender, 0) for sender in workload.senders])
    assert shard.build(attributes).tx_count == 2


def test_the_rest_of_a_sender_waits_when_one_transaction_is_refused(shard: Shard, workload: Workload) -> None:
    first, second = workload.senders[:2]
    attributes = attributes_at(1)
    # The delegation makes `second` a contract that anyone may empty: its nonce 0 is used up, and 1 cannot be paid.
    call = transaction_fields(0, address_of(second), 300_000, data=AT["selfdestruct"].rjust(32, b"\0") + b"\x99" * 32)
    call["authorizationList"] = [
        second.sign_authorization({"chainId": CHAIN_ID, "address": AT["delegate"], "nonce": 0})
    ]
    own = [transfer(second, nonce) for nonce in range(3)]
    shard.offer(attributes, [signed(first, call, tip=9 * GWEI), *own, transfer(first, 1)])
    block = shard.build(attributes)
    senders = [block.senders[i : i + 20] for i in range(0, len(block.senders), 20)]
    assert senders == [address_of(first)] * 2


# ── refusing ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "field", ["gasUsed", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "sha3Uncles", "requestsHash"]
)
def test_a_header_that_lies_is_refused_by_the_field(shard: Shard, workload: Workload, field: str) -> None:
    attributes = attributes_at(1)
    shard.offer(attributes, [transfer(workload.senders[0], 0)])
    block = shard.build(attributes)
    fields = rlp.decode(block.header)
    index = HEADER_FIELDS.index(field)
    fields[index] = bytes([fields[index][0] ^ 1]) + fields[index][1:]
    with pytest.raises(InvalidBlock, match=f"^{field} does not follow"):
        shard.engine.execute(shard.state, shard.head, bytes(rlp.encode(fields)), block.body, shard.pool)


@pytest.mark.parametrize("header", [b"", b"\xc0", b"\xf8", bytes(2000)])
def test_a_header_that_is_none_is_refused(shard: Shard, header: bytes) -> None:
    with pytest.raises(InvalidBlock, match="header"):
        shard.engine.execute(shard.state, shard.head, header, b"\xc0", shard.pool)


NESTED_10_000_DEEP = functools.reduce(
    lambda inner, _: bytes(rlp.codec.length_prefix(len(inner), 0xC0)) + inner, range(10_000), b"\xc0"
)


@pytest.mark.parametrize("body", [b"", b"\x80", b"\xf8", b"\xc1\xc0", b"\xc0\x00", b"\xc2\x83\x01", NESTED_10_000_DEEP])
def test_a_body_that_is_none_is_refused(shard: Shard, body: bytes) -> None:
    header = shard.build(attributes_at(1)).header
    with pytest.raises(InvalidBlock, match="body"):
        shard.engine.execute(shard.state, shard.head, header, body, shard.pool)


@pytest.mark.parametrize(
    "raw", [b"", b"\x02", b"\x02\xc0", b"\x05\xc0", b"\xc0", b"\x7f", b"\xff" * 40, b"\x03\xc0", NESTED_10_000_DEEP]
)
def test_a_transaction_that_is_none_refuses_its_block(shard: Shard, raw: bytes) -> None:
    header = shard.build(attributes_at(1)).header
    with pytest.raises(InvalidBlock, match=r"^transaction 0: "):
        shard.engine.execute(shard.state, shard.head, header, bytes(rlp.encode([raw])), shard.pool)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"nonce": 1}, "nonce"),
        ({"chainId": CHAIN_ID + 1}, "chain id"),
        ({"gas": 20_999}, "intrinsic gas too low"),
        ({"value": 1001 * ETHER}, "insufficient funds"),
        ({"gas": 30_000_001}, "gas limit reached"),
        ({"maxPriorityFeePerGas": 11 * GWEI}, "priority fee"),
        ({"maxFeePerGas": GWEI - 1, "maxPriorityFeePerGas": 0}, "base fee"),
        ({"data": b"\1" * 200, "gas": 25_000}, "floor data gas"),
        ({"data": b"\1" * 49_153, "gas": 5_000_000, "to": b""}, "initcode"),
    ],
)
def test_an_invalid_transaction_refuses_its_block(
    shard: Shard, workload: Workload, change: dict[str, Any], why: str
) -> None:
    fees = {"type": 2, "maxFeePerGas": 10 * GWEI, "maxPriorityFeePerGas": GWEI}
    fields = {**transaction_fields(0, bytes([0x77]) * 20, 21_000, 1), **fees, **change}
    raw = bytes(workload.senders[0].sign_transaction(fields).raw_transaction)
    header = shard.build(attributes_at(1)).header
    body = bytes(rlp.encode([raw]))
    with pytest.raises(InvalidBlock, match=rf"^transaction 0: .*{why}"):
        shard.engine.execute(shard.state, shard.head, header, body, shard.pool)
    with pytest.raises(InvalidBlock, match=r"^transaction 0: "):
        native_engine().execute(shard.state, shard.head, header, body, shard.pool)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_blob_transaction_refuses_its_block(engine: str, shard: Shard, workload: Workload) -> None:
    blobs = {"type": 3, "maxFeePerBlobGas": GWEI, "blobVersionedHashes": [b"\x01" + bytes(31)]}
    fees = {"maxFeePerGas": 10 * GWEI, "maxPriorityFeePerGas": GWEI}
    fields = {**transaction_fields(0, bytes([0x77]) * 20, 21_000, 1), **fees, **blobs}
    raw = bytes(workload.senders[0].sign_transaction(fields).raw_transaction)
    header = shard.build(attributes_at(1)).header
    with pytest.raises(InvalidBlock, match=r"^transaction 0: transaction type not supported"):
        ENGINES[engine]().execute(shard.state, shard.head, header, bytes(rlp.encode([raw])), shard.pool)


# ── what contracts see ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("engine", ENGINES)
def test_blockhash_and_the_system_contracts_know_the_ancestors(engine: str, tmp_path: Path, workload: Workload) -> None:
    shard = Shard(tmp_path, ENGINES[engine](), workload)
    sender = workload.senders[0]
    hashes = [shard.head]
    for number in range(1, 7):
        attributes = attributes_at(number, timestamp=1_000)  # seconds repeat on our chains
        asked = max(0, number - 1 - number % 3)
        data = asked.to_bytes(32, "big") + bytes(32)
        shard.offer(attributes, [signed(sender, transaction_fields(number - 1, AT["probe"], 500_000, data=data))])
        block = shard.build(attributes)
        assert block.tx_count == 1
        shard.finalise(block)
        word = shard.state.storage(shard.head, AT["probe"], 9)
        assert word.to_bytes(32, "big") == hashes[asked]
        kept = shard.state.storage(shard.head, HISTORY_STORAGE_ADDRESS, (number - 1) % HISTORY_SERVE_WINDOW)
        assert kept.to_bytes(32, "big") == hashes[number - 1]
        root = shard.state.storage(
            shard.head, BEACON_ROOTS_ADDRESS, 1_000 % HISTORY_BUFFER_LENGTH + HISTORY_BUFFER_LENGTH
        )
        assert root.to_bytes(32, "big") == attributes.parent_beacon_root
        hashes.append(shard.head)


@pytest.mark.parametrize("knows_the_code", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_block_follows_one_that_is_not_final_with_the_code_it_deployed(
    engine: str, knows_the_code: bool, tmp_path: Path, workload: Workload
) -> None:
    shard = Shard(tmp_path, ENGINES[engine](), workload)
    deployer, caller = workload.senders[:2]
    runtime = assemble(push(0xAB), push(1), op.SSTORE)
    attributes = attributes_at(1)
    shard.offer(attributes, [signed(deployer, transaction_fields(0, None, 200_000, data=initcode(runtime)))])
    parent = shard.build(attributes)
    created = _core.keccak256(bytes(rlp.encode([address_of(deployer), 0])))[12:]
    raw = signed(caller, transaction_fields(0, created, 200_000))
    follows = attributes_at(2)
    proposer = Shard(tmp_path / "proposer", pyevm_engine(), workload)
    proposer.finalise(proposer.execute(parent))
    proposer.offer(follows, [raw])
    proposed = proposer.build(follows)
    executor = shard.engine if knows_the_code else ENGINES[engine]()
    child = executor.execute(shard.state, parent.hash, proposed.header, proposed.body, shard.pool)
    assert child.header == proposed.header
    assert shard.state.storage(child.hash, created, 1) == 0xAB


def test_calls_may_nest_as_deep_as_gas_allows_on_a_worker_thread(shard: Shard, workload: Workload) -> None:
    """A nested call is several Python frames, and a shard's worker is a thread."""
    again = assemble(
        *(push(0), op.SLOAD, push(1), op.ADD, push(0), op.SSTORE),
        *(push(0), push(0), push(0), push(0), push(0), op.ADDRESS, op.GAS, op.CALL, op.STOP),
    )
    attributes = attributes_at(1)
    creation = transaction_fields(0, None, 500_000, data=initcode(again))
    deployer = workload.senders[0]
    created = _core.keccak256(bytes(rlp.encode([address_of(deployer), 0])))[12:]
    raws = [signed(deployer, creation), signed(deployer, transaction_fields(1, created, 16_000_000))]
    shard.offer(attributes, raws)
    blocks: list[_core.Executed] = []
    worker = threading.Thread(target=lambda: blocks.append(shard.build(attributes)))
    worker.start()
    worker.join()
    assert blocks[0].tx_count == 2
    assert shard.state.storage(blocks[0].hash, created, 0) > 400
    native_engine().execute(shard.state, shard.head, blocks[0].header, blocks[0].body, shard.pool)


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_to_the_power_of_nothing_is_one(engine: str, tmp_path: Path, workload: Workload) -> None:
    shard = Shard(tmp_path, ENGINES[engine](), workload)
    attributes = attributes_at(1)
    modexp = [5, 0, 0, 32, 7]  # the precompile, the lengths of base, exponent and modulus, the modulus
    data = b"".join(word.to_bytes(32, "big") for word in modexp)
    shard.offer(attributes, [signed(workload.senders[0], transaction_fields(0, AT["forward"], 200_000, data=data))])
    block = shard.build(attributes)
    assert shard.state.storage(block.hash, AT["forward"], 2) == 1


def test_what_is_destroyed_and_made_again_in_one_block_starts_empty(shard: Shard, workload: Workload) -> None:
    attributes = attributes_at(1)
    sender = workload.senders[0]
    data = bytes(32) + contracts.MORTAL_INITCODE
    make = transaction_fields(0, AT["factory"], 500_000, data=data)
    shard.offer(attributes, [signed(sender, {**make, "nonce": nonce}) for nonce in range(3)])
    block = shard.build(attributes)
    assert [receipt[0] for receipt in rlp.decode(block.receipts)] == [b"\1"] * 3
    salted = b"\xff" + AT["factory"] + bytes(32) + _core.keccak256(contracts.MORTAL_INITCODE)
    made = _core.keccak256(salted)[12:]
    assert shard.state.storage(block.hash, AT["factory"], 0) == int.from_bytes(made, "big")
    assert shard.state.account(block.hash, made) is None
    assert shard.state.storage(block.hash, made, 7) == 0
    assert made not in [account[0] for account in rlp.decode(block.diff)[0]]
    native_engine().execute(shard.state, shard.head, block.header, block.body, shard.pool)
