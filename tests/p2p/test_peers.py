"""Who stays when there are too many: decisions about connections that need no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
import trio.testing
from libp2p.abc import INotifee
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.peer.id import ID

from zg_node.p2p.address import Multiaddr
from zg_node.p2p.bucket import MESSAGES_BURST, MESSAGES_PER_S
from zg_node.p2p.network import Offence
from zg_node.p2p.peers import BANS_SAVED_S, ELSEWHERE_S, PEERS_MAX, SECOND_CONNECTION_S, Connected, Peers
from zg_node.p2p.score import BanFile


class Conn(SwarmConn):
    """A connection that only opens and closes."""

    def __init__(self, swarm: Swarm, peer: ID, direction: str, host: str = "") -> None:
        super().__init__(SimpleNamespace(peer_id=peer), swarm, direction)  # type: ignore[arg-type]
        self._all = swarm
        self._host = host

    def get_transport_addresses(self) -> list[Multiaddr]:
        return [Multiaddr(f"/ip{6 if ':' in self._host else 4}/{self._host}/tcp/1")] if self._host else []

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

    async def connect(self, peers: Peers, peer: ID, direction: str = "inbound", host: str = "") -> bool:
        """A peer connects; returns whether it is there when everything has settled."""
        if not peers.admits(peer):
            return False
        conn = Conn(self, peer, direction, host)
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
        await trio.sleep(BANS_SAVED_S + 0.1)
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


@pytest.mark.parametrize("we_are_smaller", [True, False])
def test_of_two_connections_the_one_that_the_smaller_id_dialled_is_written_to_and_stays(
    we_are_smaller: bool, tmp_path: Path
) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        one = ID(b"n") if we_are_smaller else ID(b"a")
        moved: list[ID] = []
        peers.on_moved(moved.append)
        kept, other = ("outbound", "inbound") if we_are_smaller else ("inbound", "outbound")
        for directions, expected in (((kept, other), []), ((other, kept), [one])):
            for direction in directions:
                assert await swarm.connect(peers, one, direction)
            assert moved == expected
            assert [conn.direction.name.lower() for conn in swarm.connections[one]] == [other, kept]
            await trio.sleep(SECOND_CONNECTION_S + 0.1)
            assert [conn.direction.name.lower() for conn in swarm.connections[one]] == [kept]
            assert moved == expected
            await swarm.connections[one][0].close()

    with_peers(tmp_path, work)


def test_streams_move_when_the_connection_that_was_to_stay_ends(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        one = ID(b"n")
        moved: list[ID] = []
        peers.on_moved(moved.append)
        for direction in ("outbound", "inbound"):
            await swarm.connect(peers, one, direction)
        await swarm.connections[one][-1].close()
        assert moved == [one]
        assert one in peers.table

    with_peers(tmp_path, work)


async def fill_with_strangers(peers: Peers, swarm: Swarm, hosts: Callable[[int], str]) -> list[ID]:
    """As many as there may be, who come from these hosts."""
    everybody = [peer(number) for number in range(PEERS_MAX)]
    for number, one in enumerate(everybody):
        assert await swarm.connect(peers, one, host=hosts(number))
        await trio.sleep(1)
    return everybody


def test_one_host_with_any_number_of_names_pushes_nobody_out_but_itself(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        honest = (await fill_with_strangers(peers, swarm, lambda number: f"198.51.100.{number}"))[:-1]
        for number in range(100, 300):
            await swarm.connect(peers, peer(number), host="203.0.113.9")
        assert set(honest) <= set(peers.table)
        assert len(peers.table) == PEERS_MAX

    with_peers(tmp_path, work)


@pytest.mark.parametrize("crowd", ["203.0.113.9", "2001:db8::{:x}"], ids=["address", "subnet"])
def test_a_newcomer_takes_the_place_of_one_of_a_crowd_and_keeps_it(tmp_path: Path, crowd: str) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        await fill_with_strangers(peers, swarm, crowd.format)
        newcomer = peer(999)
        assert await swarm.connect(peers, newcomer, host="198.51.100.1")
        for number in range(100, 200):
            await swarm.connect(peers, peer(number), host=crowd.format(number))
        assert newcomer in peers.table

    with_peers(tmp_path, work)


def test_a_peer_that_we_dialled_stays_though_it_lost_points(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        chosen = peer(500)
        assert await swarm.connect(peers, chosen, "outbound")
        peers.offend(chosen, Offence.UNHELPFUL)
        for number in range(2 * PEERS_MAX):
            await swarm.connect(peers, peer(number))
        assert chosen in peers.table

    with_peers(tmp_path, work)


def test_what_a_peer_passes_on_slows_it_down_and_costs_it_nothing(tmp_path: Path) -> None:
    async def work(peers: Peers, swarm: Swarm) -> None:
        relay, talker = peer(1), peer(2)
        for one in (relay, talker):
            assert await swarm.connect(peers, one)
        too_many = MESSAGES_BURST + 2 * MESSAGES_PER_S
        assert peers.count_messages(relay, too_many, own=False) == pytest.approx(2)
        assert peers.count_messages(talker, too_many) == pytest.approx(2)
        assert [peers.points(one.to_base58()) for one in (relay, talker)] == [100, 100 - Offence.FLOOD.value]

    with_peers(tmp_path, work)


def test_many_bans_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(BanFile, "save", lambda self, bans: written.append(len(bans)))

    async def work(peers: Peers, swarm: Swarm) -> None:
        for number in range(500):
            peers.charge(f"author-{number}", 100)
        await trio.sleep(BANS_SAVED_S + 0.1)
        assert written == [500]
        peers.charge("one more", 100)
        peers.save()  # the process ends
        assert written == [500, 501]
        await trio.sleep(BANS_SAVED_S + 0.1)
        assert written == [500, 501]

    with_peers(tmp_path, work)
