"""How benchmarks say what they ran on and what they found."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import click
import uvloop

from zg_node.bench.measurement import Spread
from zg_node.bench.suite import commit, machine

T = TypeVar("T")


def print_machine(operation: str) -> None:
    """What is measured, of which commit, on what."""
    box = machine()
    click.echo(f"{operation} · {commit() or 'no commit'} · {box.cpu}, {box.cores} cores, load {box.load_1min}")


def spread(values: Sequence[float], unit: str, digits: int = 0) -> str:
    """Median and range, e.g. `12,300 requests/s (11,900..12,500 of 5)`."""
    found = Spread.of(values)
    low, high = f"{found.low:,.{digits}f}", f"{found.high:,.{digits}f}"
    return f"{found.median:,.{digits}f} {unit} ({low}..{high} of {len(values)})"


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run on the event loop that the load generator is made for; SIGTERM ends it as Ctrl-C does, and no server that it
    started is left behind."""

    async def cancellable() -> T:
        task = asyncio.ensure_future(main)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(cancellable())
        except asyncio.CancelledError:
            raise SystemExit(128 + signal.SIGTERM) from None
