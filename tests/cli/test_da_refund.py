"""What was paid for a blob that nobody certified comes back to its payer, and not before it may."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.scripted import RpcError, ScriptedNode
from tests.jsonrpc import Client
from tests.running_node import RunningNode
from zg_node.cli.client import RpcClient
from zg_node.cli.da_contract import LOGS_BLOCKS, HoldersClient
from zg_node.cli.da_refund import refundable
from zg_node.contracts import da
from zg_node.contracts.da import DATA_AVAILABILITY, BlobInfo
from zg_node.da.certificate import Blob
from zg_node.errors import InvalidRequest, Unavailable
from zg_node.execution.genesis import packaged, parse
from zg_node.keys import checksum
from zg_node.rpc.errors import HISTORY_PRUNED

Run = Callable[..., Result]

COMMITMENT = b"\x5c" * 32
REQUEST_BLOCKS = 40
CHAIN = packaged("devnet").replace("request_blocks = 600", f"request_blocks = {REQUEST_BLOCKS}")
RULES = parse(CHAIN, "devnet").file.da
assert RULES.request_blocks == REQUEST_BLOCKS


@pytest.fixture
def network(zg: Run, tmp_path: Path) -> Iterator[RunningNode]:
    """A development network with little patience."""
    home, chain = tmp_path / "home", tmp_path / "chain.toml"
    chain.write_text(CHAIN)
    assert zg("init", "alone", "--home", home, "--genesis", chain).exit_code == 0
    here = ("--http-port", "0", "--metrics-port", "0", "--p2p-listen", "/ip4/127.0.0.1/tcp/0")
    node = RunningNode(home, tmp_path / "log", here)
    try:
        node.start()
        yield node
    finally:
        node.close()


def send(node: Client, **fields: object) -> int:
    """A transaction of a development account; returns its block."""
    tx = node.call("eth_sendTransaction", fields)
    while (receipt := node.call("eth_getTransactionReceipt", tx)) is None:
        pass
    assert receipt["status"] == "0x1"
    return int(receipt["blockNumber"], 16)


def test_a_request_that_nobody_certified_is_paid_back_when_it_is_due(zg: Run, network: RunningNode) -> None:
    command = ("da", "refund", "0x" + COMMITMENT.hex(), "--dev", 4, "--rpc", network.url)
    nothing = zg(*command)
    assert nothing.exit_code == 1
    assert f"nothing was paid for blob 0x{COMMITMENT.hex()} that is not certified" in nothing.stderr

    with Client(network.url) as node:
        payer, other = (checksum(bytes.fromhex(account[2:])) for account in node.call("eth_accounts")[2:4])
        fee = RULES.byte_price_wei * 1_000 * 3 + RULES.blob_price_wei
        call = "0x" + da.request(Blob(COMMITMENT, 1_000, 0, 0, 2)).hex()
        paid_in = send(node, **{"from": payer, "to": checksum(DATA_AVAILABILITY), "value": hex(fee), "input": call})
        early = zg(*command)
        assert early.exit_code == 1
        due = paid_in + REQUEST_BLOCKS + 1
        assert f"can be paid back from block {due} on: this is block" in early.stderr

        while send(node, **{"from": other, "to": other}) < due:
            pass
        before = int(node.call("eth_getBalance", payer, "latest"), 16)
        result = zg(*command, "--json")
        assert result.exit_code == 0, result.stderr
        assert int(node.call("eth_getBalance", payer, "latest"), 16) == before + fee
    record = json.loads(result.stdout)
    (done,) = record["refunds"]
    assert (record["commitment"], record["next_from_block"]) == ("0x" + COMMITMENT.hex(), None)
    assert done["payer"] == payer
    assert "nothing was paid for blob" in zg(*command).stderr


# ── what is worked out ──────────────────────────────────────────────────────────────────────────────────────────────


def info(requested_in: int, certified_in: int = 0) -> BlobInfo:
    return BlobInfo(COMMITMENT, 5, 0, 3, 4, bytes(20), requested_in, certified_in, 100, 100, (), (), 0)


def test_only_requests_that_are_old_and_uncertified_are_due() -> None:
    requests = [
        (b"old", info(90)),
        (b"new", info(91)),
        (b"newer", info(95)),
        (b"good", info(50, 60)),
        (b"gone", info(0)),
    ]
    due, first = refundable(requests, 101, 10)
    assert ([blob_id for blob_id, _ in due], first) == ([b"old"], 102)
    assert refundable(requests[3:], 101, 10) == ([], None)


def logs(node: ScriptedNode, head: int, most: int, oldest: int) -> Callable[[dict[str, str]], object]:
    """An eth_getLogs of at most so many blocks at a time, kept from `oldest` on, with an event in every 5,000th."""

    def answer(criteria: dict[str, str]) -> object:
        first, last = int(criteria["fromBlock"], 16), int(criteria["toBlock"], 16)
        if first < oldest:
            return RpcError(HISTORY_PRUNED, "pruned history unavailable")
        if last - first >= most:
            return RpcError(-32602, f"query exceeds max block range {most}")
        return [{"topics": ["0x", f"0x{block:064x}"]} for block in range(first, last + 1) if block % 5_000 == 0]

    node.answers = {"eth_blockNumber": hex(head), "eth_getLogs": answer}
    return answer


@pytest.mark.parametrize("oldest", [0, 1, 5_000, 14_999, 15_000, 15_001, 34_567])
@pytest.mark.parametrize("most", [LOGS_BLOCKS, 700])
def test_requests_are_found_as_far_back_as_there_are_blocks(scripted: ScriptedNode, oldest: int, most: int) -> None:
    logs(scripted, 34_567, most, oldest)
    found = HoldersClient(RpcClient(scripted.url)).requested(COMMITMENT)
    assert sorted(int.from_bytes(blob_id, "big") for blob_id in found) == [
        block for block in range(0, 34_567, 5_000) if block >= oldest
    ]
    assert len(scripted.calls) < 34_567 // most * 3 + 30


def test_a_node_that_answers_no_logs_is_not_asked_for_ever(scripted: ScriptedNode) -> None:
    scripted.answers = {"eth_blockNumber": "0x64", "eth_getLogs": RpcError(-32602, "no logs here")}
    with pytest.raises(InvalidRequest, match="no logs here"):
        HoldersClient(RpcClient(scripted.url)).requested(COMMITMENT)
    others: tuple[object, ...] = ([{}], [{"topics": ["0x"]}], [{"topics": ["0x", "0xzz"]}], 5)
    for nonsense in others:
        scripted.answers["eth_getLogs"] = nonsense
        with pytest.raises(Unavailable, match="answered eth_getLogs with something else"):
            HoldersClient(RpcClient(scripted.url)).requested(COMMITMENT)
