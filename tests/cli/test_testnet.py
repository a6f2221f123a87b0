"""`testnet` as a person runs it: four validators as real processes, and a fifth node that joins them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.devnet import PROGRAM, NotReady
from tests.jsonrpc import Client
from tests.running_node import RunningNode, alive, free_ports, is_free
from tests.testnet import Validators, await_head, eventually, final, heads
from tests.transfers import transfer
from zg_node.bench.process import tree
from zg_node.cli.testnet import prepare
from zg_node.cli.testnet_homes import found
from zg_node.contracts.staking import STAKING, decode_set, validators_call

SHARDS = 2
FINAL_S = 20.0
"""Generous: a busy machine runs ten processes here."""
HEARTBEATS = 5


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validators]:
    """Four validators, two shards. Each test pays from development accounts of its own, and leaves all nodes alive."""
    directory = tmp_path_factory.mktemp("testnet")
    validators = Validators(directory / "network", directory / "errors")
    try:
        validators.start()
        yield validators
    finally:
        validators.close()


def zg(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def settle(network: Validators, sender: int, nonce: int, nodes: tuple[int, ...] = (0, 1, 2, 3)) -> None:
    """Send a transfer on each shard to the first of `nodes`; all of them must come to the same receipt and block."""
    for shard in range(SHARDS):
        with ExitStack() as stack:
            clients = [stack.enter_context(network.client(node, shard)) for node in nodes]
            tx_hash = clients[0].call("eth_sendRawTransaction", transfer(sender, nonce, shard=shard))
            receipts = [final(client, tx_hash, FINAL_S) for client in clients]
            assert receipts[0]["status"] == "0x1"
            assert all(receipt == receipts[0] for receipt in receipts)
            blocks = [client.call("eth_getBlockByNumber", receipts[0]["blockNumber"], True) for client in clients]
            assert all(block == blocks[0] for block in blocks)


def blocks_until(client: Client, receipt: dict[str, Any]) -> list[Any]:
    """The last hundred blocks up to a transaction's, and everything that they hold."""
    last = int(receipt["blockNumber"], 16)
    return client.batch("eth_getBlockByNumber", [[hex(number), True] for number in range(max(0, last - 99), last + 1)])


def test_the_line_names_every_node(network: Validators) -> None:
    assert network.line.count("\n") == 1
    assert [set(node) for node in network.nodes] == [{"pid", "rpc", "home"}] * 4
    for index, node in enumerate(network.nodes):
        assert alive(node["pid"])
        assert node["rpc"] == f"http://127.0.0.1:{network.first_port + index}"
        assert Path(node["home"]) == network.datadir / f"node-{index}"
        with network.client(index) as client:
            assert client.call("eth_chainId") == hex(1_660_200)
        with network.client(index, 1) as client:
            assert client.call("eth_chainId") == hex(1_660_201)


def test_a_transfer_to_any_node_is_final_on_all_of_them(network: Validators) -> None:
    for node in range(4):
        order = tuple((node + i) % 4 for i in range(4))
        settle(network, sender=0, nonce=node, nodes=order)


def test_idle_shards_make_a_block_every_second(network: Validators) -> None:
    for shard in range(SHARDS):
        with network.client(0, shard) as client:
            first = heads([client])[0] + 1
            last = first + HEARTBEATS
            await_head(client, last, FINAL_S)
            blocks = client.batch("eth_getBlockByNumber", [[hex(number), False] for number in range(first, last + 1)])
        assert not any(block["transactions"] for block in blocks)
        times = [int(block["timestamp"], 16) for block in blocks]
        assert times[-1] - times[0] <= 2 * HEARTBEATS, times


