"""Servers to measure: this project's node, started for the occasion; anvil, the peer; or whatever runs at a URL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zg_node.bench.http import Endpoint
from zg_node.bench.rpc import wait_until_serving
from zg_node.bench.transaction import Fees
from zg_node.errors import InvalidConfig, Unavailable

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
GWEI = 10**9

NODE_FEES = Fees(max_fee=20 * GWEI, max_tip=0)
PEER_FEES = Fees(max_fee=1_000_000 * GWEI, max_tip=GWEI)
"""anvil's base fee rises by an eighth with every full block: an offer that a whole load does not outgrow."""
PEER_BALANCE = 1_000_000_000
"""Coins of each anvil account, so that the offer is covered."""

PEER_CONFIGURATIONS: tuple[tuple[str, ...], ...] = (
    (),
    ("--block-time", "1"),
    ("--block-time", "1", "--gas-limit", "500000000", "--order", "fifo"),
)
"""What anvil is given beside a port, an account balance and --quiet; the best of them is the peer."""


@dataclass(frozen=True, slots=True)
class Server:
    """Something that answers JSON-RPC."""

    name: str
    endpoint: Endpoint
    shards: tuple[Endpoint, ...]
    fees: Fees
    metrics: Endpoint | None
    """Where its counters are exported, if it has any."""
    pid: int | None
    """The process whose CPU time and memory are reported; None where it is not ours to know."""


def peer_name(configuration: Sequence[str]) -> str:
    return " ".join(("anvil", *configuration)) if configuration else "anvil (default)"


def find_anvil() -> str:
    """ZG_ANVIL, the copy that `make bench` installs, or PATH. Raises InvalidConfig."""
    if named := os.environ.get("ZG_ANVIL"):
        return named
    root = Path(__file__).resolve().parents[2]
    installed = sorted(root.glob("benchmarks/node_modules/@foundry-rs/anvil-*/bin/anvil"))
    found = str(installed[0]) if installed else shutil.which("anvil")
    if found is None:
        raise InvalidConfig("anvil was not found: run `npm ci` in benchmarks/, or set ZG_ANVIL to the program's path")
    return found


def free_port() -> int:
    """A TCP port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt, as Ctrl-C does, and kill what does not end."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)


async def _wait(process: subprocess.Popen[bytes], endpoint: Endpoint, log: Path) -> None:
    """Return when the server answers. Raises Unavailable, with the end of its log, when it does not."""
    serving = asyncio.ensure_future(wait_until_serving(endpoint, START_TIMEOUT_S))
    while not serving.done() and process.poll() is None:
        await asyncio.wait((serving,), timeout=0.05)
    if process.poll() is not None or serving.exception() is not None:
        serving.cancel()
        raise Unavailable(f"{process.args!r} did not start:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_bytes()[-2000:].decode(errors="replace").strip()


@contextlib.asynccontextmanager
async def _running(command: Sequence[str], endpoint: Endpoint, folder: Path) -> AsyncIterator[int]:
    """Run a server until the block ends; yields its process id."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = _spawn(command, output)
        try:
            await _wait(process, endpoint, log)
            yield process.pid
        finally:
            await _stop(process)


def _spawn(command: Sequence[str], output: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)


@contextlib.asynccontextmanager
async def run_node(shards: int, arguments: Sequence[str] = ()) -> AsyncIterator[Server]:
    """This installation's development node on an empty data directory."""
    endpoint, metrics = (Endpoint("127.0.0.1", free_port(), "/") for _ in range(2))
    with tempfile.TemporaryDirectory(prefix="zg-bench-") as folder:
        command = [
            sys.executable,
            "-c",
            "from zg_node.cli import main; main()",
            "devnet",
            *("--datadir", f"{folder}/node"),
            *("--http-port", str(endpoint.port)),
            *("--metrics-port", str(metrics.port)),
            *("--shards", str(shards)),
            "--silent",
            *arguments,
        ]
        async with _running(command, endpoint, Path(folder)) as pid:
            paths = (endpoint,) if shards == 1 else tuple(endpoint.shard(index) for index in range(shards))
            yield Server("zg-node", endpoint, paths, NODE_FEES, metrics, pid)


@contextlib.asynccontextmanager
async def run_anvil(configuration: Sequence[str]) -> AsyncIterator[Server]:
    """The peer; one chain."""
    program = find_anvil()
    endpoint = Endpoint("127.0.0.1", free_port(), "/")
    with tempfile.TemporaryDirectory(prefix="zg-bench-") as folder:
        command = [
            program,
            *("--port", str(endpoint.port)),
            *("--balance", str(PEER_BALANCE)),
            *("--cache-path", f"{folder}/states"),  # in the user's home otherwise, and never removed
            "--quiet",
            *configuration,
        ]
        async with _running(command, endpoint, Path(folder)) as pid:
            yield Server(peer_name(configuration), endpoint, (endpoint,), PEER_FEES, None, pid)


@contextlib.asynccontextmanager
async def at_url(url: str, shards: int, metrics_url: str | None, pid: int | None) -> AsyncIterator[Server]:
    """A server that somebody else runs."""
    endpoint = Endpoint.parse(url)
    metrics = Endpoint.parse(metrics_url) if metrics_url else None
    await wait_until_serving(endpoint, 1.0)
    paths = (endpoint,) if shards == 1 else tuple(endpoint.shard(index) for index in range(shards))
    yield Server(url, endpoint, paths, NODE_FEES, metrics, pid)
