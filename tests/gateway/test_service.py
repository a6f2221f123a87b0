"""Which gateways listen, and what stops them."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.gateway.lone import Lone, run
from tests.gateway.web import ask
from zg_node.config import GatewaySettings, Settings, override
from zg_node.errors import InvalidConfig
from zg_node.node import Node


def test_none_listens_unless_it_is_asked_for(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        gateways = lone.gateways()
        await gateways.start()
        assert gateways.ports == {}
        await gateways.close()

    run(tmp_path, test)
    assert not GatewaySettings().any


def test_all_of_them_listen_and_let_their_ports_go(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        gateways = lone.gateways(disperser=True, altda=True, celestia=True)
        await gateways.start()
        assert set(gateways.ports) == {"disperser", "altda", "celestia"}
        await gateways.close()
        await gateways.close()
        for port in gateways.ports.values():
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)

    run(tmp_path, test)


def test_a_name_is_let_in_when_the_operator_says_so(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        gateways = lone.gateways(altda=True, allowed_hosts=("node.example",))
        await gateways.start()
        for host, status in (("node.example:3100", 200), ("other.example", 403)):
            assert (await ask(gateways.ports["altda"], "GET", "/health", headers={"host": host}))[0] == status
        await gateways.close()

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("name", "choice"),
    [("disperser", r"gateway\.disperser_port"), ("altda", "port or address"), ("celestia", "port or address")],
)
def test_a_port_that_is_taken_is_the_operators_to_change(tmp_path: Path, name: str, choice: str) -> None:
    async def test(lone: Lone) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            gateways = lone.gateways(**{name: True, f"{name}_port": port})
            with pytest.raises(InvalidConfig, match=f"cannot listen on 127.0.0.1:{port}: .*choose another {choice}"):
                await gateways.start()
            await gateways.close()

    run(tmp_path, test)


def test_without_data_availability_a_node_with_gateways_does_not_start(tmp_path: Path) -> None:
    changes = {"da.enabled": False, "gateway.altda": True, "rpc.port": 0, "metrics.port": 0}
    node = Node(override(Settings(), changes), tmp_path)
    with pytest.raises(InvalidConfig, match=r"da\.enabled"):
        asyncio.run(node.start())
