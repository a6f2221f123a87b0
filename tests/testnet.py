"""`zg-node testnet --json` as a process: a network on this machine."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.devnet import PROGRAM, NotReady
from tests.jsonrpc import Client
from tests.running_node import POLL_S, await_gone, free_ports
from zg_node.bench.process import tree
from zg_node.cli import home as homes
from zg_node.cli.init import GENESIS
from zg_node.cli.testnet_homes import Ports, Size, begin
from zg_node.config import load, override

READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0


class Validators:
    """A network on a data directory, from `start` to `stop`, as often as wanted, on the same ports."""

    def __init__(self, datadir: Path, log: Path, validators: int = 4, shards: int = 2, holders: int = 0) -> None:
        """`log` takes what the command says to people; the `holders` are more nodes, after the validators."""
        self.datadir = datadir
        self.line = ""
        """What it printed when all answered."""
        self.ready: dict[str, Any] = {}
        self._size = Size(validators, shards, holders)
        count = self._size.nodes
        self.first_port = free_ports(3 * count)
        self.ports = range(self.first_port, self.first_port + 3 * count)
        """JSON-RPC of every node, then metrics, then p2p."""
        self._log = log
        self._output = log.with_suffix(".out")
        self._first = [self.first_port + i * count for i in range(3)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        """The whole command line."""
        http, metrics, p2p = map(str, self._first)
        wanted = {"validators": self._size.validators, "holders": self._size.holders, "shards": self._size.shards}
        size = [text for name, count in wanted.items() for text in (f"--{name}", str(count))]
        ports = ("--http-port", http, "--metrics-port", metrics, "--p2p-port", p2p)
        return [*PROGRAM, "testnet", "--datadir", str(self.datadir), "--json", *size, *ports]

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """pid, rpc, home of each."""
        nodes: list[dict[str, Any]] = self.ready["nodes"]
        return nodes

    @property
    def said(self) -> str:
        """What the command has written to standard error."""
        return self._log.read_text()

    def client(self, node: int, shard: int = 0) -> Client:
        """A new connection to a shard of the `node`th node."""
        return Client(f"{self.nodes[node]['rpc']}/shard/{shard}")

    @property
    def pid(self) -> int:
        """Of the command."""
        assert self._process is not None
        return self._process.pid

    def configure(self, changes: Mapping[str, object], rules: Mapping[str, int] | None = None) -> None:
        """Before the start: change every node's settings, named as `section.key`, and `rules` of the chain file."""
        members = begin(self.datadir, self._size, Ports(*self._first))
        for member in members:
            file = member.home / homes.CONFIG
            homes.keep_settings(member.home, override(load(file), changes))
        for key, value in (rules or {}).items():
            for directory in (self.datadir, *(member.home for member in members)):
                chain = directory / GENESIS
                text, found = re.subn(rf"^{key} = \S+", f"{key} = {value}", chain.read_text(), flags=re.MULTILINE)
                assert found == 1, f"the chain file has one {key}"
                chain.write_text(text)

    def family(self) -> tuple[int, ...]:
        """The command's process and all below it."""
        return tree(self.pid)

    def start(self) -> None:
        """Start and wait for the line. Raises NotReady."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start without waiting."""
        assert self._process is None
        with self._log.open("ab") as errors, self._output.open("wb") as output:
            self._process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)

    def await_ready(self) -> None:
        """Wait for the line. Raises NotReady with what it said instead; it has ended then."""
        assert self._process is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not (text := self._output.read_text()).endswith("\n"):
            if self._process.poll() is not None:
                code = self._process.returncode
                self._process = None
                raise NotReady(f"exit code {code}: {self.said}")
            if time.monotonic() > deadline:
                self.close()
                raise NotReady(f"nothing in {READY_TIMEOUT_S} s: {self.said}")
            time.sleep(POLL_S)
        self.line = text
        self.ready = json.loads(text)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, then wait for the command and all that it started; returns the exit code."""
        assert self._process is not None
        family = self.family()
        self._process.send_signal(number)
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = None
            await_gone(family)
        return code

    def close(self) -> None:
        """What still runs ends."""
        if self._process is not None:
            self.stop()


def eventually(what: str, found: Callable[[], bool], timeout_s: float, poll_s: float = POLL_S) -> float:
    """Ask until it is so; returns how many seconds that took. Fails with `what` after `timeout_s`."""
    began = time.monotonic()
    while not found():
        assert time.monotonic() - began < timeout_s, f"not after {timeout_s} s: {what}"
        time.sleep(poll_s)
    return time.monotonic() - began


def final(client: Client, tx_hash: str, timeout_s: float) -> dict[str, Any]:
    """The receipt of a transaction, once there is one."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        receipt = client.call("eth_getTransactionReceipt", tx_hash)
        found.extend([receipt] if receipt is not None else [])
        return receipt is not None

    eventually(f"{tx_hash} is final", there, timeout_s, poll_s=0.005)
    return found[0]


def await_head(client: Client, number: int, timeout_s: float) -> float:
    """Wait until block `number` is final there; returns how many seconds that took."""
    return eventually(f"block {number} is final", lambda: heads([client])[0] >= number, timeout_s)


def heads(clients: Sequence[Client]) -> list[int]:
    """The newest block of each."""
    return [int(client.call("eth_blockNumber"), 16) for client in clients]
