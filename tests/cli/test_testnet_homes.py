"""The directories of a network on one machine: made once, found again, moved to other ports."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.running_node import free_ports
from zg_node.cli import home as homes
from zg_node.cli import testnet_homes
from zg_node.cli.init import GENESIS
from zg_node.cli.testnet import prepare
from zg_node.cli.testnet_homes import Ports, Size, begin, found, move
from zg_node.config import load
from zg_node.errors import InvalidConfig
from zg_node.execution import genesis

SIZE = Size(validators=2, shards=1, holders=1, epoch_blocks=7)
PORTS = Ports(20_000, 20_010, 20_020)


def test_a_network_is_found_as_it_was_made(tmp_path: Path) -> None:
    assert found(tmp_path / "network") is None
    made = begin(tmp_path / "network", SIZE, PORTS)
    assert found(tmp_path / "network") == (SIZE, PORTS)
    assert begin(tmp_path / "network", SIZE, Ports()) == made, "it keeps the ports that it has"
    assert [member.ports for member in made] == [PORTS.of(index) for index in range(3)]
    assert genesis.load(tmp_path / "network" / GENESIS).epoch_blocks == 7


def test_another_size_is_refused(tmp_path: Path) -> None:
    begin(tmp_path / "network", SIZE, PORTS)
    with pytest.raises(
        InvalidConfig, match="holds a network of 2 validators, 1 more holders and 1 shards, with epochs"
    ):
        begin(tmp_path / "network", replace(SIZE, epoch_blocks=8), PORTS)


def test_somebodys_directory_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    homes.begin(tmp_path / "node-0", "node")
    with pytest.raises(InvalidConfig, match="is not empty and holds no network"):
        begin(tmp_path, SIZE, PORTS)
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "node-0"}


@pytest.mark.parametrize(("step", "after"), [("_begin_node", 0), ("_begin_node", 1), ("_chain_file", 0), ("_place", 0)])
def test_an_interrupted_beginning_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: int
) -> None:
    datadir = tmp_path / "network"
    with monkeypatch.context() as patch:
        patch.setattr(testnet_homes, step, interrupted(getattr(testnet_homes, step), after))
        with pytest.raises(KeyboardInterrupt):
            begin(datadir, SIZE, PORTS)
    assert found(datadir) is None
    (datadir / "mine").mkdir()
    made = begin(datadir, replace(SIZE, holders=0), PORTS)
    assert found(datadir) == (replace(SIZE, holders=0), PORTS)
    assert {path.name for path in datadir.iterdir()} == {GENESIS, "mine", *(member.home.name for member in made)}


def interrupted(work: Callable[..., object], after: int) -> Callable[..., object]:
    """`work`, until it was done `after` times: then an interrupt."""
    turns = iter(range(after))

    def step(*arguments: Any) -> object:
        if next(turns, None) is None:
            raise KeyboardInterrupt
        return work(*arguments)

    return step


def test_a_network_that_another_process_makes_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*arguments: Any) -> object:
        monkeypatch.undo()
        with pytest.raises(InvalidConfig, match="another zg-node is using"):
            begin(tmp_path / "network", SIZE, PORTS)
        return place(*arguments)

    place = testnet_homes._place
    monkeypatch.setattr(testnet_homes, "_place", meanwhile)
    begin(tmp_path / "network", SIZE, PORTS)
    assert found(tmp_path / "network") == (SIZE, PORTS)


@pytest.mark.parametrize("part", ["node-0", "node-2", "node-2/config.toml", "node-2/zg-node.home", "node-2/keys"])
def test_a_missing_node_is_named(tmp_path: Path, part: str) -> None:
    begin(tmp_path / "network", SIZE, PORTS)
    lost = tmp_path / "network" / part
    lost.rename(tmp_path / "lost")
    with pytest.raises(InvalidConfig, match=f"^{lost} of the network in .* is missing: bring it back from a copy"):
        prepare(tmp_path / "network", {}, {})
    assert not lost.exists()


def test_a_move_changes_where_nodes_listen_and_find_one_another_and_nothing_else(tmp_path: Path) -> None:
    begin(tmp_path / "network", SIZE, PORTS)
    node = tmp_path / "network" / "node-1"
    before = load(node / homes.CONFIG)
    moved = move(begin(tmp_path / "network", SIZE, PORTS), Ports(20_100, 20_110, 20_120))
    assert found(tmp_path / "network") == (SIZE, Ports(20_100, 20_110, 20_120))
    after = load(node / homes.CONFIG)
    assert (after.rpc.port, after.metrics.port, after.p2p.listen) == (20_101, 20_111, "/ip4/127.0.0.1/tcp/20121")
    assert after.p2p.bootstrap == (moved[0].address, moved[2].address)
    assert "/tcp/20122/p2p/" in moved[2].address
    placed = {"port", "listen", "bootstrap"}
    for section in type(before).model_fields:
        kept = getattr(before, section).model_dump(exclude=placed)
        assert getattr(after, section).model_dump(exclude=placed) == kept


def test_a_network_with_a_running_node_is_not_moved(tmp_path: Path) -> None:
    members = begin(tmp_path / "network", SIZE, PORTS)
    with homes.held(members[2].home), pytest.raises(InvalidConfig, match="another zg-node is using"):
        move(members, Ports(20_100, 20_110, 20_120))
    assert found(tmp_path / "network") == (SIZE, PORTS)


@pytest.mark.parametrize(
    ("ports", "named"),
    [
        (Ports(8545, 8547, 26_656), "--http-port 8545 and --metrics-port 8547"),
        (Ports(8545, 9545, 9543), "--p2p-port 9543 and --metrics-port 9545"),
        (Ports(8545, 9545, 8545), "--http-port 8545 and --p2p-port 8545"),
    ],
)
def test_ports_that_two_nodes_would_share_are_named(ports: Ports, named: str) -> None:
    with pytest.raises(InvalidConfig, match=f"{named} overlap: 3 nodes"):
        ports.check(3)


def test_neighbouring_ports_are_enough() -> None:
    Ports(8545, 8548, 8551).check(3)


# ── what the command's options make of a directory ──────────────────────────────────────────────────────────────────


def some_ports(nodes: int) -> dict[str, int | None]:
    first = free_ports(3 * nodes)
    return {"http": first, "metrics": first + nodes, "p2p": first + 2 * nodes}


def test_what_is_not_asked_for_stays_as_it_is(tmp_path: Path) -> None:
    ports = some_ports(1)
    made = prepare(tmp_path / "network", {"validators": 1, "epoch_blocks": 9}, ports)
    assert made[0] == Size(validators=1, epoch_blocks=9)
    assert prepare(tmp_path / "network", {"validators": None}, {"http": None}) == made
    assert prepare(tmp_path / "network", {"validators": 1}, ports) == made


def test_other_ports_are_taken_and_kept(tmp_path: Path) -> None:
    ports = some_ports(2)
    http = ports["http"]
    assert http is not None
    prepare(tmp_path / "network", {"validators": 1}, ports)
    _, (member,) = prepare(tmp_path / "network", {}, {"http": http + 1})
    assert member.ports == (http + 1, ports["metrics"], ports["p2p"])
    assert prepare(tmp_path / "network", {}, {})[1] == (member,)


def test_a_port_in_use_leaves_nothing_behind(tmp_path: Path) -> None:
    ports = some_ports(1)
    with socket.create_server(("127.0.0.1", ports["p2p"] or 0)):
        with pytest.raises(InvalidConfig, match=f"port {ports['p2p']}, which node-0 needs, cannot be used"):
            prepare(tmp_path / "network", {"validators": 1}, ports)
        assert not (tmp_path / "network").exists()
    with pytest.raises(InvalidConfig, match="overlap"):
        prepare(tmp_path / "network", {"validators": 2}, {**ports, "p2p": ports["http"]})
    assert not (tmp_path / "network").exists()
