"""Whom a node dials while it is alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID

from zg_node.errors import Unavailable
from zg_node.p2p.address import Multiaddr
from zg_node.p2p.dialer import FAILURES_MAX, Dialer

ADDRESS = Multiaddr("/ip4/203.0.113.7/tcp/26656")
HOURS_S = 3 * 3600.0


def peer(number: int) -> ID:
    return ID.from_pubkey(create_new_key_pair(bytes([number]) * 32).public_key)


class World:
    """The swarm and the table of peers, as a dialler sees them; nobody answers."""

    self_id = peer(0)

    def __init__(self) -> None:
        self.table: dict[ID, object] = {}
        self.dialled: Counter[ID] = Counter()
        self.tell: Callable[[ID, Any, bool], None] = lambda who, entry, connected: None

    async def dial(self, address: Multiaddr, who: ID) -> None:
        self.dialled[who] += 1
        raise Unavailable("nobody there")

    def on_peer(self, handler: Callable[[ID, Any, bool], None]) -> None:
        self.tell = handler

    def is_banned(self, name: str) -> bool:
        return False

    def is_protected(self, name: str) -> bool:
        return False

    def admits(self, who: ID) -> bool:
        return True


def run(book: Path, work: Callable[[Dialer, World], Awaitable[None]]) -> None:
    async def life() -> None:
        async with trio.open_nursery() as nursery:
            world = World()
            dialer = Dialer(world, world, nursery, Counter(), book)  # type: ignore[arg-type]
            nursery.start_soon(dialer.run)
            await work(dialer, world)
            nursery.cancel_scope.cancel()

    trio.run(life, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("alone", [True, False])
def test_who_does_not_answer_is_given_up_only_when_somebody_else_is_there(tmp_path: Path, alone: bool) -> None:
    async def work(dialer: Dialer, world: World) -> None:
        if not alone:
            world.table[peer(9)] = object()
        dialer.found(peer(1), [ADDRESS])
        await trio.sleep(HOURS_S)
        tried = world.dialled[peer(1)]
        assert (tried > 100) if alone else (tried == FAILURES_MAX)

    run(tmp_path / "peers.json", work)


def test_the_address_book_outlives_hours_without_a_network(tmp_path: Path) -> None:
    book = tmp_path / "peers.json"
    line = f"{ADDRESS}/p2p/{peer(1).to_base58()}"
    book.write_text(json.dumps([line]))

    async def work(dialer: Dialer, world: World) -> None:
        await trio.sleep(HOURS_S)
        dialer.save()
        assert json.loads(book.read_text()) == [line]
        world.table[peer(9)] = object()
        dialer.save()
        assert json.loads(book.read_text()) == []

    run(book, work)
