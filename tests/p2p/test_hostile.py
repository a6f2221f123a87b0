"""Attackers against a node, on both paths. After each the host's process is the same one, serves its friend, and has
scored whom it could name."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID

from tests.p2p.attacker import DATA, HEADER, PING, SYN, WINDOW, connected
from tests.p2p.nodes import ECHO, PATIENCE_S, TestNode, start_pair, stop
from zg_node.errors import Unavailable
from zg_node.p2p.exchange import ANSWER_MAX_BYTES, HINTS_MAX, encode_hints
from zg_node.p2p.framing import PART_HEADER, prefixed
from zg_node.p2p.mesh import ENTRIES_PER_RPC_MAX
from zg_node.p2p.negotiation import token
from zg_node.p2p.swarm import SOCKETS_MAX
from zg_node.p2p.topics import BULK_PROTOCOL, DIRECT_PROTOCOL, MESH_PROTOCOL, PEERS_PROTOCOL
from zg_node.p2p.varint import encode_varint
from zg_node.p2p.yamux import STREAMS_MAX

MIB = 1024 * 1024
RESIDENT_MAX_BYTES = 300 * MIB
Attack = Callable[[str], Awaitable[str]]
"""(address) → our peer id, "" when the victim cannot know it."""


ADMITTED_S = 0.3
"""After so long the victim has told its node of the peer; who offends sooner loses points, and nobody hears of it."""


class Field:
    """A victim, its friend, and the loop that they live on."""

    def __init__(self, runner: asyncio.Runner, victim: TestNode, friend: TestNode, fast_path: bool) -> None:
        self._runner = runner
        self.fast_path = fast_path
        self.victim = victim
        self.friend = friend
        self._pid = victim.network.host_pid

    def attack(self, attack: Attack) -> str:
        """Run an attack in a thread of its own and check that the victim is well; returns the attacker's peer id."""
        return self._runner.run(self._attack(attack))

    def score_after(self, attack: Attack) -> int:
        """Run an attack; returns the points that are left to the attacker."""
        name = self.attack(attack)
        return self._runner.run(self._points(name))

    async def _attack(self, attack: Attack) -> str:
        address = self.victim.network.addresses[0]
        name = await asyncio.to_thread(trio.run, attack, address)
        assert await self.friend.network.request(self.victim.id, ECHO, b"well?", 10) == b"well?"
        assert self.victim.network.host_pid == self._pid
        assert self.victim.count("zg_p2p_host_restarts_total") == 0
        assert self.victim.count("zg_p2p_host_resident_bytes") < RESIDENT_MAX_BYTES
        return str(name)

    async def _points(self, name: str) -> int:
        def seen() -> list[int]:
            return [peer.score for peer, _ in self.victim.comings if peer.id == name and peer.score < 100]

        await self.victim.until(lambda: bool(seen()), f"{name} has lost points")
        return min(seen())


@pytest.fixture(
    scope="module", params=[pytest.param(True, id="fast"), pytest.param(False, id="stock", marks=pytest.mark.long)]
)
def field(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    home: Path = tmp_path_factory.mktemp("hostile")
    with asyncio.Runner() as runner:
        victim, friend = runner.run(start_pair(home, fast_path=request.param))
        yield Field(runner, victim, friend, request.param)
        runner.run(stop(victim, friend))


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 1_000,
        b"\xff" * 1_000,
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", marks=pytest.mark.long),  # it looks like half a negotiation
        b"\x13/multistream/1.0.0\n" + b"\xff" * 999,
    ],
    ids=["zeros", "ones", "http", "half a negotiation"],
)
def test_garbage_instead_of_a_handshake(field: Field, garbage: bytes) -> None:
    async def attack(address: str) -> str:
        host, port = address.split("/")[2], int(address.split("/")[4])
        with socket.create_connection((host, port), timeout=10) as sock:
            sock.sendall(garbage)
            while sock.recv(4096):
                pass
        return ""

    field.attack(attack)


