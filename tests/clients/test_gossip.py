"""js-libp2p, go-libp2p and two of our hosts in one gossip mesh: whatever one says, all hear."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.clients.conftest import tool
from tests.clients.go_daemon import GoDaemon, fetch_program
from tests.p2p.nodes import TX, TestNode, start, stop

HERE = Path(__file__).resolve().parent
NODE_MAJOR_MIN = 22
MESSAGES_EACH = 50
PATIENCE_S = 60.0
PAUSE_S = 0.01
"""Between two messages of a member: 400 a second over the mesh."""


class Member:
    """One of the mesh: how it says something, and what it has heard."""

    def __init__(self, name: str, say: Callable[[str], Awaitable[None]]) -> None:
        self.name = name
        self.say = say
        self.heard: list[str] = []

    def hear(self, message: bytes) -> None:
        """A message arrived, perhaps our own."""
        text = message.decode()
        if not text.startswith(f"{self.name} "):
            self.heard.append(text)


def ours(name: str, node: TestNode) -> Member:
    """A member that is one of our nodes; messages are where the node puts them."""

    async def say(text: str) -> None:
        node.network.publish(TX, text.encode())

    member = Member(name, say)
    node.on_gossip = lambda _, message: member.hear(message)
    return member


@asynccontextmanager
async def javascript(addresses: Sequence[str]) -> AsyncIterator[tuple[Member, str]]:
    """A js-libp2p peer, and its address."""
    process = await asyncio.create_subprocess_exec(
        *(tool("node"), str(HERE / "gossip_libp2p.mjs"), TX, *addresses),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def say(text: str) -> None:
        stdin.write(text.encode() + b"\n")
        await stdin.drain()

    member = Member("js", say)

    async def read() -> None:
        while line := await stdout.readline():
            member.hear(line.strip())

    async with asyncio.timeout(PATIENCE_S):
        address = (await stdout.readline()).decode().strip()
    assert address, "js-libp2p ended"
    reading = asyncio.create_task(read())
    try:
        yield member, address
    finally:
        stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await reading


@asynccontextmanager
async def golang(program: Path, home: Path, addresses: Sequence[str]) -> AsyncIterator[Member]:
    """A go-libp2p peer."""
    daemon = await GoDaemon.start(program, home)
    try:
        member = Member("go", lambda text: daemon.publish(TX, text.encode()))
        await daemon.subscribe(TX, member.hear)
        for address in addresses:
            await daemon.connect(address)
        yield member
    finally:
        await daemon.stop()


async def until(condition: Callable[[], bool], what: Callable[[], str], again: Callable[[], Awaitable[None]]) -> None:
    """Do `again` until something is so."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await again()
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(what()) from None


async def all_hear_all(members: Sequence[Member]) -> None:
    """Greet until the mesh stands; then count what everybody says."""

    def strangers() -> list[str]:
        """Who has not heard of whom."""
        met = {member.name: {text.split()[0] for text in member.heard} for member in members}
        return [f"{m.name} of {o.name}" for m in members for o in members if m is not o and o.name not in met[m.name]]

    async def greet() -> None:
        for member in members:
            await member.say(f"{member.name} hello")

    await until(lambda: not strangers(), lambda: f"not heard: {strangers()}", greet)

    async def speak(member: Member) -> None:
        for index in range(MESSAGES_EACH):
            await member.say(f"{member.name} {index}")
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(speak(member) for member in members))

    def missing() -> list[str]:
        return [
            f"{member.name} misses {other.name} {index}"
            for member in members
            for other in members
            if other is not member
            for index in range(MESSAGES_EACH)
            if f"{other.name} {index}" not in member.heard
        ]

    await until(
        lambda: not missing(), lambda: f"{len(missing())} not delivered: {missing()[:5]}", lambda: asyncio.sleep(0)
    )
    for member in members:
        counted = [text for text in member.heard if not text.endswith(" hello")]
        assert len(counted) == (len(members) - 1) * MESSAGES_EACH, f"{member.name} heard something twice"


@pytest.mark.parametrize(
    "fast_path", [pytest.param(True, id="fast"), pytest.param(False, id="stock", marks=pytest.mark.long)]
)
def test_one_mesh_with_javascript_and_go_delivers_everything(
    fast_path: bool, npm_packages: Path, tmp_path: Path
) -> None:
    version = subprocess.run([tool("node"), "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < NODE_MAJOR_MIN:
        pytest.skip(f"js-libp2p 3.3 needs Node.js {NODE_MAJOR_MIN}, and this is {version.strip()}")
    program = fetch_program()
    if isinstance(program, str):
        pytest.skip(program)

    async def life() -> None:
        one, two = (TestNode(tmp_path, index, fast_path=fast_path) for index in (1, 2))
        mine = [ours("one", one), ours("two", two)]
        await start(one, two)
        two.network.dial(one.network.addresses[0])
        addresses = [one.network.addresses[0], two.network.addresses[0]]
        try:
            async with javascript(addresses) as (script, at), golang(program, tmp_path, [*addresses, at]) as daemon:
                await all_hear_all([*mine, script, daemon])
                for node in (one, two):
                    assert node.count("zg_p2p_host_restarts_total") == 0
                    assert [peer.score for peer in node.network.peers()] == [100] * 3
        finally:
            await stop(one, two)

    asyncio.run(life())