def test_a_fifth_node_joins_and_serves_the_same_chain(network: Validators, tmp_path: Path) -> None:
    home = tmp_path / "fifth"
    made = zg("init", "fifth", "--home", home, "--genesis", network.ready["genesis"], "--json")
    assert made.returncode == 0, made.stderr
    here = ("--http-port", "0", "--metrics-port", "0", "--p2p-listen", "/ip4/127.0.0.1/tcp/0")
    fifth = RunningNode(home, tmp_path / "log", (*here, "--bootstrap", network.ready["bootstrap"]))
    try:
        fifth.start()
        waited = zg("status", "--rpc", fifth.url, "--wait", "--json")
        assert json.loads(waited.stdout)["network"] == "devnet"
        for shard in range(SHARDS):
            with network.client(1, shard) as one, fifth.client(shard) as other:
                tx_hash = other.call("eth_sendRawTransaction", transfer(1, 0, shard=shard))
                receipt = final(one, tx_hash, FINAL_S)
                assert final(other, tx_hash, FINAL_S) == receipt
                assert blocks_until(other, receipt) == blocks_until(one, receipt)
        assert fifth.stop() == 0, fifth.said
    finally:
        fifth.close()


def test_the_others_go_on_without_a_killed_node_and_it_catches_up(network: Validators, tmp_path: Path) -> None:
    victim = network.nodes[3]
    host = tree(victim["pid"])
    os.kill(victim["pid"], signal.SIGKILL)
    again = RunningNode(Path(victim["home"]), tmp_path / "log")
    try:
        settle(network, sender=2, nonce=0, nodes=(0, 1, 2))
        eventually("the killed node's p2p host ends too", lambda: not any(map(alive, host)), FINAL_S)
        assert "node-3 killed by signal 9; start it again with" in network.said
        again.start()
        assert again.url == victim["rpc"]
        for shard in range(SHARDS):
            with network.client(0, shard) as one, network.client(3, shard) as other:
                await_head(other, heads([one])[0], FINAL_S)
        settle(network, sender=2, nonce=1, nodes=(3, 0, 1, 2))
    finally:
        again.close()