def test_plaintext_is_not_spoken(field: Field) -> None:
    async def attack(address: str) -> str:
        host, port = address.split("/")[2], int(address.split("/")[4])
        with socket.create_connection((host, port), timeout=10) as sock:
            sock.sendall(token("/multistream/1.0.0") + token("/plaintext/2.0.0"))
            received = b""
            while not received.endswith(token("na")):
                received += sock.recv(4096)
        return ""

    field.attack(attack)


def test_handshakes_that_stall_are_given_up(field: Field) -> None:
    async def attack(address: str) -> str:
        host, port = address.split("/")[2], int(address.split("/")[4])
        sockets = [socket.create_connection((host, port), timeout=10) for _ in range(40)]
        for sock in sockets:
            while sock.recv(4096):
                pass
            sock.close()
        return ""

    field.attack(attack)


def test_a_protocol_name_of_any_length_is_not_read(field: Field) -> None:
    """Before the handshake, when nobody can be named."""

    async def attack(address: str) -> str:
        host, port = address.split("/")[2], int(address.split("/")[4])
        with socket.create_connection((host, port), timeout=10) as sock, pytest.raises(ConnectionError):
            sock.sendall(b"\xff\xff\xff\x7f" + bytes(16 * MIB))
        return ""

    field.attack(attack)


def test_questions_before_the_handshake_are_answered_a_few_times(field: Field) -> None:
    async def attack(address: str) -> str:
        host, port = address.split("/")[2], int(address.split("/")[4])
        received = b""
        with socket.create_connection((host, port), timeout=10) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(token("/multistream/1.0.0") + token("ls") * 10_000)
            while data := sock.recv(4096):
                received += data
        assert len(received) < 100
        return ""

    field.attack(attack)


@pytest.mark.parametrize(
    "frame",
    [
        HEADER.pack(0, DATA, SYN, 1, 0xFFFFFFFF) + bytes(MIB),
        HEADER.pack(0, WINDOW, SYN, 1, 0) + HEADER.pack(0, DATA, 0, 1, 17 * MIB) + bytes(MIB),
    ],
    ids=["four gigabytes", "more than any window"],
)
def test_frames_that_are_too_large(field: Field, frame: bytes) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            await peer.read_for(ADMITTED_S)
            await peer.write(frame)
            await peer.until_closed()
            return peer.name

    if field.fast_path:
        assert field.score_after(attack) == 75
    else:  # the library closes the connection and says nothing
        field.attack(attack)


def test_connections_that_end_at_once_leave_room_for_others(field: Field) -> None:
    """More of them than there may be sockets."""

    async def attack(address: str) -> str:
        for _ in range(SOCKETS_MAX + 20):
            with contextlib.suppress(OSError, BaseLibp2pError):
                async with connected(address, HEADER.pack(9, 9, 9, 9, 9)):
                    pass
        async with connected(address) as newcomer:
            await newcomer.read_for(0.1)
            return newcomer.name

    field.attack(attack)


def test_data_for_a_stream_that_is_over(field: Field) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            await peer.frame(WINDOW, SYN, 1, 0)
            with trio.move_on_after(5):
                for _ in range(1_000):
                    if not await peer.frame(DATA, 0, 1, 64_000, bytes(64_000)):
                        break
            return peer.name

    field.attack(attack)


def test_pings_whose_answers_nobody_reads(field: Field) -> None:
    async def attack(address: str) -> str:
        pings = b"".join(HEADER.pack(0, PING, SYN, 0, index) for index in range(5_000))
        async with connected(address) as peer:
            with trio.move_on_after(3):
                while await peer.write(pings):
                    pass
            return peer.name

    field.attack(attack)


def test_streams_without_end(field: Field) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            frames = b"".join(HEADER.pack(0, WINDOW, SYN, 2 * index + 1, 0) for index in range(20_000))
            with trio.move_on_after(2):  # a victim that does not read on is well within its rights
                await peer.write(frames)
                await peer.read_for(0.5)
            return peer.name

    field.attack(attack)


