"""A node as a process of its own: `zg-node start --home H`, and what it says."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.devnet import PROGRAM, NotReady
from tests.jsonrpc import Client
from zg_node.bench.process import tree

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.05
READY = re.compile(r" is ready: (http://\S+)$", re.MULTILINE)
PORTS_FROM, PORTS_TO = 20_000, 32_000
"""Below the ports that a kernel gives to outgoing connections."""


def free_ports(count: int) -> int:
    """The first of `count` successive TCP ports of the loopback that were free a moment ago."""
    start = PORTS_FROM + 64 * os.getpid() % (PORTS_TO - PORTS_FROM)
    candidates: list[int] = [*range(start, PORTS_TO, count), *range(PORTS_FROM, start, count)]
    for first in candidates:
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise AssertionError(f"no {count} successive ports are free")


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


class RunningNode:
    """One node, from `start` to `stop` or `kill`, as often as wanted; what it says is appended to `log`."""

    def __init__(
        self,
        home: Path,
        log: Path,
        arguments: Sequence[str] = (),
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`prefix` goes before the command: what it runs in."""
        self.home = home
        self.url = ""
        self.environment = dict(environment or {})
        """Beside the test's own; read at each start."""
        self._log = log
        self._said_from = 0
        self._command = [*prefix, *PROGRAM, "start", "--home", str(home), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        """What it has written since its last start."""
        return self._log.read_bytes()[self._said_from :].decode(errors="replace")

    @property
    def sentence(self) -> str:
        """The failure that a node that ended gave as its last words."""
        return self.said.rstrip().rpartition("\n")[2]

    def client(self, shard: int = 0) -> Client:
        """A new connection to one shard."""
        return Client(f"{self.url}/shard/{shard}")

    def start(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Start and wait until it says that it is ready. Raises NotReady."""
        self.launch()
        self.await_ready(timeout_s)

    def launch(self) -> None:
        """Start without waiting."""
        assert self._process is None
        with self._log.open("ab") as output:
            self._said_from = output.tell()
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
            )

    def await_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until it says that it is ready. Raises NotReady with what it said instead; it has ended then."""
        deadline = time.monotonic() + timeout_s
        while (ready := READY.search(self.said)) is None:
            if not self.running():
                code = self.wait()
                raise NotReady(f"exit code {code}: {self.said}")
            if time.monotonic() > deadline:
                self.kill()
                raise NotReady(f"not ready in {timeout_s} s: {self.said}")
            time.sleep(POLL_S)
        self.url = ready[1]

    def refuse(self, timeout_s: float = READY_TIMEOUT_S) -> str:
        """Start a node that must not run; returns its one sentence."""
        self.launch()
        code = self.wait(timeout_s)
        assert code != 0, self.said
        assert "Traceback" not in self.said, self.said
        assert self.sentence.startswith("Error: "), self.said
        return self.sentence.removeprefix("Error: ")

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: int, *, family: bool = False) -> None:
        """To the node, or with `family` to its p2p host as well."""
        for pid in tree(self.pid) if family else (self.pid,):
            os.kill(pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone with its children."""
        family = tree(self.pid)
        self.signal(signal.SIGKILL)
        self.wait()
        await_gone(family)

    def stop(self) -> int:
        """SIGTERM, then wait; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(STOP_TIMEOUT_S)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for it to end by itself; returns the exit code. One that does not is killed: TimeoutExpired."""
        process = self._process
        assert process is not None
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            self._process = None
        return code

    def close(self) -> None:
        """What still runs ends."""
        if self._process is not None:
            if self._process.poll() is None:
                self.kill()
            else:
                self.wait()


def await_gone(pids: Sequence[int], timeout_s: float = STOP_TIMEOUT_S) -> None:
    """Wait until none of these processes runs; the ones that still do then are killed, and that is a failure."""
    deadline = time.monotonic() + timeout_s
    while left := [pid for pid in pids if alive(pid)]:
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"processes {left} were still there after {timeout_s} s")
        time.sleep(POLL_S)
