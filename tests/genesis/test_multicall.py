"""The predeployed Multicall3 behaves as the contract that lives at its address on other chains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3
from web3.exceptions import ContractLogicError

from tests.devnet import Devnet

ARTIFACT = Path(__file__).resolve().parents[2] / "zg_node" / "genesis_data" / "artifacts" / "Multicall3.json"
ADDRESS = Web3.to_checksum_address("0xcA11bde05977b3631167028862bE2a173976CA11")
RICH = Web3.to_checksum_address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
EMPTY = Web3.to_checksum_address("0x00000000000000000000000000000000000000c5")


@pytest.fixture(scope="module")
def multicall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    node = Devnet(tmp_path_factory.mktemp("multicall") / "home")
    node.start()
    try:
        w3 = Web3(Web3.HTTPProvider(node.url))
        yield w3.eth.contract(address=ADDRESS, abi=json.loads(ARTIFACT.read_text())["abi"])
    finally:
        node.close()


@pytest.fixture
def good(multicall: Any) -> tuple[str, str]:
    """A call that succeeds and returns the chain id."""
    return ADDRESS, multicall.encode_abi("getChainId")


@pytest.fixture
def bad(multicall: Any) -> tuple[str, str]:
    """A call that reverts: no such function."""
    return ADDRESS, "0xdeadbeef"


def chain_id(multicall: Any) -> bytes:
    number: int = multicall.w3.eth.chain_id
    return number.to_bytes(32, "big")


def test_aggregate_returns_every_output(multicall: Any, good: tuple[str, str]) -> None:
    number, outputs = multicall.functions.aggregate([good, good]).call()
    assert number > 0 or multicall.w3.eth.block_number == 0
    assert outputs == [chain_id(multicall)] * 2


def test_failures_that_are_not_allowed_revert_the_whole(multicall: Any, good: Any, bad: Any) -> None:
    for call in (
        multicall.functions.aggregate([good, bad]),
        multicall.functions.tryAggregate(True, [good, bad]),
        multicall.functions.blockAndAggregate([good, bad]),
        multicall.functions.tryBlockAndAggregate(True, [bad]),
        multicall.functions.aggregate3([(good[0], False, good[1]), (bad[0], False, bad[1])]),
        multicall.functions.aggregate3Value([(bad[0], False, 0, bad[1])]),
    ):
        with pytest.raises(ContractLogicError, match="Multicall3: call failed"):
            call.call()


def test_failures_that_are_allowed_are_reported(multicall: Any, good: Any, bad: Any) -> None:
    expected = [(True, chain_id(multicall)), (False, b"")]
    assert multicall.functions.tryAggregate(False, [good, bad]).call() == expected
    number, block_hash, results = multicall.functions.tryBlockAndAggregate(False, [good, bad]).call()
    assert (block_hash, results) == (bytes(32), expected)
    calls = [(good[0], True, good[1]), (bad[0], True, bad[1])]
    assert multicall.functions.aggregate3(calls).call() == expected
    assert isinstance(number, int)


def test_values_are_forwarded_and_must_add_up(multicall: Any) -> None:
    call = multicall.functions.aggregate3Value([(EMPTY, False, 3, "0x"), (EMPTY, False, 4, "0x")])
    assert call.call({"from": RICH, "value": 7}) == [(True, b"")] * 2
    with pytest.raises(ContractLogicError, match="Multicall3: value mismatch"):
        call.call({"from": RICH, "value": 8})


def test_a_value_that_is_not_there_fails_its_call_alone(multicall: Any) -> None:
    calls = [(EMPTY, True, 5, "0x"), (EMPTY, True, 1, "0x")]
    with pytest.raises(ContractLogicError, match="Multicall3: value mismatch"):
        multicall.functions.aggregate3Value(calls).call({"from": RICH, "value": 1})


def test_getters_read_the_block(multicall: Any) -> None:
    block = multicall.w3.eth.get_block("latest")
    read = multicall.functions
    at = {"block_identifier": block["number"]}
    assert read.getBlockNumber().call(**at) == block["number"]
    assert read.getCurrentBlockTimestamp().call(**at) == block["timestamp"]
    assert read.getCurrentBlockGasLimit().call(**at) == block["gasLimit"]
    assert read.getCurrentBlockCoinbase().call(**at) == block["miner"]
    assert read.getCurrentBlockDifficulty().call(**at) == int.from_bytes(block["mixHash"], "big")
    assert read.getChainId().call() == multicall.w3.eth.chain_id
    assert read.getEthBalance(RICH).call() == 10_000 * 10**18
    assert read.getEthBalance(EMPTY).call() == 0
