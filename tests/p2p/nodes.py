"""Real nodes of a network: each a `P2pNetwork` with its host in a process of its own, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from zg_node.p2p.client import P2pNetwork
from zg_node.p2p.network import Peer
from zg_node.p2p.settings import P2pSettings
from zg_node.p2p.topics import topic

NETWORK = "0123456789abcdef"
TX = topic(NETWORK, 0, "tx")
ECHO = "/zg/echo/1"
PATIENCE_S = 20.0


class TestNode:
    """A node that remembers what happened to it."""

    __test__ = False

    def __init__(
        self,
        home: Path,
        number: int,
        *,
        fast_path: bool = True,
        bootstrap: Sequence[str] = (),
        listen: str = "/ip4/127.0.0.1/tcp/0",
        mdns: bool = False,
        dht: bool = False,
        network: str = NETWORK,
    ) -> None:
        settings = P2pSettings(
            listen=listen,
            bootstrap=tuple(bootstrap),
            identity=bytes([number]) * 32,
            home=home / f"node-{number}",
            network=network,
            shards=1,
            fast_path=fast_path,
            mdns=mdns,
            dht=dht,
        )
        self.registry = CollectorRegistry()
        self.network = P2pNetwork(settings, self.registry)
        self.direct: list[tuple[str, bytes]] = []
        self.gossip: list[tuple[str, bytes]] = []
        self.comings: list[tuple[Peer, bool]] = []
        self._changed = asyncio.Event()
        self.network.on_direct(lambda peer, message: self._note(self.direct, (peer, message)))
        self.on_gossip: Callable[[str, bytes], None] = lambda peer, message: None
        """Hears gossip as it comes, too."""
        self.network.subscribe(topic(network, 0, "tx"), self._take_gossip)
        self.network.on_peer(lambda peer, connected: self._note(self.comings, (peer, connected)))

    @property
    def id(self) -> str:
        """Peer id."""
        return self.network.peer_id

    def count(self, name: str) -> float:
        """A metric's value."""
        return self.registry.get_sample_value(name) or 0.0

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something that this node sees is so."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    self._changed.clear()
                    try:
                        async with asyncio.timeout(0.2):
                            await self._changed.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            raise AssertionError(f"waited {PATIENCE_S} s until {what}") from None

    async def until_connected(self, *others: TestNode) -> None:
        """Wait for peers."""
        wanted = {other.id for other in others}
        await self.until(lambda: wanted <= {peer.id for peer in self.network.peers()}, "the peers are there")

    async def until_left(self) -> None:
        """Wait for a peer to go."""
        await self.until(lambda: any(not connected for _, connected in self.comings), "a peer goes")

    def _take_gossip(self, peer: str, message: bytes) -> None:
        self._note(self.gossip, (peer, message))
        self.on_gossip(peer, message)

    def _note(self, where: list[tuple[str, bytes]] | list[tuple[Peer, bool]], what: object) -> None:
        where.append(what)  # type: ignore[arg-type]
        self._changed.set()


async def start(*nodes: TestNode) -> None:
    """Start nodes at the same time."""
    await asyncio.gather(*(node.network.start() for node in nodes))


async def stop(*nodes: TestNode) -> None:
    """Stop nodes at the same time."""
    await asyncio.gather(*(node.network.stop() for node in nodes))


async def start_pair(home: Path, *, fast_path: bool) -> tuple[TestNode, TestNode]:
    """Two nodes that are connected."""
    one, two = TestNode(home, 1, fast_path=fast_path), TestNode(home, 2, fast_path=fast_path)
    for node in (one, two):

        async def echo(peer: str, message: bytes) -> bytes:
            return message

        node.network.serve(ECHO, echo)
    await start(one, two)
    two.network.dial(one.network.addresses[0])
    await one.until_connected(two)
    await two.until_connected(one)
    return one, two
