"""A node that began with a snapshot has no blocks from before it, and says so instead of answering wrongly. EIP-4444"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.execution.begun import begin_with
from tests.rpc.bench import Bench, bench
from tests.rpc.devchain import ALICE, ECHO_RUNTIME, GENESIS
from tests.rpc.harness import run
from zg_node.execution.snapshot import block_zero
from zg_node.types.hashing import ZERO_HASH

FIRST = 4
HEAD = 7
REFUSAL = (4444, f"pruned history unavailable: the blocks of this node begin at {FIRST}")


@asynccontextmanager
async def joined(directory: Path) -> AsyncIterator[Bench]:
    """A node whose blocks begin at FIRST; every block of the chain from 2 to HEAD has a log."""
    async with bench(directory / "source") as source:
        echo = await source.deploy(ECHO_RUNTIME, 0)
        for nonce in range(1, FIRST):
            await source.send(source.dev.sign(ALICE, nonce, to=echo, input=f"0x{nonce:02x}"))
        zero = partial(block_zero, GENESIS, 0, ZERO_HASH)
        begin_with(source.dev.chain, FIRST, directory / "joined", zero, {})
    async with bench(directory / "joined") as node:
        for nonce in range(FIRST, HEAD):
            await node.send(node.dev.sign(ALICE, nonce, to=echo, input=f"0x{nonce:02x}"))
        yield node


@pytest.mark.parametrize(
    ("criteria", "blocks"),
    [
        ({"fromBlock": hex(FIRST)}, range(FIRST, HEAD + 1)),
        ({"fromBlock": "earliest"}, range(FIRST, HEAD + 1)),
        ({"fromBlock": "earliest", "toBlock": hex(FIRST + 1)}, range(FIRST, FIRST + 2)),
        ({}, range(HEAD, HEAD + 1)),
    ],
)
def test_logs_are_found_from_the_first_block_on(tmp_path: Path, criteria: dict[str, str], blocks: range) -> None:
    async def main() -> None:
        async with joined(tmp_path) as node:
            found = await node.get("eth_getLogs", criteria)
            assert [int(one["blockNumber"], 16) for one in found] == list(blocks)
            installed = await node.get("eth_newFilter", criteria)
            assert await node.get("eth_getFilterLogs", installed) == found

    run(main())


def test_logs_of_a_range_that_begins_before_it_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with joined(tmp_path) as node:
            for first in ("0x0", "0x1", hex(FIRST - 1)):
                assert await node.error("eth_getLogs", {"fromBlock": first}) == REFUSAL
                assert await node.error("eth_getLogs", {"fromBlock": first, "toBlock": first}) == REFUSAL
            installed = await node.get("eth_newFilter", {"fromBlock": "0x1"})
            assert await node.error("eth_getFilterLogs", installed) == REFUSAL

    run(main())


def test_a_fee_history_begins_with_the_first_block(tmp_path: Path) -> None:
    async def main() -> None:
        async with joined(tmp_path) as node:
            history = await node.get("eth_feeHistory", "0x64", "latest", [50])
            assert history["oldestBlock"] == hex(FIRST)
            assert len(history["gasUsedRatio"]) == len(history["reward"]) == HEAD + 1 - FIRST
            assert len(history["baseFeePerGas"]) == HEAD + 2 - FIRST
            assert (await node.get("eth_feeHistory", "0x64", hex(FIRST), []))["oldestBlock"] == hex(FIRST)
            assert await node.error("eth_feeHistory", "0x1", hex(FIRST - 1), []) == REFUSAL

    run(main())


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("eth_getBlockByNumber", [True]),
        ("eth_getHeaderByNumber", []),
        ("eth_getBlockTransactionCountByNumber", []),
        ("eth_getUncleCountByBlockNumber", []),
        ("eth_getBlockReceipts", []),
        ("eth_getTransactionByBlockNumberAndIndex", ["0x0"]),
        ("eth_getRawTransactionByBlockNumberAndIndex", ["0x0"]),
    ],
)
def test_a_block_from_before_it_is_refused_and_one_that_does_not_exist_is_none(
    tmp_path: Path, method: str, more: list[object]
) -> None:
    async def main() -> None:
        async with joined(tmp_path) as node:
            assert await node.error(method, hex(FIRST - 1), *more) == REFUSAL
            assert await node.get(method, hex(FIRST), *more) is not None
            assert await node.get(method, hex(HEAD + 1), *more) in (None, "0x")

    run(main())


def test_block_0_is_there(tmp_path: Path) -> None:
    async def main() -> None:
        async with joined(tmp_path) as node:
            zero = await node.get("eth_getBlockByNumber", "earliest", False)
            assert zero["number"] == "0x0"
            assert await node.get("eth_getBlockByHash", zero["hash"], False) == zero

    run(main())


def test_a_call_at_a_block_from_before_it_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with joined(tmp_path) as node:
            assert await node.error("eth_call", {"to": "0x" + "77" * 20}, hex(FIRST - 1)) == REFUSAL
            assert (await node.error("eth_getBalance", "0x" + "77" * 20, hex(FIRST - 1)))[0] == -32000

    run(main())
