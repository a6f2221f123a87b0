"""Answers to peers that ask and do not listen."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from tests.p2p.attacker import connected
from tests.p2p.nodes import PATIENCE_S, TestNode, start, stop
from zg_node.p2p.framing import prefixed
from zg_node.p2p.network import RESPONSE_MAX_BYTES
from zg_node.p2p.requests import ANSWERS_MAX_BYTES, INBOUND_PER_PEER_MAX


def test_answers_that_nobody_takes_are_bounded_but_for_protected_peers(tmp_path: Path) -> None:
    big, done = "/zg/big/1", threading.Event()

    async def attack(address: str) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(ANSWERS_MAX_BYTES // (INBOUND_PER_PEER_MAX * RESPONSE_MAX_BYTES) + 1):
                peer = await stack.enter_async_context(connected(address))
                for index in range(INBOUND_PER_PEER_MAX):
                    await peer.open(big, prefixed(b"question"), stream=2 * index + 1)
            await trio.to_thread.run_sync(done.wait, PATIENCE_S)

    async def answer(peer: str, message: bytes) -> bytes:
        return bytes(RESPONSE_MAX_BYTES)

    async def life() -> None:
        one, two = TestNode(tmp_path, 1), TestNode(tmp_path, 2)
        one.network.serve(big, answer)
        await start(one, two)
        two.network.dial(one.network.addresses[0])
        await one.until_connected(two)
        attackers = asyncio.create_task(asyncio.to_thread(trio.run, attack, one.network.addresses[0]))
        try:
            await one.until(lambda: one.count("zg_p2p_refused_total") > 0, "there are too many")
            one.network.protect(two.id, True)
            assert len(await two.network.request(one.id, big, b"question", 10)) == RESPONSE_MAX_BYTES
        finally:
            done.set()
            await attackers
            await stop(one, two)

    asyncio.run(life())
