"""Who stays when there are too many: decisions about connections that need no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.abc import INotifee
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.peer.id import ID

from zg_node.p2p.network import Offence
from zg_node.p2p.peers import ELSEWHERE_S, PEERS_MAX, SECOND_CONNECTION_S, Connected, Peers
from zg_node.p2p.score import BanFile


class Conn(SwarmConn):
    """A connection that only opens and closes."""

    def __init__(self, swarm: Swarm, peer: ID, direction: str) -> None:
        super().__init__(SimpleNamespace(peer_id=peer), swarm, direction)  # type: ignore[arg-type]
        self._all = swarm

    def get_transport_addresses(self) -> list[Any]:
        return []

    @property
    def is_closed(self) -> bool:
        return self.event_closed.is_set()

    async def close(self) -> None:
        self.event_closed.set()
        self._all.connections[self.muxed_conn.peer_id].remove(self)
        for notifee in self._all.notifees:
            await notifee.disconnected(self._all, self)  # type: ignore[arg-type]


class Swarm:
    """Asks and tells `Peers` what the real one does."""

    self_id = ID(b"me")

    def __init__(self) -> None:
        self.connections: dict[ID, list[Conn]] = {}
        self.notifees: list[INotifee] = []

    def register_notifee(self, notifee: INotifee) -> None:
        self.notifees.append(notifee)

    async def connect(self, peers: Peers, peer: ID, direction: str = "inbound") -> bool:
        """A peer connects; returns whether it is there when everything has settled."""
        if not peers.admits(peer):
            return False
        conn = Conn(self, peer, direction)
        self.connections.setdefault(peer, []).append(conn)
        for notifee in self.notifees:
            await notifee.connected(self, conn)  # type: ignore[arg-type]
        await trio.testing.wait_all_tasks_blocked()
        return peer in peers.table and not conn.is_closed


def peer(number: int) -> ID:
    return ID(b"peer %03d" % number)


Work = Callable[[Peers, Swarm], Awaitable[None]]


def with_peers(home: Path, work: Work) -> None:
    """Run `work` with a table of its own."""

    async def life() -> None:
        async with trio.open_nursery() as nursery:
            peers, swarm = Peers(nursery, Counter(), BanFile(home / "bans.json")), Swarm()
            peers.watch(swarm)  # type: ignore[arg-type]
            await work(peers, swarm)
            nursery.cancel_scope.cancel()

    trio.run(life, clock=trio.testing.MockClock(autojump_threshold=0))


async def fill(peers: Peers, swarm: Swarm) -> list[ID]:
    """As many peers as there may be, a second apart."""
    everybody = [peer(number) for number in range(PEERS_MAX)]
    for one in everybody:
        assert await swarm.connect(peers, one)
        await trio.sleep(1)
    return everybody


def test_a_protected_peer_is_kept_though_it_is_the_least_useful(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        everybody = await fill(peers, swarm)
        validator, next_worst = everybody[-1], everybody[-2]
        peers.protect(validator.to_base58(), True)
        peers.offend(validator, Offence.MALFORMED)
        assert await swarm.connect(peers, peer(100))
        assert validator in peers.table
        assert next_worst not in peers.table
        assert len(peers.table) == PEERS_MAX

    with_peers(tmp_path, work)


def test_protection_ends_when_it_is_taken_back(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        last = (await fill(peers, swarm))[-1]
        peers.protect(last.to_base58(), True)
        peers.protect(last.to_base58(), False)
        assert await swarm.connect(peers, peer(100))
        assert last not in peers.table

    with_peers(tmp_path, work)


@pytest.mark.parametrize("protected", [True, False])
def test_a_newcomer_gets_in_among_protected_peers_only_if_it_is_one(tmp_path: Path, protected: bool) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        everybody = await fill(peers, swarm)
        for one in everybody:
            peers.protect(one.to_base58(), True)
        newcomer = peer(100)
        peers.protect(newcomer.to_base58(), protected)
        assert await swarm.connect(peers, newcomer) is protected
        assert set(everybody) <= set(peers.table)

    with_peers(tmp_path, work)


def test_a_protected_newcomer_takes_the_place_of_the_least_useful(tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []

    def note(who: ID, entry: Connected, connected: bool) -> None:
        told.append((entry.name, connected))

    async def work(peers: Peers, swarm: Swarm) -> None:
        everybody = await fill(peers, swarm)
        bad, validator = everybody[10], peer(100)
        peers.offend(bad, Offence.FLOOD)
        peers.protect(validator.to_base58(), True)
        peers.on_peer(note)
        assert await swarm.connect(peers, validator)
        assert sorted(told) == sorted([(validator.to_base58(), True), (bad.to_base58(), False)])

    with_peers(tmp_path, work)


def test_peers_that_we_dialled_stay_longer_than_those_that_came(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        everybody = [peer(number) for number in range(PEERS_MAX)]
        for one in everybody:
            await swarm.connect(peers, one, "outbound" if one != everybody[0] else "inbound")
            await trio.sleep(1)
        assert await swarm.connect(peers, peer(100))
        assert everybody[0] not in peers.table

    with_peers(tmp_path, work)


def test_a_ban_closes_the_door_to_protected_peers_too_for_less_time(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        liar, validator = peer(1), peer(2)
        peers.protect(validator.to_base58(), True)
        for one in (liar, validator):
            assert await swarm.connect(peers, one)
            peers.offend(one, Offence.CONTRADICTION)
            await trio.testing.wait_all_tasks_blocked()
            assert not await swarm.connect(peers, one)
        until = {name: ban.until_s for name, ban in BanFile(tmp_path / "bans.json").load().items()}
        assert until[validator.to_base58()] < until[liar.to_base58()]

    with_peers(tmp_path, work)


def test_a_peer_of_another_network_is_away_for_a_while_and_is_not_blamed(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        one = peer(1)
        gone: list[ID] = []
        peers.on_peer(lambda who, entry, connected: None if connected else gone.append(who))
        assert await swarm.connect(peers, one)
        peers.turn_away(one)
        assert (gone, one in peers.table) == ([one], False)
        assert swarm.connections[one], "the other side has a moment to find out"
        peers.offend(one, Offence.CONTRADICTION)
        await trio.sleep(SECOND_CONNECTION_S + 0.1)
        assert not swarm.connections[one]
        assert not await swarm.connect(peers, one)
        await trio.sleep(ELSEWHERE_S)
        assert await swarm.connect(peers, one)
        assert peers.points(one.to_base58()) == 100
        assert gone == [one]

    with_peers(tmp_path, work)


def test_a_second_connection_of_a_peer_of_another_network_does_not_bring_it_back(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        one = peer(1)
        assert await swarm.connect(peers, one)
        second = Conn(swarm, one, "outbound")
        swarm.connections[one].append(second)
        peers.turn_away(one)
        for notifee in swarm.notifees:
            await notifee.connected(swarm, second)  # type: ignore[arg-type]
        await trio.testing.wait_all_tasks_blocked()
        assert one not in peers.table
        assert second.is_closed

    with_peers(tmp_path, work)
