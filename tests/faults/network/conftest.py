"""The network that the tests share while it is sound, and another one where it is not, or a test wants its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

from tests.faults.network.cluster import VALIDATORS, Cluster
from tests.faults.network.load import Acknowledged, Load
from tests.faults.network.namespaces import Namespaces, NotPermitted
from tests.faults.network.settled import FINALITY_S, jailed, settled

SPARE = 2
"""Namespaces for nodes beside the validators."""


class Network:
    """A cluster, and what its clients were told."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.acknowledged = Acknowledged(cluster.shards)
        self.sound = True
        """Whether the next test may go on with it."""

    def load(self) -> Load:
        """A load in the background, as a context."""
        return Load(self.cluster, self.acknowledged)

    def settle(
        self, *, within_s: float = FINALITY_S, guilty: Collection[int] = (), without: Collection[int] = ()
    ) -> float:
        """`settled`; where nobody is guilty, jailed or missing, the next test may go on with the network."""
        took = settled(self.cluster, self.acknowledged, within_s=within_s, guilty=guilty, without=without)
        self.sound = len(self.cluster.running) == VALIDATORS and not guilty and not jailed(self.cluster)
        return took


class Stage:
    """One network at a time: all of them live at the same addresses."""

    def __init__(self, namespaces: Namespaces) -> None:
        self.namespaces = namespaces
        self._network: Network | None = None

    def shared(self, directory: Path) -> Network:
        """The one that runs, or another one in `directory` when that is not as it should be."""
        if self._network is None or not self._network.sound:
            return self.fresh(directory, {})
        return self._network

    def fresh(self, directory: Path, homes_of: Mapping[int, Path]) -> Network:
        """A new one, all of whose nodes are ready."""
        self.close()
        self._network = Network(Cluster(directory, self.namespaces, homes_of=homes_of))
        self._network.cluster.start()
        return self._network

    def close(self) -> None:
        if self._network is not None:
            self._network.cluster.close()
        self._network = None


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    namespaces = Namespaces(VALIDATORS + SPARE)
    try:
        namespaces.open()
    except NotPermitted as reason:
        pytest.skip(str(reason))
    found = Stage(namespaces)
    yield found
    found.close()
    namespaces.close()


@pytest.fixture
def network(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Four validators that agree. A test ends with `settle`; after one that did not, the next has a new network."""
    network = stage.shared(tmp_path_factory.mktemp("network"))
    network.sound = False
    yield network
    network.cluster.heal()
    for node in network.cluster.extra:
        node.close()
    network.cluster.extra.clear()
