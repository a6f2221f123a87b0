"""A node in the foreground: from its data directory being held to a clean stop on Ctrl-C, SIGTERM or SIGHUP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click
import uvloop

from zg_node import allocator
from zg_node.cli import home as homes
from zg_node.cli import logs
from zg_node.cli.port import refusal
from zg_node.cli.signals import stops
from zg_node.config import Settings
from zg_node.consensus.snapshot_sync import SnapshotProgress
from zg_node.errors import InvalidConfig
from zg_node.node import BlockLine, Node


def run_node(
    settings: Settings,
    home: Path,
    *,
    vote_key: bytes | None = None,
    on_ready: Callable[[Node], None],
    on_block: Callable[[BlockLine], None] | None = None,
    on_stopping: Callable[[], None] | None = None,
) -> None:
    """Hold `home`, run a node there until a signal, and close it. Raises what made the node give up, and before it
    begins InvalidConfig."""
    logs.configure(settings.node.log_level, settings.node.log_format)
    with homes.held(home):
        homes.check_shards(home, settings.network.shards, f"raise network.shards in {home / homes.CONFIG}")
        if settings.p2p.enabled:
            _check_listen(settings.p2p.listen)
        node = Node(settings, home, vote_key=vote_key, on_block=on_block, on_join=_JoinBar())
        uvloop.run(_serve(node, on_ready, on_stopping))


def _check_listen(listen: str) -> None:
    """Raise InvalidConfig when nobody can listen on this multiaddress."""
    _, _, host, _, port = listen.split("/")
    if reason := refusal(host, int(port)):
        raise InvalidConfig(
            f"cannot listen on port {port} of p2p.listen = {listen!r}: {reason}; choose another port or address"
        )


async def _serve(node: Node, on_ready: Callable[[Node], None], on_stopping: Callable[[], None] | None) -> None:
    loop, signals = asyncio.get_running_loop(), stops()
    stop = asyncio.Event()
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    await node.start()
    allocator.settle()
    try:
        if not stop.is_set():
            on_ready(node)
        await _first(node.wait(), stop.wait())
        for number in signals:
            loop.remove_signal_handler(number)  # a second Ctrl-C does not wait
        if stop.is_set() and on_stopping is not None:
            on_stopping()
    finally:
        await node.stop()


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when one of `waits` is done, or raise what it raised; the others are cancelled."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


class _JoinBar:
    """The progress of joining by a snapshot, on a terminal."""

    def __init__(self) -> None:
        self._shown = ""

    def __call__(self, progress: SnapshotProgress) -> None:
        if not sys.stderr.isatty() or progress.total == 0:
            return
        share = progress.done / progress.total
        text = f"shard {progress.shard}: state of block {progress.number}  {'█' * int(30 * share):<30}  {share:4.0%}"
        if text != self._shown:
            self._shown = text
            click.echo(f"\r{text}", nl=progress.done == progress.total, err=True)
