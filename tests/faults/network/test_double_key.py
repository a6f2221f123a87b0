"""One voting key in two nodes: the network finds out, slashes it once and for all, and goes on."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.faults.network.cluster import PORTS, VALIDATORS
from tests.faults.network.conftest import Network, Stage
from tests.faults.network.settled import FINALITY_S, await_finality, is_slashed, jailed
from tests.running_node import RunningNode
from tests.testnet import eventually
from zg_node.cli import home as homes
from zg_node.config import load, override
from zg_node.p2p.score import PROTECTED_BAN_S

pytestmark = pytest.mark.long

DOUBLED = 3
SETTLED_S = PROTECTED_BAN_S + FINALITY_S
"""The others want nothing of a node that contradicts itself for a while; then it catches up."""
SLASHED_S = 90.0


@pytest.fixture
def own(stage: Stage, tmp_path: Path) -> Network:
    """A network that no other test goes on with."""
    network = stage.fresh(tmp_path, {})
    network.sound = False
    return network


def twin_of(network: Network, number: int, *, same_identity: bool) -> RunningNode:
    """A copy of a stopped validator's home at another address, with its libp2p identity or one of its own."""
    cluster = network.cluster
    home, host = cluster.directory / "twin", cluster.namespaces.address(number)
    shutil.copytree(cluster.places[DOUBLED].home, home)
    if not same_identity:
        shutil.rmtree(home / "node")
    wanted = {"rpc.host": host, "metrics.host": host, "p2p.listen": f"/ip4/{host}/tcp/{PORTS.p2p}"}
    homes.keep_settings(home, override(load(home / homes.CONFIG), wanted))
    twin = RunningNode(home, cluster.directory / "log-twin", prefix=cluster.namespaces.prefix(number))
    cluster.extra.append(twin)
    return twin


def test_a_key_that_runs_twice_is_slashed_and_the_others_go_on(own: Network) -> None:
    cluster = own.cluster
    others = [node for node in range(VALIDATORS) if node != DOUBLED]
    await_finality(cluster, range(VALIDATORS))
    assert cluster.nodes[DOUBLED].stop() == 0
    twin = twin_of(own, VALIDATORS, same_identity=False)
    # Whoever hears its double's proposal first makes none of its own.
    cluster.namespaces.drop([(DOUBLED, VALIDATORS), (VALIDATORS, DOUBLED)])
    with own.load() as load:
        cluster.nodes[DOUBLED].start()
        twin.start()
        for asked in others:
            eventually("the doubled key is slashed", partial(is_slashed, cluster, asked, DOUBLED), SLASHED_S)
        await_finality(cluster, others)
    assert load.told > 0
    twin.close()
    cluster.namespaces.heal()
    own.settle(guilty=[DOUBLED], within_s=SETTLED_S)


def test_an_exact_copy_of_a_home_harms_nobody_else(own: Network) -> None:
    cluster = own.cluster
    others = [node for node in range(VALIDATORS) if node != DOUBLED]
    await_finality(cluster, range(VALIDATORS))
    assert cluster.nodes[DOUBLED].stop() == 0
    twin = twin_of(own, VALIDATORS, same_identity=True)
    with own.load() as load:
        cluster.nodes[DOUBLED].start()
        twin.start()
        for _ in range(5):
            await_finality(cluster, others)
    assert load.told > 0
    twin.close()
    own.settle(guilty=[DOUBLED], within_s=SETTLED_S)
    assert not set(jailed(cluster)) & set(others)
