"""A storm of malformed input at every layer: the host's process stays the same one, small, and of use to its friend.

ZG_STORM_S=600 pytest tests/p2p/test_storm.py -m long      ten minutes instead of one; ZG_STORM_SEED replays
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import trio

from tests.p2p.attacker import connected
from tests.p2p.nodes import ECHO, TestNode, start_pair, stop
from tests.p2p.storm import ATTACKS, strike
from zg_node.errors import Unavailable

STORM_S = float(os.environ.get("ZG_STORM_S", "60"))
SEED = int(os.environ.get("ZG_STORM_SEED", "1"))
ATTACKERS = 6
"""At the same time."""
RESIDENT_MAX_BYTES = 300 * 1024 * 1024
WATCH_S = 1.0
ANSWER_S = 30.0
AGAIN_S = 0.2


async def storm(address: str, over: threading.Event, struck: Counter[str]) -> None:
    """Attack until it is over."""

    async def attacker(rng: random.Random) -> None:
        names = sorted(ATTACKS)
        while not over.is_set():
            name = rng.choice(names)
            struck[name] += 1
            struck["unfinished"] += not await strike(name, address, rng)

    async with trio.open_nursery() as nursery:
        for number in range(ATTACKERS):
            nursery.start_soon(attacker, random.Random(SEED * 1_000 + number))


async def come_new(address: str) -> None:
    """Connect as somebody who means no harm: the storm left no connection behind. Raises what the library raises."""
    async with connected(address) as newcomer:
        await newcomer.read_for(0.1)


def resident_bytes(pid: int) -> int:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def ask(victim: TestNode, friend: TestNode) -> None:
    """Ask as a friend that asks again when it is refused, or has to connect again."""
    async with asyncio.timeout(ANSWER_S):
        while True:
            with contextlib.suppress(Unavailable):
                assert await friend.network.request(victim.id, ECHO, b"well?", ANSWER_S) == b"well?"
                return
            await asyncio.sleep(AGAIN_S)


async def watch(victim: TestNode, friend: TestNode, seconds: float) -> int:
    """Ask like a friend for so long; returns the most memory that the host had."""
    pid, most, until_s = victim.network.host_pid, 0, time.monotonic() + seconds
    assert pid is not None
    while time.monotonic() < until_s:
        await ask(victim, friend)
        assert victim.network.host_pid == pid
        most = max(most, resident_bytes(pid))
        assert most < RESIDENT_MAX_BYTES
        victim.direct.clear()  # an hour of it is more than this machine remembers
        victim.gossip.clear()
        await asyncio.sleep(WATCH_S)
    return most


@pytest.mark.long
@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "stock"])
def test_a_storm_of_malformed_input_harms_nobody(tmp_path: Path, fast_path: bool) -> None:
    async def life() -> None:
        victim, friend = await start_pair(tmp_path, fast_path=fast_path)
        struck: Counter[str] = Counter()
        over = threading.Event()
        victim.network.protect(friend.id, True)
        attack = asyncio.create_task(asyncio.to_thread(trio.run, storm, victim.network.addresses[0], over, struck))
        try:
            most = await watch(victim, friend, STORM_S)
            over.set()
            await attack
            await asyncio.to_thread(trio.run, come_new, victim.network.addresses[0])
            lost = sum(peer.id == victim.id and not connected for peer, connected in friend.comings)
            refused = victim.count("zg_p2p_refused_total")
            print(f"\nseed {SEED}: {dict(struck)}; resident at most {most / 2**20:.0f} MiB")  # noqa: T201
            print(f"the friend lost its connection {lost} times; refused {refused:.0f}")  # noqa: T201
            assert victim.count("zg_p2p_host_restarts_total") == 0
            assert set(ATTACKS) <= set(struck)
            assert [peer.score for peer in victim.network.peers() if peer.id == friend.id] == [100]
        finally:
            over.set()
            await stop(victim, friend)

    asyncio.run(life())
