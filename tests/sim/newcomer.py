"""Before a guest's first start: it takes over somebody's state, as `zg-node start` does in an empty home.

Without the network's start and stop it is `zg_node.joining.join_by_snapshot`: one attempt, then block 0.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from zg_node import joining
from zg_node.config import Settings
from zg_node.db.durable import write_file
from zg_node.errors import Unavailable
from zg_node.execution.genesis import Genesis
from zg_node.p2p.network import Network

CONNECTED_S = 0.2
"""How long it waits for peers before it asks."""


def is_new(home: Path) -> bool:
    """Whether a node has no chains of its own yet, or not all of them."""
    return joining.is_new(home)


async def join(settings: Settings, genesis: Genesis, home: Path, network: Network) -> str:
    """Install what peers offer; returns what came of it, for the trace. Raises what would end the process."""
    _begin(settings, home)
    await asyncio.sleep(CONNECTED_S)
    said = "has a snapshot"
    try:
        await joining.install(settings, genesis, home, network, lambda progress: None)
    except Unavailable as error:
        said = f"finds no snapshot: {error}"
        joining._forget_installed(settings, home)
    _end(home)
    return said


def _begin(settings: Settings, home: Path) -> None:
    joining._forget_installed(settings, home)
    home.mkdir(exist_ok=True)
    write_file(home / joining.MARKER, b"")


def _end(home: Path) -> None:
    (home / joining.MARKER).unlink()
