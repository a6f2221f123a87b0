"""What `zg-node testnet` tells people, taken literally: one more node joins, and its vote counts."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.devnet import PROGRAM
from tests.jsonrpc import Client
from tests.running_node import await_gone, free_ports
from tests.testnet import await_head, eventually, heads
from zg_node.bench.process import tree

READY_S = 60.0
VOTES_S = 120.0
"""Two epochs of empty blocks, and a busy machine."""
EPOCH_BLOCKS = 5


def run(command: str) -> str:
    """Run a printed command line without a terminal; returns what it printed."""
    done = subprocess.run(
        words(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=READY_S, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def words(command: str) -> list[str]:
    program, *arguments = shlex.split(command)
    assert program == "zg-node"
    return [*PROGRAM, *arguments]


def test_the_printed_commands_lead_to_a_vote(tmp_path: Path) -> None:
    first = free_ports(3)
    options = [f"--{name}-port={first + i}" for i, name in enumerate(("http", "metrics", "p2p"))]
    size = ["--validators=1", "--shards=2", f"--epoch-blocks={EPOCH_BLOCKS}"]
    command = [*PROGRAM, "testnet", f"--datadir={tmp_path / 'network'}", *size, *options]
    started: list[subprocess.Popen[bytes]] = []

    def launch(command: list[str], name: str) -> Callable[[], str]:
        with (tmp_path / name).open("wb") as output:
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output))
        return (tmp_path / name).read_text

    try:
        said = launch(command, "network.log")
        eventually("the network says how to stop it", lambda: "Ctrl-C stops them all" in said(), READY_S)
        text = said()
        for shard, path in ((0, ""), (1, "/shard/1")):
            assert f"shard {shard}     chain id {1_660_200 + shard}  http://127.0.0.1:{first}{path}\n" in text
        assert "within a minute while nobody uses the network" in text
        init, start, status, create, listed = re.findall(r"^  (zg-node .*)$", text, re.MULTILINE)

        run(init)
        joined = launch(words(start), "another.log")
        eventually("the node that joins is ready", lambda: " is ready: http" in joined(), READY_S)
        run(status)
        run(create)
        eventually("both vote", lambda: run(listed).count(" voting ") == 2, VOTES_S, poll_s=0.5)
        with Client(f"http://127.0.0.1:{first}") as client:
            await_head(client, heads([client])[0] + 2, READY_S)  # two thirds of the stake are both
    finally:
        for process in reversed(started):
            family = tree(process.pid)
            process.terminate()
            process.wait(READY_S)
            await_gone(family)
