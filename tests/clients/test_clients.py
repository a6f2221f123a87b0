"""ethers, viem, web3.py and cast do a newcomer's first steps against a development network.

Each sends a transfer, waits for its receipt, deploys the sample contract, calls it, reads its event as a log and as a
push over WebSocket, and decodes both of its failures. The first three are scripts of their own beside this file.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Network

HERE = Path(__file__).resolve().parent
ARTIFACT = HERE.parents[1] / "zg_node" / "genesis_data" / "artifacts" / "Counter.json"
INCREASED = "Increased(address indexed,uint256,uint256)"
EXPECTED = {
    "status": 1,
    "received": str(15 * 10**17),
    "event": [7, 7],
    "pushed": [7, 7],
    "value": 7,
    "reason": "Counter: nothing to add",
    "custom_error": "TooLarge(2000,1000)",
}


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


@pytest.mark.parametrize("client", ["ethers", "viem"])
def test_javascript_client_does_the_first_steps(client: str, network: Network, npm_packages: Path) -> None:
    key = network.keys[1 if client == "ethers" else 2]
    seen = json.loads(run(["node", str(HERE / f"transfer_{client}.mjs"), network.url, key, str(ARTIFACT)]))
    assert seen.pop("block") > 0
    assert seen == EXPECTED


def test_web3_py_does_the_first_steps(network: Network) -> None:
    script = [sys.executable, str(HERE / "transfer_web3.py"), network.url, network.keys[3], str(ARTIFACT)]
    seen = json.loads(run(script))
    assert seen.pop("block") > 0
    assert seen == EXPECTED


class Cast:
    """The command line of Foundry, with one account."""

    def __init__(self, program: Path, network: Network, key: str) -> None:
        self.program = str(program)
        self.network = network
        self.key = key

    def read(self, *arguments: str) -> str:
        return run([self.program, *arguments, "--rpc-url", self.network.url]).strip()

    def send(self, *arguments: str) -> dict[str, Any]:
        options = ["--rpc-url", self.network.url, "--private-key", self.key, "--json"]
        receipt: dict[str, Any] = json.loads(run([self.program, "send", *options, *arguments]))
        assert receipt["status"] == "0x1"
        return receipt

    def fail(self, *arguments: str) -> str:
        """What a call that must revert prints."""
        command = [self.program, "call", *arguments, "--rpc-url", self.network.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture
def cast(network: Network, npm_packages: Path) -> Cast:
    (program,) = npm_packages.glob("@foundry-rs/cast-*/bin/cast")
    return Cast(program, network, network.keys[4])


def test_cast_does_the_first_steps(cast: Cast) -> None:
    to = "0x00000000000000000000000000000000000000c4"
    cast.send(to, "--value", "1.5ether")
    assert cast.read("balance", to) == EXPECTED["received"]

    counter = cast.send("--create", json.loads(ARTIFACT.read_text())["bytecode"])["contractAddress"]
    receipt = cast.send(counter, "increase(uint256)", "7")
    assert cast.read("call", counter, "value()(uint256)") == "7"

    block = str(int(receipt["blockNumber"], 16))
    found = cast.read("logs", "--json", "--from-block", block, "--to-block", block, "--address", counter, INCREASED)
    (log,) = json.loads(found)
    assert [int(log["data"][2:][i : i + 64], 16) for i in (0, 64)] == EXPECTED["event"]

    assert "Counter: nothing to add" in cast.fail(counter, "increase(uint256)", "0")
    too_large = cast.fail(counter, "increase(uint256)", "2000")
    selector = run([cast.program, "sig", "TooLarge(uint256,uint256)"]).strip()
    assert selector.removeprefix("0x") in too_large


def test_cast_streams_logs_over_websocket(cast: Cast) -> None:
    counter = cast.send("--create", json.loads(ARTIFACT.read_text())["bytecode"])["contractAddress"]
    command = [cast.program, "logs", "--subscribe", "--address", counter, INCREASED]
    stream = subprocess.Popen([*command, "--rpc-url", cast.network.ws_url], stdout=subprocess.PIPE)
    assert stream.stdout is not None
    try:
        deadline = time.monotonic() + 30
        printed = b""
        while counter.lower().encode() not in printed.lower():
            assert time.monotonic() < deadline, f"no log was pushed; cast printed {printed!r}"
            cast.send(counter, "increase(uint256)", "7")  # again and again: cast does not tell when it has subscribed
            readable, _, _ = select.select([stream.stdout], [], [], 0.5)
            printed += os.read(stream.stdout.fileno(), 65536) if readable else b""
    finally:
        stream.kill()
        stream.communicate()


def test_the_network_has_the_contracts_that_clients_expect(cast: Cast) -> None:
    multicall = "0xcA11bde05977b3631167028862bE2a173976CA11"
    assert cast.read("call", multicall, "getChainId()(uint256)").split()[0] == str(cast.network.chain_id)

    # EIP-1014 through the CREATE2 factory: creation code that deploys the single byte 00 (STOP).
    factory, code = "0x4e59b44847b379578588920cA78FbF26c0B4956C", "0x60016000f3"
    cast.send(factory, f"0x{'00' * 31}07{code[2:]}")
    salt = f"0x{'00' * 31}07"
    predicted = run([cast.program, "create2", "--deployer", factory, "--salt", salt, "--init-code", code]).split()[-1]
    assert cast.read("code", predicted) == "0x00"
