"""A network on one machine: its chain file and the data directories of its nodes.

<datadir>/genesis.toml           the development network's, with these validators, holders, shards and epochs
<datadir>/node-0 … node-(n-1)    data directories as `zg-node init` makes them, each with the password of its key:
                                 the validators, then those that only hold data

The chain file comes last, by one rename; as long as only its draft is there the network is unfinished, and the next
start makes it anew.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

from zg_node.cli import home as homes
from zg_node.cli.init import GENESIS
from zg_node.config import Settings, load, override
from zg_node.db.durable import DRAFT, make_directory, sync_directory, write_file
from zg_node.errors import InvalidConfig
from zg_node.execution.genesis import load as load_chain
from zg_node.execution.genesis import packaged
from zg_node.identity import node_seed, peer_id
from zg_node.keys import Keystore, address_of, bls_pubkey, checksum

HOST = "127.0.0.1"
"""Where its nodes listen."""
SCRYPT_N = 1 << 12
"""Cheap: the passwords are random and lie beside the keys."""
STAKE = 1_000
BALANCE_WEI = 10_000 * 10**18
"""Of each node's key: what blobs, reporting evidence, unjailing and answers to challenges are paid from."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a network is, and how long its epochs are."""

    validators: int = 4
    """They hold data as well."""
    shards: int = 2
    holders: int = 0
    """Nodes that hold data and follow the chain, without a vote."""
    epoch_blocks: int = 1000

    @property
    def nodes(self) -> int:
        return self.validators + self.holders

    def __str__(self) -> str:
        return (
            f"{self.validators} validators, {self.holders} more holders and {self.shards} shards, with epochs of "
            f"{self.epoch_blocks} blocks"
        )


@dataclass(frozen=True, slots=True)
class Ports:
    """First ports; node i takes the i-th after each."""

    http: int = 8545
    metrics: int = 9545
    p2p: int = 26656

    def of(self, node: int) -> tuple[int, int, int]:
        """JSON-RPC, metrics, p2p of the `node`th."""
        return self.http + node, self.metrics + node, self.p2p + node

    def check(self, nodes: int) -> None:
        """Raise InvalidConfig when `nodes` nodes would share some of them."""
        first = sorted((getattr(self, field.name), field.name) for field in fields(self))
        for (low, name), (high, other) in pairwise(first):
            if high < low + nodes:
                raise InvalidConfig(
                    f"--{name}-port {low} and --{other}-port {high} overlap: {nodes} nodes take as many ports from each"
                )


@dataclass(frozen=True, slots=True)
class Member:
    """One node of the network."""

    home: Path
    rpc: str
    address: str
    """Where others reach it: multiaddress with /p2p/<peer id>."""
    ports: tuple[int, int, int]
    """JSON-RPC, metrics, p2p: on HOST."""


def found(datadir: Path) -> tuple[Size, Ports] | None:
    """The network that `datadir` holds, and where its first node listens. Raises InvalidConfig."""
    if not (datadir / GENESIS).exists():
        return None
    file = load_chain(datadir / GENESIS).file
    size = Size(len(file.validators), file.shards, len(file.da.holders), file.staking.epoch_blocks)
    return size, Ports(*_member(datadir / "node-0").ports)


def begin(datadir: Path, size: Size, ports: Ports) -> tuple[Member, ...]:
    """Make the network in `datadir`, or take up the one that is there with the ports it has.

    Raises InvalidConfig when `datadir` holds a network of another size or an incomplete one, or somebody's files."""
    nodes = [datadir / f"node-{index}" for index in range(size.nodes)]
    if here := found(datadir):
        if here[0] != size:
            raise InvalidConfig(f"{datadir} holds a network of {here[0]}: ask for these, or choose another directory")
        return tuple(map(_member, nodes))
    _clear(datadir)
    with ExitStack() as stack:  # held, so that another start does not take them for the rest of an interrupted one
        keys = [_begin_node(home, stack) for home in nodes]
        chain = _chain_file(keys, size)
        for home, key in zip(nodes, keys, strict=True):
            settings = override(
                Settings(),
                {
                    "node.name": home.name,
                    "network.genesis": GENESIS,
                    "network.shards": size.shards,
                    "consensus.validator": checksum(address_of(key)),
                    "p2p.enabled": True,
                    "p2p.dht": False,
                },
            )
            write_file(home / GENESIS, chain.encode())
            homes.keep_settings(home, settings)
        members = _place(nodes, ports)
        write_file(datadir / GENESIS, chain.encode())
    return members


