"""`devnet` and `start` as a person runs them: a process, its output, its exit code, its data directory."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartDevnet
from tests.devnet import PROGRAM, NotReady
from zg_node.cli import banner
from zg_node.cli import home as homes
from zg_node.config import load

RECIPIENT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def zg(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_network_goes_on_where_it_stopped_and_begins_anew_on_request(devnet: StartDevnet, tmp_path: Path) -> None:
    home = tmp_path / "home"
    node = devnet(home=home)
    assert zg("tx", "send", RECIPIENT, "--value", "1.5", "--dev", 0, "--rpc", node.url).returncode == 0
    assert node.stop() == 0
    node.start()
    balance = zg("account", "balance", RECIPIENT, "--rpc", node.url, "--json").stdout
    assert json.loads(balance)["balance_wei"] == str(10_001_500_000_000_000_000_000)
    assert node.stop() == 0
    anew = devnet("--reset", home=home)
    balance = zg("account", "balance", RECIPIENT, "--rpc", anew.url, "--json").stdout
    assert json.loads(balance)["balance_wei"] == str(10_000 * 10**18)


def test_the_readiness_line_names_every_shard(devnet: StartDevnet) -> None:
    node = devnet("--shards", "2")
    assert [shard["chain_id"] for shard in node.ready["shards"]] == [1_660_200, 1_660_201]
    assert len(node.ready["accounts"]) == 10
    shards = json.loads(zg("status", "--rpc", node.url, "--json").stdout)["shards"]
    assert [shard["path"] for shard in shards] == ["/shard/0", "/shard/1"]
    sent = zg("tx", "send", RECIPIENT, "--dev", 0, "--shard", 1, "--rpc", node.url, "--json")
    assert json.loads(sent.stdout)["status"] == "success"


def test_a_directory_keeps_its_shards_and_takes_more(devnet: StartDevnet, tmp_path: Path) -> None:
    home = tmp_path / "home"
    node = devnet("--shards", "2", home=home)
    sent = zg("tx", "send", RECIPIENT, "--value", "1.5", "--dev", 0, "--shard", 1, "--rpc", node.url)
    assert sent.returncode == 0
    assert node.stop() == 0
    node = devnet(home=home)
    assert len(node.ready["shards"]) == 2
    assert node.stop() == 0
    refused = zg("devnet", "--shards", 1, "--datadir", home)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "holds 2 shards, but 1 should run: leave out --shards" in refused.stderr
    node = devnet("--shards", "3", home=home)
    for shard, balance_wei in ((1, 10_001_500_000_000_000_000_000), (2, 10_000 * 10**18)):
        balance = zg("account", "balance", RECIPIENT, "--shard", shard, "--rpc", node.url, "--json").stdout
        assert json.loads(balance)["balance_wei"] == str(balance_wei)
    assert node.stop() == 0
    assert len(devnet("--reset", home=home).ready["shards"]) == 1


@pytest.mark.parametrize(
    ("kept", "running", "says"),
    [
        (0, 2, "kept when the network stops"),
        (1, 1, "its shard goes on where the last start stopped"),
        (3, 3, "its 3 shards go on where the last start stopped"),
        (2, 3, "its 2 shards go on where the last start stopped, 1 is new"),
        (1, 4, "its shard goes on where the last start stopped, 3 are new"),
    ],
)
def test_the_banner_says_what_the_directory_brought(kept: int, running: int, says: str) -> None:
    assert banner.past(kept, running) == says


def test_a_contract_is_deployed_and_called(devnet: StartDevnet) -> None:
    node = devnet()
    counter = Path(homes.__file__).parent.parent / "genesis_data" / "artifacts" / "Counter.json"
    contract = json.loads(zg("tx", "deploy", counter, "--dev", 0, "--rpc", node.url, "--json").stdout)["contract"]
    value = zg("tx", "call", contract, "value()(uint256)", "--rpc", node.url, "--json")
    assert json.loads(value.stdout)["values"] == [0]


def test_the_last_starts_settings_are_kept_for_the_database_commands(devnet: StartDevnet, tmp_path: Path) -> None:
    node = devnet("--archive", home=tmp_path / "home")
    assert node.stop() == 0
    assert load(tmp_path / "home" / homes.CONFIG).state.archive
    report = json.loads(zg("db", "verify", "--home", tmp_path / "home", "--json").stdout)
    assert report["shards"][0]["blocks"] >= 1


def test_a_second_node_on_the_directory_is_refused(devnet: StartDevnet, tmp_path: Path) -> None:
    node = devnet(home=tmp_path / "home")
    for command in (("devnet", "--datadir"), ("devnet", "--reset", "--datadir"), ("db", "verify", "--home")):
        refused = zg(*command, tmp_path / "home")
        assert refused.returncode == 2
        assert "another zg-node is using" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert node.stop() == 0


@pytest.mark.parametrize("option", ["--http-port", "--metrics-port"])
def test_a_port_in_use_is_one_sentence(devnet: StartDevnet, taken_port: int, option: str) -> None:
    with pytest.raises(NotReady) as failure:
        devnet(option, str(taken_port))
    text = str(failure.value)
    assert "Traceback" not in text
    assert str(taken_port) in text


def test_blocks_are_told_to_people_when_something_happened(tmp_path: Path) -> None:
    options = ("--datadir", str(tmp_path / "home"), "--http-port", "0", "--metrics-port", "0")
    with subprocess.Popen([*PROGRAM, "devnet", *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = ""
        for line in process.stdout:
            url = line.split()[5] if line.startswith("Shard 0") else url
            if line.startswith("Ctrl-C stops it."):
                break
        assert zg("tx", "send", RECIPIENT, "--dev", 0, "--rpc", url).returncode == 0
        block = process.stdout.readline()
        assert "1 transaction  21,000 gas  0x" in block
        process.terminate()
        assert "stopping" in process.stdout.read()
    assert process.returncode == 0


def test_a_node_that_was_initialised_starts_and_stops(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert zg("init", "alpha", "--home", home).returncode == 0
    config = home / homes.CONFIG
    config.write_text(config.read_text().replace("port = 8545", "port = 0").replace("port = 9545", "port = 0"))
    with subprocess.Popen([*PROGRAM, "start", "--home", str(home)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "alpha is ready" in line:
                break
        process.terminate()
        process.stderr.read()
    assert process.returncode == 0
