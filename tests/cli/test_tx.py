"""`tx`, `account` and `status` against a node that answers from a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from eth_account import Account

from tests.cli.scripted import RpcError, ScriptedNode

Run = Callable[..., Result]

SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
RECIPIENT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
HASH = "0x" + "ab" * 32
RECEIPT = {"transactionHash": HASH, "status": "0x1", "blockNumber": "0x7", "gasUsed": "0x5208", "contractAddress": None}


@pytest.fixture
def node(scripted: ScriptedNode) -> ScriptedNode:
    scripted.answers = {
        "eth_chainId": hex(1_660_200),
        "eth_getTransactionCount": "0x5",
        "eth_maxPriorityFeePerGas": "0x0",
        "eth_gasPrice": hex(10**9),
        "eth_estimateGas": "0x5208",
        "eth_sendRawTransaction": HASH,
        "eth_getTransactionReceipt": RECEIPT,
    }
    return scripted


def sent(node: ScriptedNode) -> str:
    [raw] = [params[0] for _, method, params in node.calls if method == "eth_sendRawTransaction"]
    assert isinstance(raw, str)
    return raw


def test_a_transfer_is_signed_by_the_development_account_and_waited_for(zg: Run, node: ScriptedNode) -> None:
    result = zg("tx", "send", RECIPIENT, "--value", "1.5", "--dev", 0, "--rpc", node.url, "--json")
    assert Account.recover_transaction(sent(node)) == SENDER
    assert json.loads(result.stdout) == {"transaction": HASH, "status": "success", "block": 7, "gas_used": 21000}


def test_what_the_person_says_is_not_asked_of_the_node(zg: Run, node: ScriptedNode) -> None:
    fees = ("--gas", 50_000, "--max-fee", "3gwei", "--tip", "1gwei", "--nonce", 9)
    zg("tx", "send", RECIPIENT, "--dev", 1, *fees, "--timeout", 0, "--rpc", node.url)
    assert [method for _, method, _ in node.calls] == ["eth_chainId", "eth_sendRawTransaction"]


def test_a_transaction_that_reverts_fails(zg: Run, node: ScriptedNode) -> None:
    node.answers["eth_getTransactionReceipt"] = {**RECEIPT, "status": "0x0"}
    result = zg("tx", "send", RECIPIENT, "--dev", 0, "--rpc", node.url, "--json")
    assert json.loads(result.stdout)["status"] == "reverted"
    assert result.exit_code == 1


def test_a_transaction_that_used_all_its_gas_says_so(zg: Run, node: ScriptedNode) -> None:
    node.answers["eth_getTransactionReceipt"] = {**RECEIPT, "status": "0x0", "gasUsed": hex(50_000)}
    for gas, reason in ((50_000, "it used all its gas: see --gas"), (50_001, None)):
        result = zg("tx", "send", RECIPIENT, "--dev", 0, "--gas", gas, "--rpc", node.url, "--json")
        assert json.loads(result.stdout).get("reason") == reason


def test_another_shard_is_asked_under_its_path(zg: Run, node: ScriptedNode) -> None:
    zg("tx", "send", RECIPIENT, "--dev", 0, "--rpc", node.url, "--shard", 3)
    assert {path for path, _, _ in node.calls} == {"/shard/3"}


def test_an_account_of_the_keystore_sends_with_its_password(zg: Run, node: ScriptedNode, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    (tmp_path / "key").write_text("0x" + "11" * 32)
    options = ("--home", tmp_path, "--password-file", tmp_path / "password")
    address = json.loads(zg("keys", "import", tmp_path / "key", *options, "--json").stdout)["address"]
    zg("tx", "send", RECIPIENT, "--from", address, *options, "--rpc", node.url)
    assert Account.recover_transaction(sent(node)) == address


@pytest.mark.parametrize("who", [(), ("--dev", "0", "--from", SENDER)])
def test_a_sender_is_named_in_exactly_one_way(zg: Run, node: ScriptedNode, who: tuple[str, ...]) -> None:
    result = zg("tx", "send", RECIPIENT, *who, "--rpc", node.url)
    assert result.exit_code == 2
    assert "--dev N" in result.output
    assert node.calls == []


def test_a_contract_is_deployed_with_its_constructors_arguments(zg: Run, node: ScriptedNode, tmp_path: Path) -> None:
    constructor = {"type": "constructor", "inputs": [{"type": "tuple", "components": [{"type": "uint8"}]}]}
    (tmp_path / "C.json").write_text(json.dumps({"bytecode": {"object": "0x6001"}, "abi": [constructor]}))
    node.answers["eth_getTransactionReceipt"] = {**RECEIPT, "contractAddress": RECIPIENT}
    result = zg("tx", "deploy", tmp_path / "C.json", "[7]", "--dev", 0, "--rpc", node.url, "--json")
    assert json.loads(result.stdout)["contract"] == RECIPIENT
    [estimate] = [params[0] for _, method, params in node.calls if method == "eth_estimateGas"]
    assert "to" not in estimate
    assert estimate["input"] == "0x6001" + f"{7:064x}"


@pytest.mark.parametrize(
    "content", ["", "{", "{}", '{"bytecode": "0x"}', '{"bytecode": "0xzz"}', '{"bytecode": "60", "abi": 3}', "hello"]
)
def test_what_is_no_contract_is_refused(zg: Run, node: ScriptedNode, tmp_path: Path, content: str) -> None:
    (tmp_path / "C.json").write_text(content)
    result = zg("tx", "deploy", tmp_path / "C.json", "--dev", 0, "--rpc", node.url)
    assert result.exit_code == 2
    assert node.calls == []


def test_a_call_decodes_what_the_signature_promises(zg: Run, node: ScriptedNode) -> None:
    node.answers["eth_call"] = f"0x{1234:064x}"
    result = zg("tx", "call", RECIPIENT, "balanceOf(address)(uint256)", SENDER, "--block", 16, "--rpc", node.url)
    assert result.stdout == "1234\n"
    assert node.calls[0][2][1] == "0x10"


def test_a_revert_is_the_nodes_sentence(zg: Run, node: ScriptedNode) -> None:
    node.answers["eth_call"] = RpcError(3, "execution reverted: too little", "0x08c379a0")
    result = zg("tx", "call", RECIPIENT, "f()", "--rpc", node.url)
    assert result.exit_code == 1
    assert "execution reverted: too little" in result.output


def test_a_transaction_that_is_not_final_in_time_says_how_to_ask_again(zg: Run, node: ScriptedNode) -> None:
    node.answers["eth_getTransactionReceipt"] = None
    result = zg("tx", "receipt", HASH, "--rpc", node.url)
    assert result.exit_code == 1
    assert f"zg-node tx receipt {HASH}" in result.output


def test_a_balance_is_exact_for_scripts_and_in_coins_for_people(zg: Run, node: ScriptedNode) -> None:
    node.answers["eth_getBalance"] = hex(10**22 + 1)
    assert "10000.000000000000000001 coins" in zg("account", "balance", SENDER, "--rpc", node.url).stdout
    record = json.loads(zg("account", "balance", SENDER, "--rpc", node.url, "--json").stdout)
    assert record == {"address": SENDER, "balance_wei": str(10**22 + 1), "nonce": 5}


def described(index: int) -> dict[str, object]:
    return {
        "index": hex(index),
        "chainId": hex(1_660_200 + index),
        "path": f"/shard/{index}",
        "head": {"number": "0x10", "hash": HASH, "timestamp": "0x1", "timestampMs": "0x3e8"},
        "pool": {"pending": "0x2", "queued": "0x0"},
        "epoch": "0x1",
        "syncing": None,
    }


def test_status_shows_every_shard(zg: Run, node: ScriptedNode) -> None:
    node.answers |= {
        "zg_nodeInfo": {
            "clientVersion": "zg_node/v0.1.0",
            "network": "x",
            "ready": True,
            "starting": None,
            "peers": "0x3",
            "addresses": [],
        },
        "zg_shards": [described(0), {**described(1), "syncing": {"target": "0x20", "blocksPerSecond": 1.5}}],
    }
    record = json.loads(zg("status", "--rpc", node.url, "--json").stdout)
    assert [(shard["chain_id"], shard["block"]) for shard in record["shards"]] == [(1_660_200, 16), (1_660_201, 16)]
    assert [shard["target"] for shard in record["shards"]] == [None, 32]
    assert record["peers"] == 3
    assert "/shard/1" in zg("status", "--rpc", node.url).stdout


def test_status_waits_while_a_node_joins_and_catches_up(zg: Run, node: ScriptedNode) -> None:
    info = {"clientVersion": "x", "network": "x", "ready": False, "starting": None, "peers": "0x0", "addresses": []}
    joining = {"stage": "joining: shard 1, the state of block 64, 3 of 8 pieces", "done": "0x3", "total": "0x8"}
    behind = {**described(0), "syncing": {"target": "0x20", "blocksPerSecond": 1.5}}
    steps: list[tuple[dict[str, object], list[dict[str, object]]]] = [
        ({**info, "starting": joining}, []),
        (info, [described(0)]),
        ({**info, "ready": True}, [behind]),
        ({**info, "ready": True}, [described(0)]),
    ]
    asked = iter(steps)
    shards: list[dict[str, object]] = []

    def node_info() -> dict[str, object]:
        said, shards[:] = next(asked, steps[-1])
        return said

    node.answers |= {"zg_nodeInfo": node_info, "zg_shards": lambda: shards}
    result = zg("status", "--rpc", node.url, "--wait", "--json")
    assert json.loads(result.stdout)["ready"] is True
    assert [method for _, method, _ in node.calls].count("zg_nodeInfo") == len(steps) + 1
    node.answers |= {"zg_nodeInfo": steps[0][0], "zg_shards": []}
    assert "joining: shard 1, the state of block 64, 3 of 8 pieces" in zg("status", "--rpc", node.url).stdout
    assert json.loads(zg("status", "--rpc", node.url, "--json").stdout)["starting"]["done"] == 3


@pytest.mark.parametrize("shards", [None, 3, [3], [{}], [{**described(0), "index": "x"}]])
def test_status_of_something_else_is_one_sentence(zg: Run, node: ScriptedNode, shards: object) -> None:
    node.answers |= {"zg_nodeInfo": {"clientVersion": "x", "network": "x", "ready": True}, "zg_shards": shards}
    result = zg("status", "--rpc", node.url)
    assert result.exit_code == 1
    assert "is not a zg_node" in result.output


def test_a_node_that_is_not_there_says_how_to_start_one(zg: Run) -> None:
    result = zg("status", "--rpc", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "cannot reach http://127.0.0.1:1 (Connection refused)" in result.output
    assert "zg-node devnet" in result.output


@pytest.mark.parametrize("url", ["", "127.0.0.1:8545", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999"])
def test_what_is_no_url_is_refused(zg: Run, url: str) -> None:
    assert zg("status", "--rpc", url).exit_code == 2


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b'{"error": 3}', b"[" * 100_000, b'{"result": 1}'])
def test_an_answer_that_is_no_json_rpc_is_one_sentence(zg: Run, node: ScriptedNode, raw: bytes) -> None:
    node.raw = raw
    result = zg("account", "balance", SENDER, "--rpc", node.url)
    assert result.exit_code == 1
    assert node.url in result.output


def test_a_refusal_in_json_is_told_in_its_own_words(zg: Run, node: ScriptedNode) -> None:
    node.raw, node.status = b'{"error": {"code": -32000, "message": "not found: no shard 7"}}', 404
    result = zg("account", "balance", SENDER, "--rpc", node.url)
    assert result.exit_code == 1
    assert "answered HTTP 404: not found: no shard 7\n" in result.output


def test_an_http_error_is_one_sentence(zg: Run, node: ScriptedNode) -> None:
    node.raw, node.status = b"too many requests", 429
    result = zg("account", "balance", SENDER, "--rpc", node.url)
    assert result.exit_code == 1
    assert "HTTP 429: too many requests" in result.output
