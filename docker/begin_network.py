"""The data directories of network.yaml's validators: `python3 begin_network.py DIRECTORY`.

They are those of `zg-node testnet`, made once, with what differs between containers: every node listens on its
container's address, on the same ports, and finds the others by their service names.
"""

from __future__ import annotations

import sys
from pathlib import Path

from zg_node.cli.home import CONFIG, keep_settings
from zg_node.cli.testnet_homes import Ports, Size, begin
from zg_node.config import load, override
from zg_node.identity import node_seed, peer_id

VALIDATORS = 4
SHARDS = 2
RPC, METRICS, P2P = 8545, 9545, 26656


def service(index: int) -> str:
    """The name of a validator's service, by which the others reach it."""
    return f"validator-{index}"


def begin_network(directory: Path) -> None:
    """Make the network in `directory`, or take up the one that is there. Raises InvalidConfig."""
    homes = [member.home for member in begin(directory, Size(VALIDATORS, SHARDS), Ports(RPC, METRICS, P2P))]
    peers = [f"/dns4/{service(i)}/tcp/{P2P}/p2p/{peer_id(node_seed(home))}" for i, home in enumerate(homes)]
    for index, home in enumerate(homes):
        differences = {
            "node.log_level": "warning",
            "node.log_format": "json",
            "rpc.host": "0.0.0.0",  # noqa: S104 - only published ports reach it
            "rpc.port": RPC,
            "rpc.allowed_hosts": ("localhost", service(index)),
            "metrics.host": "0.0.0.0",  # noqa: S104
            "metrics.port": METRICS,
            "p2p.listen": f"/ip4/0.0.0.0/tcp/{P2P}",
            "p2p.bootstrap": tuple(peer for peer in peers if peer != peers[index]),
        }
        keep_settings(home, override(load(home / CONFIG), differences))


if __name__ == "__main__":
    begin_network(Path(sys.argv[1]))
