"""A development network as a process of its own: the console script installed beside this interpreter."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.jsonrpc import Client

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
PROGRAM = (str(Path(sys.executable).with_name("zg-node")),)


class NotReady(Exception):
    """The process ended, or said nothing in time; the text is what it wrote to standard error."""


class Devnet:
    """`zg-node devnet --json` on a data directory, from `start` to `stop` or `kill`, as often as wanted."""

    def __init__(
        self,
        home: Path,
        arguments: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.home = home
        self.url = ""
        self.ready: dict[str, Any] = {}
        """The readiness line."""
        self._arguments = tuple(arguments)
        self._environment = {**os.environ, **(environment or {})}
        self._program = tuple(program)
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def errors(self) -> str:
        """What the process wrote to standard error, since its last start."""
        descriptor = self._errors.fileno()  # the child shares the file's position: leave it alone
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()

    def client(self) -> Client:
        """A new connection to shard 0."""
        return Client(self.url)

    def start(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Start and wait for the readiness line. Raises NotReady."""
        assert self._process is None
        options = ["--datadir", str(self.home), "--http-port", "0", "--metrics-port", "0", "--json"]
        self._errors.seek(0)
        self._errors.truncate()
        self._process = subprocess.Popen(
            [*self._program, "devnet", *options, *self._arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            stdin=subprocess.DEVNULL,
            text=True,
            env=self._environment,
        )
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._drain, args=(self._process, self._lines), daemon=True)
        self._reader.start()
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            self.kill()
            raise NotReady(f"nothing in {timeout_s} s: {self.errors}") from None
        if line is None:
            code = self._forget()
            raise NotReady(f"exit code {code}: {self.errors}")
        self.ready = json.loads(line)
        self.url = self.ready["shards"][0]["url"]

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self._forget()

    def stop(self) -> int:
        """SIGTERM, then wait; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self._forget()

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for the process to end by itself; returns the exit code."""
        return self._forget(timeout_s)

    def restart(self) -> None:
        """Start again on the same directory; stops first when it still runs."""
        if self._process is not None:
            self.stop()
        self.start()

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def close(self) -> None:
        """What the test left running ends; the object cannot be used again."""
        if self._process is not None:
            if self._process.poll() is None:
                self.signal(signal.SIGTERM)
            self._forget()
        self._errors.close()

    def _forget(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        process, reader = self._process, self._reader
        assert process is not None
        assert reader is not None
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            reader.join()
            if process.stdout is not None:
                process.stdout.close()
            self._process = self._reader = None
        return code

    @staticmethod
    def _drain(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
        """Keep the pipe empty; a kill may cut the last line short."""
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)