@pytest.mark.parametrize(
    ("protocol", "data"),
    [
        (MESH_PROTOCOL, b"\x05\xff\xff\xff\xff\xff"),
        (MESH_PROTOCOL, b"\xff\xff\xff\x7f"),
        (DIRECT_PROTOCOL, b"\xff\xff\xff\xff"),
        (BULK_PROTOCOL, prefixed(PART_HEADER.pack(1, 2) + b"x")),
        (BULK_PROTOCOL, prefixed(PART_HEADER.pack(0, 2**31) + b"x")),
        (ECHO, b"\x7f\xff\xff\xff"),
        (ECHO, prefixed(b"question") + b"and more"),
    ],
    ids=[
        "no protobuf",
        "a frame of 256 MiB",
        "a message of 4 GiB",
        "a second part first",
        "parts of 2 GiB",
        "a question of 2 GiB",
        "more than a question",
    ],
)
def test_nonsense_on_a_protocol_costs_points(field: Field, protocol: str, data: bytes) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            await peer.open(protocol, data)
            await peer.read_for(0.5)
            return peer.name

    if field.fast_path or protocol != MESH_PROTOCOL:
        assert field.score_after(attack) == 75
    else:  # the library resets the stream and may say nothing
        field.attack(attack)


def test_a_negotiation_that_is_none_costs_points(field: Field) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            await peer.frame(WINDOW, SYN, 1, 0)
            await peer.frame(DATA, 0, 1, 100, b"\xff" * 100)
            await peer.read_for(0.5)
            return peer.name

    assert field.score_after(attack) == 75


@pytest.mark.parametrize(
    "answer",
    [encode_varint(9) + b"\xff" * 9, encode_varint(9) + b"/ip4/nope", encode_varint(ANSWER_MAX_BYTES + 1)],
    ids=["no text", "no address", "too long"],
)
def test_hints_that_are_none_cost_points(field: Field, answer: bytes) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            await peer.answer(PEERS_PROTOCOL, answer)
            await peer.read_for(0.5)
            return peer.name

    assert field.score_after(attack) == 75


def test_false_hints_cost_no_more_than_dials(field: Field) -> None:
    """HINTS_MAX peers that nobody is, at a port where nobody listens."""

    async def attack(address: str) -> str:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        names = [ID.from_pubkey(create_new_key_pair(bytes([index]) * 32).public_key) for index in range(HINTS_MAX)]
        body = encode_hints(f"/ip4/127.0.0.1/tcp/{port}/p2p/{name}" for name in names)
        async with connected(address) as peer:
            await peer.answer(PEERS_PROTOCOL, encode_varint(len(body)) + body)
            await peer.read_for(0.5)
            return peer.name

    field.attack(attack)


def test_one_who_goes_on_is_banned(field: Field) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            for index in range(8):
                await peer.open(DIRECT_PROTOCOL, b"\xff\xff\xff\xff", stream=2 * index + 1)
            await peer.until_closed()
            return peer.name

    bans = field.victim.count("zg_p2p_bans_total")
    field.attack(attack)
    field._runner.run(field.victim.until(lambda: field.victim.count("zg_p2p_bans_total") > bans, "it is banned"))


def test_a_question_that_never_ends_is_given_up(field: Field) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            for index in range(100):
                await peer.open(ECHO, b"\0\0\1\0" + b"half", stream=2 * index + 1)
            await peer.read_for(0.5)
            return peer.name

    field.attack(attack)


