"""A development network for public clients, and the clients themselves from their lock file."""

from __future__ import annotations

import json
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
START_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Devnet:
    """A running network of one shard."""

    url: str
    chain_id: int
    keys: tuple[str, ...]
    """Private keys of the funded accounts; each test takes one of its own."""

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """`zg-node devnet`, as a user starts it, on free ports."""
    folder = tmp_path_factory.mktemp("devnet")
    program = "from zg_node.cli import main; main()"
    options = ["--datadir", str(folder / "home"), "--http-port", "0", "--metrics-port", "0", "--json"]
    with (folder / "stderr.log").open("wb") as errors:
        node = subprocess.Popen(
            [sys.executable, "-c", program, "devnet", *options], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert node.stdout is not None
    try:
        readable, _, _ = select.select([node.stdout], [], [], START_TIMEOUT_S)
        line = node.stdout.readline() if readable else ""
        assert line, f"no readiness line: {(folder / 'stderr.log').read_text()}"
        ready = json.loads(line)
        shard = ready["shards"][0]
        yield Devnet(shard["url"], shard["chain_id"], tuple(a["private_key"] for a in ready["accounts"]))
    finally:
        node.send_signal(signal.SIGINT)
        try:
            node.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            node.kill()
            node.communicate()


@pytest.fixture(scope="session")
def npm_packages() -> Path:
    """node_modules as package-lock.json says; installed when it is missing or older than the lock file."""
    lock, stamp = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        npm = shutil.which("npm")
        assert npm is not None, "npm is missing: `make build` installs it"
        installed = subprocess.run([npm, "ci"], cwd=HERE, capture_output=True, text=True, timeout=600, check=False)
        assert installed.returncode == 0, installed.stderr
        stamp.touch()
    return HERE / "node_modules"
