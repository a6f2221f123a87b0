"""A development network for public clients, and the clients themselves from their lock file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.devnet import Devnet

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Network:
    """A running network of one shard."""

    url: str
    ws_url: str
    chain_id: int
    keys: tuple[str, ...]
    """Private keys of the funded accounts; each test takes one of its own."""


def tool(name: str) -> str:
    """node or npm: the pinned one beside our Python, else whatever is installed."""
    pinned = Path(sys.executable).with_name(name)
    found = str(pinned) if pinned.exists() else shutil.which(name)
    assert found is not None, f"{name} is missing: `make build` installs it"
    return found


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One development network for all clients, as a user starts it."""
    node = Devnet(tmp_path_factory.mktemp("clients") / "home")
    node.start()
    try:
        keys = tuple(account["private_key"] for account in node.ready["accounts"])
        yield Network(node.url, node.ws_url, node.ready["shards"][0]["chain_id"], keys)
    finally:
        node.close()


@pytest.fixture(scope="session")
def npm_packages() -> Path:
    """node_modules as package-lock.json says; installed when it is missing or older than the lock file."""
    lock, stamp = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        installed = subprocess.run(
            [tool("npm"), "ci"], cwd=HERE, capture_output=True, text=True, timeout=600, check=False
        )
        assert installed.returncode == 0, installed.stderr
        stamp.touch()
    return HERE / "node_modules"
