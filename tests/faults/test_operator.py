"""What goes wrong around a node: one clear sentence, an exit code that is not 0, and nothing lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartDevnet
from tests.devnet import PROGRAM, Devnet
from tests.faults.chaincheck import check_blocks, check_receipts, head_number
from tests.faults.load import Load
from tests.faults.test_kill import await_receipt
from tests.transfers import batches, transfer
from zg_node import _core
from zg_node.db.blocks import BlockStore
from zg_node.execution.genesis import packaged


def refused(*arguments: object, code: int) -> str:
    """Run `zg-node`, which must refuse; returns its sentence."""
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return one_sentence(done.stderr)


def one_sentence(errors: str) -> str:
    """What a failure said: one line, no traceback."""
    lines = [line for line in errors.splitlines() if line]
    assert len(lines) == 1, errors
    assert lines[0].startswith("Error: ")
    return lines[0].removeprefix("Error: ")


def devnet_arguments(home: Path, *more: object) -> tuple[object, ...]:
    return ("devnet", "--datadir", home, "--http-port", "0", "--metrics-port", "0", "--json", *more)


# ── starting where it cannot be ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("option", ["--http-port", "--metrics-port"])
def test_a_port_in_use_is_refused(tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = refused(*devnet_arguments(tmp_path / "home", option, port), code=2)
    assert "port" in sentence
    assert str(port) in sentence


def test_the_directory_of_another_network_is_refused_and_unharmed(devnet: StartDevnet, tmp_path: Path) -> None:
    node = devnet()
    with node.client() as client:
        await_receipt(client, client.call("eth_sendRawTransaction", transfer(0, 0)))
        before = client.call("eth_getBlockByNumber", "latest", False)
    assert node.stop() == 0
    (tmp_path / "other.toml").write_text(packaged("devnet").replace('name = "devnet"', 'name = "othernet"', 1))
    config = tmp_path / "config.toml"
    config.write_text(f'[network]\ngenesis = "{tmp_path / "other.toml"}"\n')
    assert "another network" in refused(*devnet_arguments(node.home, "--config", config), code=2)
    node.start()
    with node.client() as client:
        assert client.call("eth_getBlockByNumber", before["number"], False) == before


def test_a_second_node_on_the_same_directory_is_refused(devnet: StartDevnet) -> None:
    node = devnet()
    assert "another zg-node is using" in refused(*devnet_arguments(node.home), code=2)
    assert "another zg-node is using" in refused("db", "verify", "--home", node.home, code=2)
    with node.client() as client:
        await_receipt(client, client.call("eth_sendRawTransaction", transfer(0, 0)))


# ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_by_signal_is_clean_and_leaves_nothing_to_replay(devnet: StartDevnet, number: signal.Signals) -> None:
    node = devnet()
    with node.client() as client:
        receipt = await_receipt(client, client.call("eth_sendRawTransaction", transfer(0, 0)))
    node.signal(number)
    assert node.wait() == 0
    assert node.errors == ""
    shard = node.home / "shard-0"
    state = _core.State(str(shard / "state"), 8 << 20, 10)
    flushed, _ = state.flushed()
    blocks = BlockStore(shard / "blocks")
    assert flushed == blocks.durable
    assert flushed >= int(receipt["blockNumber"], 16)
    blocks.close()
    state.close()
    node.start()
    with node.client() as client:
        assert client.call("eth_getTransactionReceipt", receipt["transactionHash"]) == receipt


def test_a_stop_under_load_loses_nothing(devnet: StartDevnet) -> None:
    node = devnet()
    load = Load(node.url, [list(batches(sender, 0, 600, 50)) for sender in range(3)])
    load.start()
    while load.head < 0:
        time.sleep(0.005)
    assert node.stop() == 0, node.errors
    load.join()
    node.start()
    with node.client() as client:
        check_receipts(client, load.receipts)
        check_blocks(client, 0, head_number(client))


# ── disks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=12m", "tmpfs", disk)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def mount(*arguments: object) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")


def test_a_full_disk_stops_the_node_and_loses_nothing(small_disk: Path, devnet: StartDevnet) -> None:
    node = devnet(home=small_disk / "home")
    load = Load(node.url, [list(batches(sender, 0, 2_500, 100)) for sender in range(4)])
    load.start()
    code = fill(node, small_disk)
    load.join()
    assert code == 1
    assert "the disk is full" in node.errors.splitlines()[-1]
    assert "Traceback" not in node.errors
    assert load.receipts, "nothing became final before the disk was full"
    mount("-o", "remount,size=200m", small_disk)
    (small_disk / "filling").unlink()
    node.start()
    with node.client() as client:
        assert head_number(client) >= load.head
        check_receipts(client, load.receipts)
        check_blocks(client, 0, head_number(client))
        nonce = int(client.call("eth_getTransactionCount", node.ready["accounts"][9]["address"], "latest"), 16)
        await_receipt(client, client.call("eth_sendRawTransaction", transfer(9, nonce)))


def fill(node: Devnet, disk: Path) -> int:
    """Leave the node no room, a little at a time, until it ends; returns its exit code."""
    with (disk / "filling").open("wb", buffering=0) as file:
        while node.running():
            try:
                file.write(bytes(16 * 1024))
            except OSError:
                time.sleep(0.02)
            time.sleep(0.002)
    return node.wait()


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A directory that nobody can write to, root included where root runs the tests."""
    place = tmp_path / "read-only"
    place.mkdir()
    if os.geteuid() != 0:
        place.chmod(0o500)
        yield place
        place.chmod(0o700)
        return
    mount("-t", "tmpfs", "-o", "ro", "tmpfs", place)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_directory_that_cannot_be_written_is_refused(read_only: Path) -> None:
    sentence = refused(*devnet_arguments(read_only / "home"), code=2)
    assert str(read_only) in sentence


def test_a_data_directory_that_became_read_only_is_refused(small_disk: Path, devnet: StartDevnet) -> None:
    node = devnet(home=small_disk / "home")
    assert node.stop() == 0
    mount("-o", "remount,ro", small_disk)
    done = subprocess.run(
        [*PROGRAM, *map(str, devnet_arguments(node.home))], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in (1, 2)
    assert "read-only" in one_sentence(done.stderr).lower()
