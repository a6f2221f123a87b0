"""Nodes with real hosts in processes of their own, on both paths."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.p2p.nodes import ECHO, TX, TestNode, start, start_pair, stop
from zg_node.errors import InvalidMessage, Unavailable
from zg_node.p2p.child import Child
from zg_node.p2p.framing import Frame
from zg_node.p2p.network import DIRECT_MAX_BYTES, GOSSIP_MAX_BYTES, RESPONSE_MAX_BYTES, Network, Offence

paths = pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "stock"])


@paths
def test_two_nodes_exchange_messages_gossip_and_requests(fast_path: bool, tmp_path: Path) -> None:
    async def life() -> None:
        one, two = await start_pair(tmp_path, fast_path=fast_path)
        network: Network = one.network
        try:
            assert two.network.peers()[0].outbound
            assert not network.peers()[0].outbound
            assert network.addresses[0].endswith(f"/p2p/{one.id}")

            for index in range(100):
                network.send(two.id, index.to_bytes(2, "big"))
            await two.until(lambda: len(two.direct) == 100, "all votes arrive")
            assert two.direct == [(one.id, index.to_bytes(2, "big")) for index in range(100)]

            large = os.urandom(DIRECT_MAX_BYTES)
            two.network.broadcast(large)
            two.network.broadcast(b"vote")
            await one.until(lambda: len(one.direct) == 2, "proposal and vote arrive")
            assert one.direct == [(two.id, b"vote"), (two.id, large)]

            answer = await network.request(two.id, ECHO, b"question", 5)
            assert answer == b"question"
            with pytest.raises(Unavailable, match="does not know"):
                await network.request(two.id, "/zg/unknown/1", b"", 5)
            with pytest.raises(Unavailable, match="not connected"):
                await network.request("nobody", ECHO, b"", 5)

            message = os.urandom(GOSSIP_MAX_BYTES)

            def publish() -> bool:
                if not one.gossip:
                    two.network.publish(TX, message)
                return bool(one.gossip)

            await one.until(publish, "gossip arrives")
            assert one.gossip[0] == (two.id, message)
        finally:
            await stop(one, two)
        assert one.comings[-1][1] is False

    asyncio.run(life())


@paths
def test_nodes_of_two_networks_part_without_blame(
    fast_path: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def life() -> None:
        here = TestNode(tmp_path, 1, fast_path=fast_path)
        elsewhere = TestNode(tmp_path, 2, fast_path=fast_path, network="fedcba9876543210")
        await start(here, elsewhere)
        try:
            elsewhere.network.dial(here.network.addresses[0])
            for node in (here, elsewhere):
                await node.until_left()
                assert node.network.peers() == ()
        finally:
            await stop(here, elsewhere)

    with caplog.at_level("WARNING"):
        asyncio.run(life())
    warnings = [record.message for record in caplog.records if "of another network" in record.message]
    assert len(warnings) == 1, "the one that dialled is told, once"
    assert "right genesis file?" in warnings[0]
    assert not list(tmp_path.glob("*/bans.json"))


@pytest.mark.parametrize(
    "fast_path", [pytest.param(True, id="fast"), pytest.param(False, id="stock", marks=pytest.mark.long)]
)
def test_requests_have_bounds(fast_path: bool, tmp_path: Path) -> None:
    async def life() -> None:
        one, two = TestNode(tmp_path, 1, fast_path=fast_path), TestNode(tmp_path, 2, fast_path=fast_path)
        hold = asyncio.Event()

        async def answer(peer: str, question: bytes) -> bytes:
            match question:
                case b"large":
                    return bytes(RESPONSE_MAX_BYTES)
                case b"hold":
                    await hold.wait()
                case b"refuse":
                    raise Unavailable("no")
                case b"invalid":
                    raise InvalidMessage("no")
            return b"done"

        one.network.serve("/zg/x/1", answer)
        await start(one, two)
        try:
            two.network.dial(one.network.addresses[0])
            await two.until_connected(one)
            ask = two.network.request
            assert await ask(one.id, "/zg/x/1", b"large", 20) == bytes(RESPONSE_MAX_BYTES)
            with pytest.raises(Unavailable, match="refused"):
                await ask(one.id, "/zg/x/1", b"refuse", 5)
            with pytest.raises(Unavailable, match="invalid"):
                await ask(one.id, "/zg/x/1", b"invalid", 5)
            await one.until(lambda: bool(one.network.peers()) and one.network.peers()[0].score < 80, "the asker pays")
            held = [asyncio.ensure_future(ask(one.id, "/zg/x/1", b"hold", 20)) for _ in range(20)]
            done, _ = await asyncio.wait(held, return_when=asyncio.FIRST_EXCEPTION)
            assert "too many" in str(next(iter(done)).exception())
            hold.set()
            answers = await asyncio.gather(*held, return_exceptions=True)
            assert sum(found == b"done" for found in answers) == 8
            hold.clear()
            with pytest.raises(Unavailable, match="in time"):
                await ask(one.id, "/zg/x/1", b"hold", 0.2)
        finally:
            await stop(one, two)

    asyncio.run(life())


def test_a_banned_peer_is_cut_off_and_stays_away_after_a_restart(tmp_path: Path) -> None:
    async def life() -> None:
        one, two = await start_pair(tmp_path, fast_path=True)
        three = TestNode(tmp_path, 1)
        try:
            one.network.report(two.id, Offence.INVALID)
            await one.until(lambda: one.network.peers()[0].score == 90, "the score is known")
            one.network.report(two.id, Offence.CONTRADICTION)
            await one.until(lambda: not one.network.peers(), "the peer is gone")
            await one.until(lambda: one.count("zg_p2p_refused_total") > 0, "it is refused when it comes again")
            assert one.count("zg_p2p_bans_total") == 1
            await stop(one)
            await start(three)
            two.network.dial(three.network.addresses[0])
            await three.until(lambda: three.count("zg_p2p_refused_total") > 0, "it is refused after a restart")
            assert three.network.peers() == ()
        finally:
            await stop(one, two, three)

    asyncio.run(life())


def test_a_host_that_dies_is_started_again_with_all_that_it_knew(tmp_path: Path) -> None:
    async def life() -> None:
        one, two = await start_pair(tmp_path, fast_path=True)
        try:
            pid, address = one.network.host_pid, one.network.addresses
            assert pid is not None
            waiting = asyncio.ensure_future(one.network.request(two.id, ECHO, bytes(60_000), 20))
            os.kill(pid, signal.SIGKILL)
            await one.until(lambda: not one.network.peers(), "its peers are gone")
            with pytest.raises(Unavailable):
                await waiting
            await one.until_connected(two)
            assert one.network.host_pid != pid
            assert one.network.addresses == address
            assert one.count("zg_p2p_host_restarts_total") == 1

            def publish() -> bool:
                two.network.publish(TX, os.urandom(8))
                return bool(one.gossip)

            await one.until(publish, "it follows its topics again")
            assert await two.network.request(one.id, ECHO, b"again", 10) == b"again"
        finally:
            await stop(one, two)

    asyncio.run(life())


def test_a_host_ends_with_its_node(tmp_path: Path) -> None:
    async def life() -> None:
        node = TestNode(tmp_path, 1)
        await start(node)
        pid = node.network.host_pid
        assert pid is not None
        child = node.network._child
        assert child is not None
        child._close()  # what a dying node leaves behind
        await node.until(lambda: not Path(f"/proc/{pid}").exists() or node.network.host_pid != pid, "it ends")
        await stop(node)

    asyncio.run(life())


def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    async def life() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            node = TestNode(tmp_path, 1, listen=f"/ip4/127.0.0.1/tcp/{port}")
            with pytest.raises(Unavailable, match=f"p2p cannot listen on /ip4/127.0.0.1/tcp/{port}: Address already"):
                await node.network.start()

    asyncio.run(life())


@pytest.mark.parametrize("listen", ["nonsense", "/ip4/127.0.0.1/udp/1", "/ip4/999.0.0.1/tcp/1"])
def test_an_address_that_is_none_is_said_in_one_sentence(listen: str, tmp_path: Path) -> None:
    async def life() -> None:
        node = TestNode(tmp_path, 1, listen=listen)
        with pytest.raises(Unavailable, match="p2p cannot listen on"):
            await node.network.start()

    asyncio.run(life())


class FakeChild:
    """A host's process that only listens."""

    pid = 0

    def __init__(self) -> None:
        self.told: list[tuple[Frame, tuple[bytes, ...]]] = []

    def tell(self, kind: Frame, *fields: bytes) -> None:
        self.told.append((kind, fields))

    async def stop(self) -> None:
        return


def test_what_a_node_says_while_its_host_starts_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = FakeChild()

    async def spawn(*_: object) -> FakeChild:
        return child

    monkeypatch.setattr(Child, "spawn", spawn)

    async def life() -> None:
        network = TestNode(tmp_path, 1).network
        network.protect("early", True)
        starting = asyncio.ensure_future(network.start())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [kind for kind, _ in child.told] == [Frame.CONFIGURE]
        network.protect("late", True)
        network.protect("early", False)
        network._on_started(b"me", b"", b"/ip4/127.0.0.1/tcp/1")
        await starting
        assert {fields[0] for kind, fields in child.told if kind is Frame.PROTECT} == {b"late"}
        assert (Frame.SUBSCRIBE, (TX.encode(),)) in child.told
        await network.stop()

    asyncio.run(life())
