"""With more faulty stake than the protocol bears, agreement may break; then the votes convict a third of the stake."""

from __future__ import annotations

from tests.sim.attackers.conspiracy import Conspiracy
from tests.sim.consensus_only import World
from tests.sim.network import split
from tests.sim.plan import ENDLESS, Plan

SCHEDULES_MAX = 40
HEAL_S = 1.0
FORKS = ("two blocks are final", "node 2: the block at height", "node 3: the block at height")


def test_after_a_fork_the_votes_convict_a_third_of_the_stake_and_nobody_honest() -> None:
    """Two of four validators conspire, and the two honest ones do not hear each other for a while."""
    attackers, forks = ((0, "conspiracy"), (1, "conspiracy")), 0
    for seed in range(SCHEDULES_MAX):
        plan = Plan(seed, (100,) * 4, ENDLESS, 1, attackers, frozenset(), (), HEAL_S)
        world = World(plan, attackers={"conspiracy": Conspiracy})
        world.links.cuts[0] = split([2], [3])
        violation = world.run().violation or ""
        guilty = world.monitor.contradicting()
        assert guilty <= {0, 1}, "an honest node contradicts itself"
        if violation.startswith(FORKS):
            forks += 1
            assert len(guilty) * 3 >= 4, f"seed {seed}: {violation}, and only {guilty} are convicted"
    assert forks > SCHEDULES_MAX // 4, "the attack is too weak to show anything"
