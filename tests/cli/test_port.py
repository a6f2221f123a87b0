"""A port that cannot be had is known before anything is begun, and why."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.devnet import PROGRAM
from zg_node.cli.port import refusal
from zg_node.execution.genesis import packaged

Run = Callable[..., Result]


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_is_refused_while_somebody_listens_there(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        assert refusal(host, port) == "Address already in use"
    assert refusal(host, port) is None


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("203.0.113.7", 26656, "Cannot assign requested address"),
        ("127.0.0.1", 65536, "port must be 0-65535"),
        ("1.2.3", 26656, "does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_an_address_where_nobody_could_listen_is_refused(host: str, port: int, reason: str) -> None:
    assert reason in (refusal(host, port) or "")


def test_a_node_whose_p2p_port_is_taken_says_which_setting_to_mend(zg: Run, tmp_path: Path) -> None:
    home, chain = tmp_path / "home", tmp_path / "chain.toml"
    chain.write_text(packaged("devnet"))
    assert json.loads(zg("init", "alpha", "--home", home, "--genesis", chain, "--json").stdout)["home"] == str(home)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [*PROGRAM, "start", "--home", str(home), "--p2p-listen", f"/ip4/127.0.0.1/tcp/{port}"]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"Error: cannot listen on port {port} of p2p.listen = '/ip4/127.0.0.1/tcp/{port}': Address already in use; "
        "choose another port or address\n"
    )
