"""Every namespace against the real state, pool and engine."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import rlp
from coincurve import PublicKey

from tests.rpc.bench import bench
from tests.rpc.devchain import ALICE, BOB, ECHO_RUNTIME, KEYS, NOBODY, REVERT_RUNTIME
from tests.rpc.harness import post, request, run, until
from zg_node.types.hashing import keccak

ETHER = 10**18
A, B = "0x" + ALICE.hex(), "0x" + BOB.hex()


def test_a_transfer_goes_from_submission_to_receipt(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            raw = b.dev.sign(ALICE, 0, to=B, value=hex(ETHER))
            tx_hash = await b.get("eth_sendRawTransaction", raw)
            assert tx_hash == "0x" + keccak(bytes.fromhex(raw[2:])).hex()
            assert await b.get("eth_getTransactionReceipt", tx_hash) is None
            pending = await b.get("eth_getTransactionByHash", tx_hash)
            assert pending["blockHash"] is None
            assert await b.get("eth_getRawTransactionByHash", tx_hash) == raw
            assert await b.get("eth_getTransactionCount", A, "pending") == "0x1"
            assert await b.get("eth_getTransactionCount", A, "latest") == "0x0"
            block = b.dev.mine()
            receipt = await b.get("eth_getTransactionReceipt", tx_hash)
            assert receipt["status"] == "0x1"
            assert receipt["blockHash"] == "0x" + block.hash.hex()
            assert receipt["from"].lower() == A
            mined = await b.get("eth_getTransactionByHash", tx_hash)
            assert mined["blockNumber"] == "0x1"
            assert await b.get("eth_getTransactionByBlockNumberAndIndex", "0x1", "0x0") == mined
            assert await b.get("eth_getTransactionByBlockHashAndIndex", receipt["blockHash"], "0x0") == mined
            assert await b.get("eth_getTransactionByBlockNumberAndIndex", "0x1", "0x1") is None
            assert await b.get("eth_getRawTransactionByHash", tx_hash) == raw
            assert await b.get("eth_getRawTransactionByBlockNumberAndIndex", "latest", "0x0") == raw
            assert await b.get("eth_getBlockReceipts", "latest") == [receipt]
            assert int(await b.get("eth_getBalance", B, "latest"), 16) == 10_001 * ETHER
            assert int(await b.get("eth_getBalance", B, "earliest"), 16) == 10_000 * ETHER
            assert await b.get("eth_getTransactionCount", A) == "0x1"

    run(main())


def test_blocks_are_found_by_every_name(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            for nonce in range(3):
                await b.send(b.dev.sign(ALICE, nonce, to=B))
            assert await b.get("eth_blockNumber") == "0x3"
            latest = await b.get("eth_getBlockByNumber", "latest", False)
            for tag in ("safe", "finalized", "0x3"):
                assert await b.get("eth_getBlockByNumber", tag, False) == latest
            assert await b.get("eth_getBlockByHash", latest["hash"], False) == latest
            full = await b.get("eth_getBlockByNumber", "latest", True)
            assert [t["hash"] for t in full["transactions"]] == latest["transactions"]
            header = await b.get("eth_getHeaderByNumber", "latest")
            assert header["hash"] == latest["hash"]
            assert await b.get("eth_getHeaderByHash", latest["hash"]) == header
            assert await b.get("eth_getBlockTransactionCountByNumber", "0x3") == "0x1"
            assert await b.get("eth_getBlockTransactionCountByHash", latest["hash"]) == "0x1"
            assert await b.get("eth_getUncleCountByBlockNumber", "0x3") == "0x0"
            assert await b.get("eth_getUncleCountByBlockHash", latest["hash"]) == "0x0"
            assert await b.get("eth_getUncleByBlockNumberAndIndex", "0x3", "0x0") is None
            pending = await b.get("eth_getBlockByNumber", "pending", False)
            assert (pending["number"], pending["hash"], pending["nonce"]) == ("0x4", None, None)
            assert pending["parentHash"] == latest["hash"]

    run(main())


def test_what_is_unknown_is_null_or_not_found_as_in_geth(tmp_path: Path) -> None:
    async def main() -> None:
        unknown = "0x" + "99" * 32
        async with bench(tmp_path) as b:
            for method, params in (
                ("eth_getBlockByNumber", ["0x99", False]),
                ("eth_getBlockByHash", [unknown, False]),
                ("eth_getBlockReceipts", ["0x99"]),
                ("eth_getHeaderByHash", [unknown]),
                ("eth_getBlockTransactionCountByHash", [unknown]),
                ("eth_getUncleCountByBlockNumber", ["0x99"]),
                ("eth_getTransactionByHash", [unknown]),
                ("eth_getTransactionReceipt", [unknown]),
                ("eth_getTransactionByBlockHashAndIndex", [unknown, "0x0"]),
            ):
                assert await b.get(method, *params) is None, method
            assert await b.get("eth_getRawTransactionByHash", unknown) == "0x"
            for method in ("eth_getBalance", "eth_getCode", "eth_getTransactionCount"):
                assert await b.error(method, A, "0x99") == (-32000, "header not found")
                assert await b.error(method, A, unknown) == (-32000, "header for hash not found")
            assert await b.error("eth_call", {"to": B}, "0x99") == (-32000, "header not found")

    run(main())


def test_code_storage_and_proofs_are_read_at_a_block(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            store = bytes.fromhex("602a60005500")
            address = await b.deploy(store, 0)
            assert await b.get("eth_getCode", address, "latest") == "0x" + store.hex()
            assert await b.get("eth_getCode", address, "0x0") == "0x"
            assert await b.get("eth_getStorageAt", address, "0x0", "latest") == "0x" + "00" * 32
            await b.send(b.dev.sign(ALICE, 1, to=address))
            assert int(await b.get("eth_getStorageAt", address, "0x0", "latest"), 16) == 42
            assert int(await b.get("eth_getStorageAt", address, "0x0", {"blockNumber": "0x1"}), 16) == 0
            proof = await b.get("eth_getProof", address, ["0x0"], "latest")
            head = await b.get("eth_getBlockByNumber", "latest", False)
            assert keccak(bytes.fromhex(proof["accountProof"][0][2:])).hex() == head["stateRoot"][2:]
            assert proof["storageProof"][0]["value"] == "0x2a"
            info = await b.get("eth_getAccountInfo", address, "latest")
            assert info == {"balance": "0x0", "nonce": "0x1", "code": "0x" + store.hex()}
            code, message = await b.error("eth_getProof", address, ["0x0"] * 1025, "latest")
            assert (code, message) == (-32602, "too many slots (max 1024)")

    run(main())


def test_calls_return_data_and_reverts_carry_theirs(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            echo, reverts = await b.deploy(ECHO_RUNTIME, 0), await b.deploy(REVERT_RUNTIME, 1)
            assert await b.get("eth_call", {"to": echo, "input": "0xabcd"}, "latest") == "0xabcd"
            assert await b.get("eth_call", {"to": echo, "data": "0x01"}) == "0x01"
            assert await b.get("eth_call", {"to": echo, "data": "0x01"}, "0x0") == "0x"
            answer = await b.client.call("eth_call", {"to": reverts}, "latest")
            assert answer["error"]["code"] == 3
            assert answer["error"]["data"] == "0x" + "00" * 32
            code, _ = await b.error("eth_call", {"to": "0x12"}, "latest")
            assert code == -32602
            code, message = await b.error("eth_call", "text", "latest")
            assert (code, message.startswith("invalid argument 0: json: cannot unmarshal string")) == (-32602, True)

    run(main())


def test_calls_see_overridden_state_and_block(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            overrides = {B: {"code": "0x4360005260206000f3", "balance": "0x1"}}  # returns the block number
            assert int(await b.get("eth_call", {"to": B}, "latest", overrides), 16) == 0
            assert int(await b.get("eth_call", {"to": B}, "pending", overrides), 16) == 1
            block = {"number": "0x1234"}
            assert int(await b.get("eth_call", {"to": B}, "latest", overrides, block), 16) == 0x1234
            code, message = await b.error("eth_call", {"to": B}, "latest", None, {"beaconRoot": "0x1"})
            assert code == -32602
            assert "beaconRoot" in message

    run(main())


def test_many_calls_at_once_are_each_answered(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            echo = await b.deploy(ECHO_RUNTIME, 0)
            calls = [
                orjson.loads(request("eth_call", {"to": echo, "input": f"0x{i:04x}"}, "latest", request_id=i))
                for i in range(100)
            ]
            for _ in range(5):
                b.client.send(post(orjson.dumps(calls)))
            for _ in range(5):
                answers = (await b.client.read()).json
                assert [(one["id"], int(one["result"], 16)) for one in answers] == [(i, i) for i in range(100)]

    run(main())


def test_gas_is_estimated_and_access_lists_made(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            assert await b.get("eth_estimateGas", {"from": A, "to": B, "value": "0x1"}) == hex(21_000)
            loads = await b.deploy(bytes.fromhex("60005460005500"), 0)
            listed = await b.get("eth_createAccessList", {"from": A, "to": loads}, "latest")
            assert listed["accessList"] == [{"address": loads, "storageKeys": ["0x" + "00" * 32]}]
            reverts = await b.deploy(REVERT_RUNTIME, 1)
            assert (await b.error("eth_estimateGas", {"to": reverts}))[0] == 3
            code, message = await b.error("eth_estimateGas", {"from": "0x" + NOBODY.hex(), "to": B, "value": "0x1"})
            assert code == -32000
            assert "insufficient funds" in message

    run(main())


def test_fees_are_reported_and_their_history_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            for nonce in range(3):
                await b.send(b.dev.sign(ALICE, nonce, to=B, maxPriorityFeePerGas=hex(nonce)))
            b.dev.clock.advance(1_000)  # an idle second brings the fee back to its floor
            assert int(await b.get("eth_gasPrice"), 16) == 10**9
            assert await b.get("eth_maxPriorityFeePerGas") == "0x0"
            assert int(await b.get("eth_baseFee"), 16) == 10**9
            assert await b.get("eth_blobBaseFee") == "0x1"
            history = await b.get("eth_feeHistory", "0x2", "latest", [25, 75])
            assert history["oldestBlock"] == "0x2"
            assert len(history["baseFeePerGas"]) == 3
            assert history["reward"] == [["0x1", "0x1"], ["0x2", "0x2"]]
            assert history["gasUsedRatio"] == [21_000 / 500_000_000] * 2
            assert len((await b.get("eth_feeHistory", 100, "latest", None))["gasUsedRatio"]) == 4
            assert await b.error("eth_feeHistory", "0x1", "0x9", []) == (
                -32000, "request beyond head block: requested 9, head 3",
            )  # fmt: skip
            for percentiles in ([50, 25], [101], [-1], ["x"], [True]):
                assert (await b.error("eth_feeHistory", "0x1", "latest", percentiles))[0] in (-32000, -32602)

    run(main())


def test_logs_are_found_by_address_range_and_hash(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            echo = await b.deploy(ECHO_RUNTIME, 0)
            for nonce in range(1, 4):
                await b.send(b.dev.sign(ALICE, nonce, to=echo, input=f"0x{nonce:02x}"))
            every = await b.get("eth_getLogs", {"fromBlock": "earliest", "toBlock": "latest"})
            assert [(one["blockNumber"], one["data"]) for one in every] == [
                ("0x2", "0x01"),
                ("0x3", "0x02"),
                ("0x4", "0x03"),
            ]
            assert await b.get("eth_getLogs", {"fromBlock": "0x0", "address": [echo, B]}) == every
            assert await b.get("eth_getLogs", {"fromBlock": "0x0", "address": B}) == []
            assert await b.get("eth_getLogs", {"fromBlock": "0x3", "toBlock": "0x3"}) == every[1:2]
            assert await b.get("eth_getLogs", {"blockHash": every[2]["blockHash"]}) == every[2:]
            assert await b.get("eth_getLogs", {}) == every[2:]
            assert await b.get("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x99"}) == every
            assert await b.get("eth_getLogs", {"fromBlock": "0x0", "topics": [["0x" + "11" * 32]]}) == []

    run(main())


@pytest.mark.parametrize(
    ("criteria", "code", "message"),
    [
        ({"blockHash": "0x" + "99" * 32}, -32000, "unknown block"),
        ({"blockHash": "0x" + "99" * 32, "fromBlock": "0x0"}, -32602, "cannot specify both"),
        ({"fromBlock": "0x2", "toBlock": "0x1"}, -32602, "invalid block range"),
        ({"fromBlock": "0x01"}, -32602, "leading zero"),
        ({"address": "0x12"}, -32602, "want 40"),
        ({"address": ["0x" + "11" * 20] * 1001}, -32602, "exceed max addresses"),
        ({"topics": [None] * 5}, -32602, "exceed max topics"),
        ({"topics": [["0x" + "11" * 32] * 1001]}, -32602, "exceed max"),
        ({"topics": "0x12"}, -32602, "invalid topic"),
        ({"topics": [7]}, -32602, "common.Hash"),
    ],
)
def test_log_criteria_that_cannot_be_answered_are_refused(
    tmp_path: Path, criteria: dict[str, object], code: int, message: str
) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            given = await b.error("eth_getLogs", criteria)
            assert given[0] == code
            assert message in given[1]

    run(main())


def test_polled_filters_tell_what_is_new_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            echo = await b.deploy(ECHO_RUNTIME, 0)
            logs = await b.get("eth_newFilter", {"fromBlock": "0x0", "address": echo})
            blocks = await b.get("eth_newBlockFilter")
            pending = await b.get("eth_newPendingTransactionFilter")
            tx_hash = await b.send(b.dev.sign(ALICE, 1, to=echo, input="0xaa"))
            (found,) = await b.get("eth_getFilterChanges", logs)
            assert found["data"] == "0xaa"
            assert await b.get("eth_getFilterChanges", blocks) == ["0x" + b.dev.chain.head.hash.hex()]
            assert await b.get("eth_getFilterChanges", pending) == [tx_hash]
            for one in (logs, blocks, pending):
                assert await b.get("eth_getFilterChanges", one) == []
            assert await b.get("eth_getFilterLogs", logs) == [found]
            assert await b.error("eth_getFilterLogs", blocks) == (-32000, "filter not found")
            assert await b.get("eth_uninstallFilter", logs) is True
            assert await b.get("eth_uninstallFilter", logs) is False
            assert await b.error("eth_getFilterChanges", logs) == (-32000, "filter not found")

    run(main())


def test_a_pool_refusal_is_told_in_geths_words(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            await b.send(b.dev.sign(ALICE, 0, to=B))
            code, message = await b.error("eth_sendRawTransaction", b.dev.sign(ALICE, 0, to=B))
            assert (code, message.startswith("nonce too low")) == (-32000, True)
            for raw in ("0x", "0x1234", "0xzz", "1234"):
                assert (await b.error("eth_sendRawTransaction", raw))[0] in (-32000, -32602), raw
            assert await b.error("eth_sendRawTransaction") == (-32602, "missing value for required argument 0")
            assert (await b.error("eth_sendRawTransaction", 7))[0] == -32602
            raws = [b.dev.sign(ALICE, 1, to=B), "0x00", b.dev.sign(ALICE, 2, to=B)]
            batch = [orjson.loads(request("eth_sendRawTransaction", raw, request_id=raw[-4:])) for raw in raws]
            answers = (await b.client.ask(post(orjson.dumps(batch)))).json
            assert [one["id"] for one in answers] == [raw[-4:] for raw in raws]
            assert ["result" in one for one in answers] == [True, False, True]

    run(main())


def test_a_mixed_batch_sees_the_transaction_that_it_sent(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            batch = [
                orjson.loads(request("eth_getTransactionCount", A, "pending", request_id=1)),
                orjson.loads(request("eth_sendRawTransaction", b.dev.sign(ALICE, 0, to=B), request_id=2)),
                orjson.loads(request("eth_getTransactionCount", A, "pending", request_id=3)),
            ]
            answers = (await b.client.ask(post(orjson.dumps(batch)))).json
            assert (answers[0]["result"], answers[2]["result"]) == ("0x0", "0x1")

    run(main())


def test_sending_synchronously_answers_with_the_receipt_or_a_timeout(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            b.client.send(post(request("eth_sendRawTransactionSync", b.dev.sign(ALICE, 0, to=B))))
            await until(lambda: b.dev.pool.len()[0])
            b.dev.mine()
            receipt = (await b.client.read()).json["result"]
            assert (receipt["blockNumber"], receipt["status"]) == ("0x1", "0x1")
            raw = b.dev.sign(ALICE, 1, to=B)
            answer = await b.client.call("eth_sendRawTransactionSync", raw, 1)
            assert answer["error"]["code"] == 4
            assert answer["error"]["data"] == "0x" + keccak(bytes.fromhex(raw[2:])).hex()
            assert (await b.error("eth_sendRawTransactionSync", raw))[1].startswith("already known")

    run(main())


def test_development_accounts_sign_and_send(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            assert await b.get("eth_accounts") == ["0x" + address.hex() for address in KEYS]
            tx_hash = await b.get("eth_sendTransaction", {"from": A, "to": B, "value": hex(ETHER)})
            second = await b.get("eth_sendTransaction", {"from": A, "to": B, "gasPrice": hex(2 * 10**9)})
            b.dev.mine()
            assert (await b.get("eth_getTransactionReceipt", tx_hash))["gasUsed"] == hex(21_000)
            assert (await b.get("eth_getTransactionByHash", second))["type"] == "0x0"
            signed = await b.get(
                "eth_signTransaction",
                {
                    "from": A,
                    "to": B,
                    "nonce": "0x2",
                    "gas": "0x5208",
                    "maxFeePerGas": hex(10**10),
                    "maxPriorityFeePerGas": "0x0",
                },
            )
            assert signed["tx"]["from"].lower() == A
            await b.send(signed["raw"])
            assert await b.get("eth_getTransactionCount", A) == "0x3"
            for missing in ({}, {"gas": "0x5208"}, {"gas": "0x5208", "gasPrice": "0x1"}):
                assert (await b.error("eth_signTransaction", {"from": A, "to": B, **missing}))[0] == -32000
            assert await b.error("eth_sendTransaction", {"from": "0x" + NOBODY.hex(), "to": B}) == (
                -32000,
                "unknown account",
            )
            assert (await b.error("eth_sendTransaction", {"to": B}))[0] == -32602
            assert "chainId" in (await b.error("eth_sendTransaction", {"from": A, "to": B, "chainId": "0x1"}))[1]

    run(main())


def test_messages_are_signed_as_wallets_sign_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            message = "0x" + b"hello".hex()
            signature = await b.get("eth_sign", A, message)
            assert await b.get("personal_sign", message, A, "") == signature
            raw = bytes.fromhex(signature[2:])
            digest = keccak(b"\x19Ethereum Signed Message:\n5hello")
            signer = PublicKey.from_signature_and_message(raw[:64] + bytes((raw[64] - 27,)), digest, hasher=None)
            assert keccak(signer.format(compressed=False)[1:])[12:] == ALICE

    run(main())


def test_development_accounts_are_hidden_behind_a_proxy(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            forwarded = "x-forwarded-for: 203.0.113.7\r\n"
            answer = await b.client.ask(post(request("eth_accounts"), headers=forwarded))
            assert answer.json["result"] == []
            answer = await b.client.ask(post(request("eth_sign", A, "0x00"), headers=forwarded))
            assert "this machine only" in answer.json["error"]["message"]

    run(main())


def test_an_unsigned_transaction_is_filled(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            filled = await b.get("eth_fillTransaction", {"from": A, "to": B, "value": "0x1"})
            transaction = filled["tx"]
            assert (transaction["nonce"], transaction["gas"], transaction["type"]) == ("0x0", hex(21_000), "0x2")
            assert int(transaction["maxFeePerGas"], 16) == 2 * 10**9
            raw = bytes.fromhex(filled["raw"][2:])
            assert raw[0] == 2
            assert len(rlp.decode(raw[1:])) == 12
            assert (await b.error("eth_fillTransaction", {"to": B, "data": "0x1"}))[0] == -32602

    run(main())


def test_the_pool_is_shown(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            for nonce in (0, 5):
                await b.get("eth_sendRawTransaction", b.dev.sign(ALICE, nonce, to=B))
            assert await b.get("txpool_status") == {"pending": "0x1", "queued": "0x1"}
            content = await b.get("txpool_content")
            (sender,) = content["pending"]
            assert sender.lower() == A
            assert content["pending"][sender]["0"]["nonce"] == "0x0"
            mine = await b.get("txpool_contentFrom", A)
            assert (list(mine["pending"]), list(mine["queued"])) == (["0"], ["5"])
            assert (await b.get("txpool_contentFrom", B)) == {"pending": {}, "queued": {}}
            lines = await b.get("txpool_inspect")
            to = next(iter(content["queued"][sender].values()))["to"]
            assert lines["queued"][sender]["5"].lower() == f"{to}: 0 wei + 300000 gas × 20000000000 wei"
            assert lines["pending"][sender].keys() == {"0"}

    run(main())


def test_the_chain_and_the_node_describe_themselves(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as b:
            assert await b.get("eth_chainId") == hex(1_660_200)
            assert await b.get("net_version") == "1660200"
            assert await b.get("net_listening") is True
            assert await b.get("net_peerCount") == "0x0"
            assert await b.get("eth_syncing") is False
            assert await b.get("web3_clientVersion") == "zg_node/test"
            assert await b.get("web3_sha3", "0x") == "0x" + keccak(b"").hex()
            assert "eth" in await b.get("rpc_modules")
            (shard,) = await b.get("zg_shards")
            assert (shard["index"], shard["chainId"], shard["path"]) == ("0x0", hex(1_660_200), "/shard/0")
            assert await b.get("zg_shard") == shard == await b.get("zg_shard", 0)
            assert (await b.error("zg_shard", 1))[0] == -32602
            assert (await b.get("zg_nodeInfo"))["shards"] == "0x1"
            config = await b.get("eth_config")
            assert config["current"]["chainId"] == hex(1_660_200)

    run(main())


def test_pruned_state_is_a_missing_trie_node(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path, history_blocks=2) as b:
            for _ in range(6):
                b.dev.mine()
            assert int(await b.get("eth_getBalance", A, "0x5"), 16) == 10_000 * ETHER
            code, message = await b.error("eth_getBalance", A, "0x1")
            assert code == -32000
            assert "missing trie node" in message
            code, message = await b.error("eth_call", {"to": B}, "0x1")
            assert code == -32000
            assert "missing trie node" in message

    run(main())
