"""What is written to a peer: one stream after another, and a lane that outlives them.

open ─▶ write what waits ─▶ the stream ends: what it did not take waits for the next, after a pause
                         ─▶ the peer's connection changes: the next at once; this one is closed, not reset, so that
                            the peer still reads what is on it
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import chain

import trio
from libp2p.peer.id import ID

from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.basic import GuardedHost
from zg_node.p2p.contain import Counts, contained
from zg_node.p2p.lane import Lane
from zg_node.p2p.stream import PeerStream
from zg_node.p2p.swarm import LIBRARY_ERRORS

RETRY_FIRST_S = 0.05

Writer = Callable[[PeerStream, Lane], Awaitable[None]]
"""Writes what waits until the lane moves. Raises what the library raises when the stream ends."""


async def keep_writing(
    host: GuardedHost,
    counts: Counts,
    peer: ID,
    protocol: str,
    lane: Lane,
    write: Writer,
    retry_max_s: float,
    opened: Callable[[], None] = lambda: None,
) -> None:
    """Keep a stream to a peer and write what waits, until cancelled; `opened` hears of each new stream."""
    pause_s = RETRY_FIRST_S
    while True:
        began_s = trio.current_time()
        lane.settle()
        try:
            stream = await host.open_stream(peer, protocol)
            leave = stream.reset
            try:
                opened()
                await write(stream, lane)
                leave = stream.close
            finally:
                await contained(counts, leave)
        except (Unavailable, InvalidMessage, trio.TooSlowError, *LIBRARY_ERRORS):
            if trio.current_time() - began_s > retry_max_s:  # a peer that ends each one at once is waited for
                pause_s = RETRY_FIRST_S
            await trio.sleep(pause_s)
            pause_s = min(retry_max_s, pause_s * 2)


async def write_batches(stream: PeerStream, lane: Lane) -> None:
    """A `Writer` of small messages that are framed already, many at once."""
    while batch := await lane.batch(stream.write_now):
        try:
            await stream.write(b"".join(chain.from_iterable(batch)))
        except LIBRARY_ERRORS:
            lane.put_back(batch)
            raise
