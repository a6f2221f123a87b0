"""`zg-node da` against a development network in a process of its own, and against answers from a table."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from click.testing import Result

from tests.cli.scripted import RpcError, ScriptedNode
from tests.devnet import Devnet
from tests.jsonrpc import Client
from tests.jsonrpc import RpcError as Refused
from zg_node import _core
from zg_node.da.messages import commitment_of

Run = Callable[..., Result]

BLOB = Random(21).randbytes(5_000_000)
"""More than one piece."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    node = Devnet(tmp_path_factory.mktemp("da") / "home")
    node.start()
    yield node
    node.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(BLOB)
    return path


def answer(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    parsed: dict[str, object] = json.loads(result.stdout)
    return parsed


# ── a real network ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_stored_and_read_back_byte_for_byte(zg: Run, network: Devnet, file: Path, tmp_path: Path) -> None:
    rpc = ("--rpc", network.url, "--json")
    stored = answer(zg("da", "put", file, "--epochs", 3, *rpc))
    assert stored["length"] == len(BLOB)
    assert stored["expires_after_epoch"] == int(str(stored["epoch"])) + 2
    out = tmp_path / "out"
    read = answer(zg("da", "get", stored["commitment"], "--out", out, *rpc))
    assert out.read_bytes() == BLOB
    assert read["liars"] == []
    state = answer(zg("da", "status", stored["commitment"], *rpc))
    assert (state["id"], state["signers"], state["rows_kept_here"], state["expired"]) == (stored["id"], 1, 4096, False)


def test_storing_the_same_file_again_costs_nothing(zg: Run, network: Devnet, file: Path) -> None:
    rpc = ("--rpc", network.url, "--json")
    first = answer(zg("da", "put", file, "--epochs", 2, *rpc))
    payer = "0x261b0a880e7cc6aef5d78b8372088c20cd256b80"
    with Client(network.url) as node:
        before = node.call("eth_getBalance", payer, "latest")
        assert int(before, 16) < 10_000 * 10**18, "it has paid for the first"
        assert answer(zg("da", "put", file, "--epochs", 2, *rpc))["id"] == first["id"]
        assert node.call("eth_getBalance", payer, "latest") == before


def test_a_long_blob_comes_from_standard_input_and_goes_to_the_only_holder(network: Devnet, tmp_path: Path) -> None:
    blob = Random(22).randbytes(33_000_000)
    zg_node = (sys.executable, "-m", "zg_node", "da")
    put = subprocess.run([*zg_node, "put", "-", "--rpc", network.url, "--json"], input=blob, capture_output=True)
    assert put.returncode == 0, put.stderr
    commitment = json.loads(put.stdout)["commitment"]
    get = subprocess.run([*zg_node, "get", commitment, "--rpc", network.url], capture_output=True)
    assert get.stdout == blob


def test_the_holders_are_listed(zg: Run, network: Devnet) -> None:
    found = answer(zg("da", "holders", "--rpc", network.url, "--json"))
    assert found["total_stake"] == 32
    assert found["quorum_stake"] == 22
    holders = found["holders"]
    assert isinstance(holders, list)
    assert [(holder["stake"], holder["reachable"], holder["peer"]) for holder in holders] == [(32, True, None)]
    result = zg("da", "holders", "--epoch", 99, "--rpc", network.url)
    assert result.exit_code == 1
    assert "epoch 99 has no holders yet" in result.stderr


def test_a_small_blob_is_one_call_of_json_rpc(network: Devnet) -> None:
    with Client(network.url) as node:
        stored = node.call("zg_daPut", "0x" + b"hello".hex(), {"epochs": 1})
        assert node.call("zg_daGet", stored["commitment"])["data"] == "0x" + b"hello".hex()
        assert stored["dataRows"] == hex(16)


def test_what_is_not_there_is_said_so(zg: Run, network: Devnet, tmp_path: Path) -> None:
    nothing = "0x" + "ab" * 32
    for command in (("status", nothing), ("get", nothing, "--out", tmp_path / "out")):
        result = zg("da", *command, "--rpc", network.url)
        assert result.exit_code == 1
        assert f"no blob {nothing} is certified" in result.stderr
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    result = zg("da", "put", empty, "--rpc", network.url)
    assert result.exit_code == 2
    assert "has no bytes" in result.stderr
    empty.write_bytes(b"x")
    result = zg("da", "put", empty, "--epochs", 721, "--rpc", network.url)
    assert result.exit_code == 1
    assert "721 epochs: blobs are kept for at most 720" in result.stderr
    for impossible in (("put", empty, "--epochs", 10**20), ("holders", "--epoch", 10**20)):
        assert zg("da", *impossible, "--rpc", network.url).exit_code == 2


def test_calls_that_make_no_sense_are_refused(network: Devnet) -> None:
    with Client(network.url) as node:
        for method, parameters, message in (
            ("zg_daUpload", ["0x0"], "a blob of 0 bytes"),
            ("zg_daUpload", [hex(1 << 40)], "can be stored"),
            ("zg_daPiece", ["0x99", "0x0", "0x00"], "no upload 153"),
            ("zg_daStore", ["0x99"], "no upload 153"),
            ("zg_daProgress", ["0x99"], "no put 153"),
            ("zg_daPut", ["0x00", {"epochs": 0}], "epochs at least 1"),
            ("zg_daPut", ["0x00", {"colour": "red"}], "unknown option 'colour'"),
            ("zg_daGet", ["0x00"], "invalid argument 0"),
        ):
            with pytest.raises(Refused, match=re.escape(message)):
                node.call(method, *parameters)


# ── answers from a table ────────────────────────────────────────────────────────────────────────────────────────────


def progress(**fields: object) -> dict[str, object]:
    usual = {"stage": "offering", "signedStake": "0x1", "quorumStake": "0x3", "failure": None, "certificate": None}
    return {**usual, **fields}


def test_a_put_that_fails_says_why(zg: Run, scripted: ScriptedNode, file: Path) -> None:
    steps = iter([progress(), progress(failure="holders with 1 of 4 stake signed")])
    scripted.answers = {
        "zg_daUpload": "0x1",
        "zg_daStore": "0x7",
        "zg_daProgress": lambda job: next(steps),
    }
    result = zg("da", "put", file, "--rpc", scripted.url)
    assert result.exit_code == 1
    assert "holders with 1 of 4 stake signed" in result.stderr
    assert b"".join(scripted.pieces) == BLOB


def test_liars_are_named(zg: Run, scripted: ScriptedNode, tmp_path: Path) -> None:
    liar = {"signer": "0x" + "11" * 20, "peer": "12D3", "reason": "row 5 and 0 more"}
    scripted.answers = {"zg_daGet": {"length": "0x2", "data": "0xbeef", "received": "0x10", "liars": [liar]}}
    commitment = commitment_of(_core.Encoding(b"\xbe\xef").header()).hex()
    result = zg("da", "get", commitment, "--out", tmp_path / "out", "--rpc", scripted.url)
    assert result.exit_code == 0
    assert f"holder {liar['signer']} lied: row 5" in result.stderr
    assert (tmp_path / "out").read_bytes() == b"\xbe\xef"


def test_a_node_that_does_not_pay_for_strangers_says_so(zg: Run, scripted: ScriptedNode, file: Path) -> None:
    scripted.answers = {"zg_daUpload": RpcError(-32602, "this node pays for blobs of callers on its own machine only")}
    result = zg("da", "put", file, "--rpc", scripted.url)
    assert result.exit_code == 1
    assert "on its own machine only" in result.stderr


def test_a_blob_is_not_written_to_a_terminal_or_among_json(zg: Run, scripted: ScriptedNode) -> None:
    result = zg("da", "get", "0x" + "22" * 32, "--json", "--rpc", scripted.url)
    assert result.exit_code == 2
    assert "say where the blob goes" in result.stderr
    assert scripted.calls == []


def test_sampling_needs_a_network(zg: Run) -> None:
    result = zg("da", "sample", "0x" + "22" * 32)
    assert result.exit_code == 2
    assert "--genesis FILE and --bootstrap ADDRESS, or --home DIRECTORY" in result.stderr
