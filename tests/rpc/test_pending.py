"""Transactions between the pool and their block: balances, listings, and the moment when a block takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rpc.bench import bench
from tests.rpc.devchain import ALICE, BOB
from tests.rpc.harness import run

ETHER = 10**18
GWEI = 10**9
A, B = "0x" + ALICE.hex(), "0x" + BOB.hex()
PRICED = {"gas": hex(21_000), "maxFeePerGas": hex(20 * GWEI), "maxPriorityFeePerGas": hex(GWEI)}


def test_the_pending_balance_is_what_waiting_transactions_leave(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            for nonce in (0, 1, 3):  # the last one waits behind a gap: it spends nothing yet
                await b.get("eth_sendRawTransaction", b.dev.sign(ALICE, nonce, to=B, value=hex(ETHER), **PRICED))
            latest = int(await b.get("eth_getBalance", A, "latest"), 16)
            pending = int(await b.get("eth_getBalance", A, "pending"), 16)
            assert latest == 10_000 * ETHER
            assert latest - pending == 2 * (ETHER + 21_000 * 2 * GWEI)
            b.dev.mine()
            assert int(await b.get("eth_getBalance", A, "latest"), 16) == pending
            assert int(await b.get("eth_getBalance", A, "pending"), 16) == pending

    run(main())


def test_a_filter_on_whole_transactions_answers_them_before_and_after_their_block(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            whole, hashes = [await b.get("eth_newPendingTransactionFilter", full) for full in (True, False)]
            mined = await b.send(b.dev.sign(ALICE, 0, to=B))
            waiting = await b.get("eth_sendRawTransaction", b.dev.sign(ALICE, 1, to=B))
            first, second = await b.get("eth_getFilterChanges", whole)
            assert (first["hash"], first["blockNumber"]) == (mined, "0x1")
            assert (second["hash"], second["blockNumber"]) == (waiting, None)
            assert await b.get("eth_getFilterChanges", whole) == []
            assert await b.get("eth_getFilterChanges", hashes) == [mined, waiting]

    run(main())


@pytest.mark.parametrize("method", ["eth_getTransactionByHash", "eth_getRawTransactionByHash"])
def test_a_transaction_is_found_while_a_block_takes_it_out_of_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            tx_hash = await b.get("eth_sendRawTransaction", b.dev.sign(ALICE, 0, to=B))
            placed = b.dev.chain.transaction

            def before_the_block(wanted: bytes) -> None:
                monkeypatch.setattr(b.dev.chain, "transaction", placed)
                b.dev.mine()

            monkeypatch.setattr(b.dev.chain, "transaction", before_the_block)
            found = await b.get(method, tx_hash)
            assert b.dev.chain.head.number == 1
            assert found == await b.get(method, tx_hash)
            assert found not in (None, "0x")

    run(main())


def test_a_raw_transaction_that_is_no_hex_is_an_invalid_argument(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            for raw in ("0xzz", "0x1", "12"):
                code, text = await b.error("eth_sendRawTransaction", raw)
                assert (code, text[:20]) == (-32602, "invalid argument 0: ")
            code, text = await b.error("eth_sendRawTransaction", "0x")
            assert (code, text) == (-32000, "typed transaction too short")

    run(main())


def test_arguments_that_contradict_one_another_have_geths_code(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            priced = {"from": A, "to": B, "gasPrice": "0x1", "maxFeePerGas": "0x1"}
            for method in ("eth_call", "eth_fillTransaction"):
                assert (await b.error(method, priced))[0] == -32000
            nothing = {"from": A}
            expected = (-32000, "contract creation without any data provided")
            assert await b.error("eth_sendTransaction", nothing) == expected
            assert (await b.error("eth_call", {"to": B}, "latest", {B: {"state": {}, "stateDiff": {}}}))[0] == -32000
            odd = await b.error("eth_call", {"to": B, "data": "0x1"})
            assert odd == (-32602, "invalid argument 0: hex string of odd length in field data")
            odd = await b.error("eth_call", {"to": B}, "latest", {B: {"code": "0x1"}})
            assert odd[0] == -32602
            assert odd[1].startswith("invalid argument 2: ")

    run(main())


def test_where_data_and_input_differ_calls_take_the_input_and_transactions_are_refused(tmp_path: Path) -> None:
    identity = "0x" + "4".zfill(40)
    twice = {"from": A, "to": identity, "gas": "0xc350", "data": "0x" + "01" * 99, "input": "0x02"}
    text = 'both "data" and "input" are set and not equal. Please use "input" to pass transaction call data'

    async def main() -> None:
        async with bench(tmp_path) as b:
            assert await b.get("eth_call", twice) == "0x02"
            for method in ("eth_estimateGas", "eth_createAccessList"):
                other = await b.get(method, {**twice, "input": twice["data"]})
                assert await b.get(method, twice) == await b.get(method, {**twice, "data": None}) != other
            for method in ("eth_sendTransaction", "eth_signTransaction", "eth_fillTransaction"):
                assert await b.error(method, twice) == (-32000, text)

    run(main())
