"""What dies with a node's process: the shards and the services between nodes, composed as the composition root does it,
on virtual threads, disk and network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.sim.clock import NodeClock
from tests.sim.disk import VirtualDisk
from tests.sim.engine import BentEngine
from tests.sim.loop import Machine
from tests.sim.tap import MemoisedVerifier, Tap
from zg_node import _core
from zg_node.config import Settings
from zg_node.epochs import ValidatorSets, Voter
from zg_node.execution.genesis import Genesis
from zg_node.p2p.memory import MemoryNetwork
from zg_node.peering import Peering
from zg_node.rootaccount import RootAccount
from zg_node.shard import Shard, Surroundings, open_shard

JOB_S = (0.0002, 0.003)
SNAPSHOT_S = (0.001, 0.05)
"""How long it takes to cut a state."""
DISK_THREADS = ("-votes", "-writer")
SNAPSHOT_THREAD = "-snapshot"


@dataclass(frozen=True, slots=True)
class Hardware:
    """A machine, and what is installed on it."""

    genesis: Genesis
    settings: Settings
    home: Path
    voter: Voter
    clock: NodeClock
    disk: VirtualDisk
    verify: MemoisedVerifier
    rng: Random
    lose_power: Callable[[], None]
    """Called when a job ran into a power cut."""
    slowness_s: Callable[[], float]
    """The most that executing a block takes beyond the usual, now."""
    diverging: Callable[[], bool]
    """Whether the engine fails on some blocks that the others find sound, now."""

    def thread(self, name: str) -> Machine:
        """The thread of this name."""
        if name.endswith(SNAPSHOT_THREAD):
            return Machine(lambda: self.rng.uniform(*SNAPSHOT_S), self.lose_power)
        return Machine(self._disk_s if name.endswith(DISK_THREADS) else self._job_s, self.lose_power)

    def _disk_s(self) -> float:
        return self.rng.uniform(*JOB_S)

    def _job_s(self) -> float:
        return self.rng.uniform(*JOB_S) + self.rng.random() * self.slowness_s()


@dataclass(slots=True)
class Process:
    """A running one."""

    shards: list[Shard]
    sets: ValidatorSets
    account: RootAccount
    peering: Peering
    network: MemoryNetwork
    machines: list[Machine]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


def open_process(on: Hardware, shards: int, network: MemoryNetwork, tap: Tap) -> Process:
    """Open every shard and join the network; nothing runs yet. Raises as `open_shard`, and PowerCut."""
    machines: list[Machine] = []
    opened: list[Shard] = []

    def executor(name: str) -> Machine:
        machines.append(on.thread(name))
        return machines[-1]

    sets = ValidatorSets(on.genesis)
    try:
        for index in range(shards):
            engine = BentEngine(_core.Engine(on.genesis.chain_id(index)), on.diverging)
            around = Surroundings(on.clock, tap, on.disk, executor, on.verify, engine)
            opened.append(open_shard(on.settings, on.genesis, on.home, index, sets, on.voter, around))
        key = on.voter.key.secret if on.voter else None
        account = RootAccount(opened[0].chain, key, executor("root-account"))
        peering = Peering(tap, on.genesis, sets, opened, executor)
    except BaseException:
        for machine in machines:
            machine.shutdown()
        for shard in opened:
            shard.close(write=False)
        raise
    return Process(opened, sets, account, peering, network, machines)
