"""Four validators and two shards, each node in its namespace: started, stopped, cut off, asked."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from tests.devnet import PROGRAM
from tests.faults.network.namespaces import Namespaces
from tests.jsonrpc import Client
from tests.running_node import RunningNode
from zg_node.cli import home as homes
from zg_node.cli.init import GENESIS
from zg_node.cli.testnet_homes import Ports, Size, begin
from zg_node.config import load, override

VALIDATORS = 4
SHARDS = 2
PORTS = Ports(http=8545, metrics=9545, p2p=26656)
CALL_TIMEOUT_S = 5.0
EPOCH_BLOCKS = 400
"""Few, so that epochs end while things fail; enough that nobody is away for half of one and goes to jail."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is."""

    home: Path
    address: str
    """Where others reach it: multiaddress with /p2p/<peer id>."""
    voter: bytes
    """20 bytes."""


class Cluster:
    """The nodes of a network; `close` ends them all."""

    def __init__(
        self,
        directory: Path,
        namespaces: Namespaces,
        *,
        shards: int = SHARDS,
        homes_of: Mapping[int, Path] | None = None,
        epoch_blocks: int = EPOCH_BLOCKS,
    ) -> None:
        """Make the homes in `directory`; `homes_of` puts some of them elsewhere."""
        self.directory = directory
        self.shards = shards
        self.namespaces = namespaces
        self.places: list[Place] = []
        self.nodes: list[RunningNode] = []
        self.extra: list[RunningNode] = []
        """Nodes that joined; they are in namespaces of their own."""
        members = begin(directory / "network", Size(VALIDATORS, shards), PORTS)
        _set_epoch(self.genesis, epoch_blocks)
        addresses = [self._moved(node, member.address) for node, member in enumerate(members)]
        for node, member in enumerate(members):
            home = (homes_of or {}).get(node, member.home)
            if home != member.home:
                shutil.move(member.home, home)
            self._settle(node, home, addresses)
            self.nodes.append(RunningNode(home, directory / f"log-{node}", prefix=namespaces.prefix(node)))

    @property
    def genesis(self) -> Path:
        """The chain file."""
        return self.directory / "network" / GENESIS

    @property
    def running(self) -> list[int]:
        """The validators that run, by number."""
        return [index for index, node in enumerate(self.nodes) if node.running()]

    def start(self, nodes: Collection[int] = range(VALIDATORS)) -> None:
        """Start these nodes together and wait until all are ready. Raises NotReady."""
        for index in nodes:
            self.nodes[index].launch()
        for index in nodes:
            self.nodes[index].await_ready()

    def client(self, node: int, shard: int = 0) -> Client:
        """A new connection to a shard of a validator."""
        return Client(f"{self.url(node)}/shard/{shard}", CALL_TIMEOUT_S)

    def url(self, node: int) -> str:
        """The JSON-RPC of a validator, whether it runs or not."""
        return f"http://{self.namespaces.address(node)}:{PORTS.http + node}"

    def split(self, *groups: Collection[int]) -> None:
        """Cut the network into these groups."""
        side = {node: number for number, group in enumerate(groups) for node in group}
        self.namespaces.drop((a, b) for a, b in permutations(side, 2) if side[a] != side[b])

    def isolate(self, node: int) -> None:
        """Cut one node off from all others."""
        self.split([node], [other for other in range(VALIDATORS) if other != node])

    def deafen(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Lose what the first of each pair says to the second."""
        self.namespaces.drop(pairs)

    def heal(self) -> None:
        """Mend every link."""
        self.namespaces.heal()

    def join(self, name: str, number: int) -> RunningNode:
        """A full node in a namespace beyond the validators': made, and ready once it serves."""
        home, host = self.directory / name, self.namespaces.address(number)
        made = (
            "init",
            name,
            "--home",
            str(home),
            "--genesis",
            str(self.genesis),
            "--bootstrap",
            self.places[0].address,
        )
        subprocess.run([*PROGRAM, *made], check=True, capture_output=True)
        wanted = {"rpc.host": host, "metrics.host": host, "p2p.listen": f"/ip4/{host}/tcp/{PORTS.p2p}"}
        homes.keep_settings(home, override(load(home / homes.CONFIG), wanted))
        node = RunningNode(home, self.directory / f"log-{name}", prefix=self.namespaces.prefix(number))
        self.extra.append(node)
        node.start()
        return node

    def close(self) -> None:
        """End every node and mend every link."""
        self.heal()
        for node in (*self.nodes, *self.extra):
            node.close()

    def said(self) -> str:
        """The last words of every node, for a failure's report."""
        return "\n".join(f"── node {i}\n{node.said[-2_000:]}" for i, node in enumerate(self.nodes))

    def _moved(self, node: int, address: str) -> str:
        """A node's address in its namespace."""
        return address.replace("/ip4/127.0.0.1/", f"/ip4/{self.namespaces.address(node)}/")

    def _settle(self, node: int, home: Path, addresses: Sequence[str]) -> None:
        """Write a node's configuration: it listens in its namespace, and knows where the others are."""
        shutil.copy(self.genesis, home / GENESIS)
        settings = load(home / homes.CONFIG)
        host = self.namespaces.address(node)
        wanted: dict[str, object] = {
            "rpc.host": host,
            "metrics.host": host,
            "p2p.listen": addresses[node].partition("/p2p/")[0],
            "p2p.bootstrap": tuple(other for other in addresses if other != addresses[node]),
        }
        homes.keep_settings(home, override(settings, wanted))
        self.places.append(Place(home, addresses[node], bytes.fromhex(settings.consensus.validator[2:])))


def _set_epoch(genesis: Path, blocks: int) -> None:
    text, found = re.subn(r"^epoch_blocks = \S+", f"epoch_blocks = {blocks}", genesis.read_text(), flags=re.MULTILINE)
    assert found == 1, "the chain file says how long an epoch is"
    genesis.write_text(text)