def test_half_questions_fill_the_house_but_for_protected_peers(field: Field) -> None:
    done = threading.Event()

    async def attack(address: str) -> str:
        async with AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(connected(address)) for _ in range(5)]
            streams = count(1, 2)
            while not done.is_set():  # a question of the friend's may have had the last place
                for _ in range(16):
                    stream = next(streams)
                    for peer in crowd:
                        await peer.open(ECHO, b"\0\0\1\0" + b"half", stream=stream)
                await trio.sleep(0.2)
            return crowd[0].name

    async def ask_until_refused() -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await field.friend.network.request(field.victim.id, ECHO, b"well?", 5)

    async def ask() -> None:
        victim, friend = field.victim, field.friend
        try:
            with pytest.raises(Unavailable):
                await ask_until_refused()
            victim.network.protect(friend.id, True)
            assert await friend.network.request(victim.id, ECHO, b"well?", 5) == b"well?"
        finally:
            done.set()
            victim.network.protect(friend.id, False)

    async def both() -> None:
        await asyncio.gather(ask(), asyncio.to_thread(trio.run, attack, field.victim.network.addresses[0]))

    field._runner.run(both())


def test_one_who_reads_nothing_delays_nobody(field: Field) -> None:
    """The victim broadcasts 40 MB; the friend has it all while the attacker's window stays shut."""
    message, done = bytes(MIB), threading.Event()

    async def attack(address: str) -> str:
        async with connected(address) as peer:
            await trio.to_thread.run_sync(done.wait, PATIENCE_S)
            return peer.name

    async def broadcast() -> None:
        await field.victim.until(lambda: len(field.victim.network.peers()) > 1, "the attacker is there")
        before = len(field.friend.direct)
        for index in range(40):
            field.victim.network.broadcast(message)
            await field.friend.until(lambda count=index: len(field.friend.direct) > before + count, "it arrives")  # type: ignore[misc]
        done.set()

    async def both() -> None:
        await asyncio.gather(broadcast(), asyncio.to_thread(trio.run, attack, field.victim.network.addresses[0]))

    field._runner.run(both())


def test_a_flood_of_messages_is_slowed_down(field: Field) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            flood = prefixed(b"x") * 12_000
            for index in range(4):
                await peer.open(DIRECT_PROTOCOL, flood, stream=2 * index + 1)
            await peer.read_for(0.5)
            return peer.name

    throttled = field.victim.count("zg_p2p_throttled_total")
    assert field.score_after(attack) < 100
    field._runner.run(field.victim.until(lambda: field.victim.count("zg_p2p_throttled_total") > throttled, "slowed"))


def test_streams_that_were_answered_take_no_room_though_the_peer_leaves_them_open(field: Field) -> None:
    async def attack(address: str) -> str:
        async with connected(address) as peer:
            answered = []
            for stream in range(1, 2 * STREAMS_MAX + 100, 2):
                await peer.open(ECHO, prefixed(b"question"), stream)
                answered.append(await peer.was_answered(stream))
            assert all(answered)
            return peer.name

    if field.fast_path:
        field.attack(attack)


def test_a_flood_of_gossip_is_slowed_down_and_not_blamed_on_who_passes_it_on(field: Field) -> None:
    """Messages without a topic: they are counted like others, and cost nothing to make."""

    async def attack(address: str) -> str:
        frame = b"\x12\x00" * ENTRIES_PER_RPC_MAX
        async with connected(address) as peer:
            await peer.open(MESH_PROTOCOL, (encode_varint(len(frame)) + frame) * 4)
            await peer.read_for(1)
            return peer.name

    if field.fast_path:
        victim = field.victim
        throttled = victim.count("zg_p2p_throttled_total")
        name = field.attack(attack)
        field._runner.run(victim.until(lambda: victim.count("zg_p2p_throttled_total") > throttled, "it is slowed"))
        comings = victim.comings
        field._runner.run(victim.until(lambda: any(p.id == name and not there for p, there in comings), "it goes"))
        assert {peer.score for peer, _ in comings if peer.id == name} == {100}


def test_the_friend_was_never_blamed(field: Field) -> None:
    assert [peer.score for peer in field.victim.network.peers() if peer.id == field.friend.id] == [100]
