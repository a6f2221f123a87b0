"""Blocks as they appear at one node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.jsonrpc import Client
from tests.testnet import heads

POLL_S = 0.002
STALL_S = 60.0


class Stalled(Exception):
    """No block came."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A final block."""

    at: float
    """Monotonic seconds at which it was served."""
    number: int
    leader: str
    """The address of who proposed it."""


def watch(client: Client) -> Iterator[Seen]:
    """Every new block, from the next one on. Raises Stalled."""
    number = heads([client])[0] + 1
    moved = time.monotonic()
    while True:
        block = client.call("eth_getBlockByNumber", hex(number), False)
        now = time.monotonic()
        if block is not None:
            yield Seen(now, number, block["miner"])
            number, moved = number + 1, now
        elif now - moved > STALL_S:
            raise Stalled(f"no block {number} in {STALL_S:g} s")
        else:
            time.sleep(POLL_S)


def collect(client: Client, blocks: int) -> list[Seen]:
    """The next `blocks` blocks."""
    seen = watch(client)
    return [next(seen) for _ in range(blocks)]
