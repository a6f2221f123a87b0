"""Data availability between real processes: four validators store, lose one of them, read, and are sampled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.devnet import PROGRAM
from tests.testnet import Validators, eventually

BLOB = Random(31).randbytes(2_500_000)
REACHED_S = 60.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validators]:
    directory = tmp_path_factory.mktemp("da-network")
    validators = Validators(directory / "network", directory / "errors", shards=1)
    try:
        validators.start()
        yield validators
    finally:
        validators.close()


def zg(*arguments: object) -> dict[str, object]:
    command = [*PROGRAM, "da", *(str(argument) for argument in arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    parsed: dict[str, object] = json.loads(done.stdout)
    return parsed


def all_reached(network: Validators) -> bool:
    """Whether every node reaches every holder: each has told the contract its peer id."""
    for index in range(4):
        with network.client(index) as node:
            if not all(holder["reachable"] for holder in node.call("zg_daHolders")["holders"]):
                return False
    return True


def test_a_blob_outlives_a_holder_and_a_light_client_finds_it(network: Validators, tmp_path: Path) -> None:
    eventually("every holder is reached", lambda: all_reached(network), REACHED_S, poll_s=0.5)
    file, out = tmp_path / "blob", tmp_path / "out"
    file.write_bytes(BLOB)
    stored = zg("put", file, "--rpc", network.nodes[0]["rpc"])
    commitment = stored["commitment"]

    chain = ("--genesis", network.ready["genesis"], "--bootstrap", network.ready["bootstrap"])
    sampled = zg("sample", commitment, *chain)
    assert (sampled["available"], sampled["samples"], sampled["missing"], sampled["liars"]) == (True, 20, 0, [])
    assert sampled["miss_probability"] == pytest.approx(2**-40)
    received = sampled["received_bytes"]
    assert isinstance(received, int)
    assert received < 300_000
    assert zg("sample", commitment, *chain, "--rpc", network.nodes[2]["rpc"])["available"] is True

    state = zg("status", commitment, "--rpc", network.nodes[1]["rpc"])
    assert isinstance(state["signers"], int)
    assert state["signers"] >= 3

    os.kill(network.nodes[3]["pid"], signal.SIGKILL)
    read = zg("get", commitment, "--out", out, "--rpc", network.nodes[1]["rpc"])
    assert out.read_bytes() == BLOB
    assert read["liars"] == []