@pytest.mark.parametrize(
    ("option", "number"), [("--validators", 3), ("--shards", 3), ("--holders", 1), ("--epoch-blocks", 999)]
)
def test_another_size_than_the_directory_holds_is_refused(network: Validators, option: str, number: int) -> None:
    refused = subprocess.run(
        [*network.command, option, str(number)], capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "holds a network of 4 validators, 0 more holders and 2 shards" in refused.stderr


def test_a_running_network_is_not_given_other_ports(network: Validators) -> None:
    before = [(Path(node["home"]) / "config.toml").read_text() for node in network.nodes]
    moved = [free_ports(12) + 4 * i for i in range(3)]
    options = [f"--{name}-port={port}" for name, port in zip(("http", "metrics", "p2p"), moved, strict=True)]
    refused = zg("testnet", "--datadir", network.datadir, *options)
    assert refused.returncode == 2
    assert "another zg-node is using" in refused.stderr
    assert [(Path(node["home"]) / "config.toml").read_text() for node in network.nodes] == before


@pytest.fixture
def hangups() -> Iterator[None]:
    """What this process starts hears SIGHUP, even where nohup started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangups")
def test_a_hangup_or_sigterm_ends_every_child_and_the_next_start_goes_on(tmp_path: Path) -> None:
    network = Validators(tmp_path / "network", tmp_path / "errors", validators=2, shards=1)
    try:
        network.start()
        with network.client(0) as client:
            await_head(client, 1, FINAL_S)
            before = client.call("eth_getBlockByNumber", "0x1", True)
        family = network.family()
        assert len(family) >= 5, "the command, two nodes, two p2p hosts"
        assert network.stop() == 0
        assert not any(map(alive, family))
        assert all(map(is_free, network.ports))
        assert network.said == ""
        network.start()
        with network.client(1) as client:
            assert client.call("eth_getBlockByNumber", "0x1", True) == before
        family = network.family()
        assert network.stop(signal.SIGHUP) == 0
        assert not any(map(alive, family))
    finally:
        network.close()


def test_sigterm_while_the_network_is_made_is_a_stop_and_the_next_start_goes_on(tmp_path: Path) -> None:
    network = Validators(tmp_path / "network", tmp_path / "errors", validators=16, shards=1)
    network.launch()
    eventually("it is being made", (network.datadir / "node-1").exists, FINAL_S, poll_s=0.01)
    assert found(network.datadir) is None
    assert network.stop() == 0
    assert network.said == ""
    assert processes_of(network.datadir) == []
    assert not (network.datadir / "node-0" / "log.txt").exists(), "no node was started"
    prepare(network.datadir, {"validators": 16, "shards": 1}, {})


def test_a_start_that_fails_ends_what_it_has_started(tmp_path: Path) -> None:
    network = Validators(tmp_path / "network", tmp_path / "errors", validators=2, shards=1)
    network.configure({})
    obstacle = network.datadir / "node-1" / "log.txt"
    obstacle.mkdir()
    with pytest.raises(NotReady) as failure:
        network.start()
    assert processes_of(network.datadir) == []
    assert str(failure.value) == f"exit code 1: Error: {obstacle}: Is a directory\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the nodes")
def test_the_nodes_end_with_a_killed_command_and_the_next_start_goes_on(tmp_path: Path) -> None:
    network = Validators(tmp_path / "network", tmp_path / "errors", validators=2, shards=1)
    try:
        network.start()
        family = network.family()
        assert network.stop(signal.SIGKILL) == -signal.SIGKILL
        assert len(family) >= 5, "the command, two nodes, two p2p hosts"
        assert not any(map(alive, family))
        network.start()
    finally:
        network.close()


def processes_of(datadir: Path) -> list[int]:
    """Who runs on a network's directories, by their command lines."""
    pids = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            pids += [int(file.parent.name)] if f"{datadir}/".encode() in file.read_bytes() else []
    return pids


def test_a_network_may_have_nodes_that_hold_data_and_do_not_vote(tmp_path: Path) -> None:
    network = Validators(tmp_path / "network", tmp_path / "errors", validators=1, shards=1, holders=1)
    try:
        network.start()
        assert len(network.nodes) == 2
        with network.client(0) as validator, network.client(1) as holder:

            def reachable() -> bool:
                return all(found["reachable"] for node in (validator, holder) for found in holders(node))

            def holders(node: Client) -> list[dict[str, Any]]:
                listed: list[dict[str, Any]] = node.call("zg_daHolders")["holders"]
                return listed

            eventually("both holders are reached", reachable, FINAL_S)
            assert [found["stake"] for found in holders(holder)] == [hex(1_000)] * 2
            certificate = holder.call("zg_daPut", "0x" + "ab" * 100_000)
            assert certificate["signers"] == ["0x0", "0x1"], "neither has two thirds of the stake"
            assert int(holder.call("zg_daStatus", certificate["commitment"])["rowsHere"], 16) > 0
            assert validator.call("zg_daGet", certificate["commitment"], 0, 2)["data"] == "0xabab"
            question = {"to": "0x" + STAKING.hex(), "input": "0x" + validators_call().hex()}
            assert len(decode_set(bytes.fromhex(holder.call("eth_call", question, "latest")[2:]))) == 1, "one votes"
        assert network.stop() == 0
    finally:
        network.close()


@pytest.mark.parametrize("service", [0, 1, 2], ids=["http", "metrics", "p2p"])
def test_a_port_in_use_is_one_sentence(tmp_path: Path, service: int) -> None:
    network = Validators(tmp_path / "network", tmp_path / "errors", validators=1, shards=1)
    port = network.ports[service]
    with socket.create_server(("127.0.0.1", port)), pytest.raises(NotReady) as failure:
        network.start()
    assert str(failure.value).startswith(f"exit code 2: Error: port {port}, which node-0 needs, cannot be used")
    assert len(network.said.splitlines()) == 1
    assert not network.datadir.exists(), "the next start is free to take other ports"