def _clear(datadir: Path) -> None:
    """Make `datadir` a directory for a new network, without what an interrupted start left there; its nodes have never
    run. Raises InvalidConfig when it holds somebody's files, or another process is making a network there."""
    make_directory(datadir, mode=0o700)
    unfinished = datadir / (GENESIS + DRAFT)
    if not unfinished.exists() and any(datadir.iterdir()):
        raise InvalidConfig(f"{datadir} is not empty and holds no network; choose another directory")
    unfinished.touch()
    sync_directory(datadir)
    for home in datadir.glob("node-*"):
        if homes.is_home(home):
            homes.wipe(home, "node")


def move(members: Sequence[Member], ports: Ports) -> tuple[Member, ...]:
    """Give the nodes of a network that does not run other ports. Raises InvalidConfig when one of them runs."""
    nodes = [member.home for member in members]
    with ExitStack() as stack:
        for home in nodes:
            stack.enter_context(homes.held(home))
        return _place(nodes, ports)


def _place(nodes: Sequence[Path], ports: Ports) -> tuple[Member, ...]:
    """Write into every node's configuration where it listens, and where the others do."""
    listens = [f"/ip4/{HOST}/tcp/{ports.of(index)[2]}" for index in range(len(nodes))]
    addresses = [f"{listen}/p2p/{peer_id(node_seed(home))}" for listen, home in zip(listens, nodes, strict=True)]
    for index, home in enumerate(nodes):
        rpc, metrics, _ = ports.of(index)
        place = {
            "rpc.port": rpc,
            "metrics.port": metrics,
            "p2p.listen": listens[index],
            "p2p.bootstrap": tuple(other for other in addresses if other != addresses[index]),
        }
        homes.keep_settings(home, override(load(home / homes.CONFIG), place))
    return tuple(map(_member, nodes))


def _begin_node(home: Path, stack: ExitStack) -> bytes:
    """A data directory with a key and its password, held until `stack` closes; returns the key, 32 bytes."""
    homes.begin(home, "node")
    stack.enter_context(homes.held(home))
    password = secrets.token_hex(24)
    write_file(home / homes.PASSWORD, password.encode(), mode=0o600)
    key = secrets.token_bytes(32)
    Keystore(home / homes.KEYS, SCRYPT_N).add(key, password)
    return key


def _chain_file(keys: list[bytes], size: Size) -> str:
    """The development network's chain file with the nodes of these keys, the validators first."""
    text = packaged("devnet")
    head, _, _ = text.partition("[[validators]]")
    head = re.sub(r"^fork = ", f"shards = {size.shards}\nfork = ", head, count=1, flags=re.MULTILINE)
    head = re.sub(r"^epoch_blocks = .*", f"epoch_blocks = {size.epoch_blocks}", head, count=1, flags=re.MULTILINE)
    head = head[: head.rindex("\n#")] + "\n" if head.rstrip().rpartition("\n")[2].startswith("#") else head
    accounts, roles = "", ""
    for index, key in enumerate(keys):
        address = checksum(address_of(key))
        accounts += f'\n[[accounts]]\naddress = "{address}"\nbalance_wei = "{BALANCE_WEI}"\n'
        if index < size.validators:
            pubkey = bls_pubkey(key).hex()
            roles += f'\n[[validators]]\naddress = "{address}"\nstake = {STAKE}\npubkey48 = "0x{pubkey}"\n'
        else:
            roles += f'\n[[da.holders]]\nsigner = "{address}"\nstake = {STAKE}\n'
    return head + accounts + roles


def _member(home: Path) -> Member:
    """A node of the network as its directory says. Raises InvalidConfig when that is missing or not complete."""
    for part in (home, home / homes.MARKER, home / homes.CONFIG, home / GENESIS, home / homes.KEYS):
        if not part.exists():
            raise InvalidConfig(
                f"{part} of the network in {home.parent} is missing: bring it back from a copy, or choose another "
                "directory for a new network"
            )
    settings = load(home / homes.CONFIG)
    rpc = f"http://{settings.rpc.host}:{settings.rpc.port}"
    ports = (settings.rpc.port, settings.metrics.port, int(settings.p2p.listen.rpartition("/")[2]))
    return Member(home, rpc, f"{settings.p2p.listen}/p2p/{peer_id(node_seed(home))}", ports)
