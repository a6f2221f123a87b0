"""The compose files say what this version's commands and data directories understand."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]

from zg_node.cli.app import app
from zg_node.cli.home import CONFIG, kind_of
from zg_node.config import Settings, load

DOCKER = Path(__file__).parent.parent / "docker"
COMPOSE = ["compose.yaml", "network.yaml"]
DOCKERFILE_COMMAND = ["devnet", "--datadir", "/data/devnet", "--config", "/etc/zg-node/config.toml"]


def services(name: str) -> dict[str, dict[str, Any]]:
    found = yaml.safe_load((DOCKER / name).read_text())["services"]
    assert isinstance(found, dict)
    return found


def parsed(arguments: list[str]) -> dict[str, Any]:
    """The options of a zg-node command line; one that it does not understand fails the test."""
    name, command, rest = app.resolve_command(click.Context(app), list(arguments))
    assert command is not None
    return command.make_context(name, rest).params


def published(service: dict[str, Any]) -> dict[int, int]:
    """Port in the container → port of the host."""
    found = {}
    for line in service["ports"]:
        host, outside, inside = line.split(":")
        assert host == "127.0.0.1", "development keys are public: nobody else may reach them"
        found[int(inside)] = int(outside)
    return found


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Settings]:
    """What the network's validators run with, by service."""
    directory = tmp_path_factory.mktemp("docker") / "network"
    begin_network = runpy.run_path(str(DOCKER / "begin_network.py"))["begin_network"]
    begin_network(directory)
    before = {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
    begin_network(directory)
    after = {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
    assert after == before, "a second start takes up what is there"
    found = {}
    for name, service in services("network.yaml").items():
        if name != "begin":
            home = directory / parsed(service["command"])["home"].relative_to("/data/network")
            assert kind_of(home) == "node"
            found[name] = load(home / CONFIG)
    return found


@pytest.mark.parametrize("name", COMPOSE)
def test_every_command_is_one_that_the_node_understands(name: str) -> None:
    for service in services(name).values():
        if "entrypoint" not in service:
            parsed(service.get("command", DOCKERFILE_COMMAND))


def test_the_images_own_command_is_the_one_checked_here() -> None:
    last = (DOCKER / "Dockerfile").read_text().rstrip().splitlines()[-1]
    assert last == "CMD [" + ", ".join(f'"{word}"' for word in DOCKERFILE_COMMAND) + "]"


@pytest.mark.parametrize("name", COMPOSE)
def test_every_service_runs_with_as_little_as_it_needs(name: str) -> None:
    for service in services(name).values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_networks_nodes_are_different_validators_of_one_chain_file(network: dict[str, Settings]) -> None:
    assert len(network) == 4
    assert len({settings.consensus.validator for settings in network.values()} - {""}) == 4
    assert {settings.network.shards for settings in network.values()} == {2}


def test_the_networks_nodes_bootstrap_to_one_another(network: dict[str, Settings]) -> None:
    for name, settings in network.items():
        hosts = [address.split("/")[2] for address in settings.p2p.bootstrap]
        assert sorted([*hosts, name]) == sorted(network)
        port = settings.p2p.listen.rpartition("/")[2]
        assert all(address.split("/")[4] == port for address in settings.p2p.bootstrap), "all listen on the same"
    peers = {address.rpartition("/")[2] for settings in network.values() for address in settings.p2p.bootstrap}
    assert len(peers) == 4


def test_what_the_networks_nodes_listen_on_is_published_once(network: dict[str, Settings]) -> None:
    outside: list[int] = []
    for name, service in services("network.yaml").items():
        if name != "begin":
            settings, ports = network[name], published(service)
            assert set(ports) == {
                settings.rpc.port, settings.metrics.port, int(settings.p2p.listen.rpartition("/")[2]),
            }  # fmt: skip
            assert {settings.rpc.host, settings.metrics.host, settings.p2p.listen.split("/")[2]} == {"0.0.0.0"}
            assert set(settings.rpc.allowed_hosts) == {"localhost", name}
            outside += ports.values()
    assert len(set(outside)) == len(outside) == 12


def test_the_directory_of_the_begin_service_is_where_the_others_look() -> None:
    found = services("network.yaml")
    (directory,) = found["begin"]["command"]
    for name, service in found.items():
        assert "network:/data" in service["volumes"]
        if name != "begin":
            assert parsed(service["command"])["home"].parent == Path(directory)
            assert service["depends_on"] == {"begin": {"condition": "service_completed_successfully"}}
