"""A fifth node joins four validators and holds data without validating: from its deposit to getting it back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.devnet import PROGRAM
from tests.running_node import RunningNode
from tests.testnet import Validators, eventually

RULES = {"epoch_blocks": 20, "life_epochs": 6}
HEARTBEAT_MS = 150
DEPOSIT = 3_000
"""Three quarters of what the four have together: no certificate comes without the fifth's signature."""
PASSWORD = "a fifth wheel"
POLL_S = 0.5
STEP_S = 120.0
"""Generous: an epoch takes a few seconds, unless the machine is busy."""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Validators]:
    validators = Validators(tmp_path / "network", tmp_path / "errors", shards=1)
    validators.configure({"consensus.heartbeat_ms": HEARTBEAT_MS}, RULES)
    try:
        validators.start()
        yield validators
    finally:
        validators.close()


@pytest.fixture
def fifth(network: Validators, tmp_path: Path) -> Iterator[RunningNode]:
    """A node with a key in its directory, which runs."""
    home, password = tmp_path / "fifth", tmp_path / "password"
    password.write_text(PASSWORD)
    zg("init", "fifth", "--home", home, "--genesis", network.ready["genesis"], "--holder", "--password-file", password)
    (home / "password").write_text(PASSWORD)
    here = ("--http-port", "0", "--metrics-port", "0", "--p2p-listen", "/ip4/127.0.0.1/tcp/0")
    node = RunningNode(home, tmp_path / "log", (*here, "--bootstrap", network.ready["bootstrap"]))
    try:
        node.start()
        yield node
    finally:
        node.close()


def zg(*arguments: object) -> dict[str, Any]:
    command = [*PROGRAM, *(str(argument) for argument in arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_a_node_that_does_not_validate_holds_signs_and_leaves(network: Validators, fifth: RunningNode) -> None:
    home, rpc = ("--home", fifth.home), ("--rpc", fifth.url)
    with network.client(0) as first, fifth.client() as node:

        def reachable() -> bool:
            return all(holder["reachable"] for holder in first.call("zg_daHolders")["holders"])

        def put(seed: int) -> str:
            data = "0x" + Random(seed).randbytes(200_000).hex()
            return str(first.call("zg_daPut", data, {"epochs": RULES["life_epochs"]})["commitment"])

        def kept(commitment: str) -> int:
            status = node.call("zg_daStatus", commitment)
            return int(status["rowsHere"], 16) if status is not None else 0

        def place() -> int | None:
            """The fifth's, among the holders of this epoch."""
            signers = [holder["signer"] for holder in node.call("zg_daHolders")["holders"]]
            return signers.index(signer) if signer in signers else None

        eventually("the first validator reaches every other", reachable, STEP_S)
        registered = zg("da", "register", *home, "--dev", 1, "--deposit", DEPOSIT, *rpc)
        assert registered["status"] == "success"
        assert registered["next"] == f"zg-node start --home {fifth.home}"
        signer = registered["holder"].lower()
        before = put(seed=1)
        eventually("the fifth holds", lambda: place() is not None, STEP_S)
        eventually("it took over its rows of a blob from before", lambda: kept(before) > 0, STEP_S)

        found = zg("da", "holders", *rpc)
        [own] = [holder for holder in found["holders"] if holder["signer"] == signer]
        assert (own["stake"], own["peer"]) == (DEPOSIT, registered["peer"])
        assert found["epoch"] >= registered["holds_from_epoch"]
        assert zg("da", "holder", *home, *rpc)["status"] == "holding"

        eventually("the first validator reaches the fifth", reachable, STEP_S)
        commitment = put(seed=2)
        eventually("the fifth knows the certificate", lambda: kept(commitment) > 0, STEP_S)
        assert hex(place() or 0) in node.call("zg_daStatus", commitment)["signers"]

    def stands() -> str:
        return str(zg("da", "holder", *home, *rpc)["status"])

    assert zg("da", "exit", *home, "--dev", 1, *rpc)["status"] == "success"
    assert stands() == "leaving"
    eventually("its promises have expired", lambda: stands() == "may withdraw", STEP_S, POLL_S)
    assert zg("da", "claim", *home, "--dev", 2, *rpc)["blobs"] >= 1
    assert zg("da", "claim", *home, "--dev", 2, *rpc) == {"blobs": 0, "transactions": []}
    assert zg("da", "withdraw", *home, "--dev", 1, *rpc)["status"] == "success"
    assert stands() == "withdrawn"
    assert fifth.stop() == 0, fifth.said
