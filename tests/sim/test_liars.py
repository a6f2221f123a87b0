"""Every liar is believed by nobody: nodes that catch up get there all the same, and blame it alone."""

from __future__ import annotations

import asyncio

import pytest

from tests.sim import whole_node
from tests.sim.faults import Fault
from tests.sim.liars import LIARS
from tests.sim.liars.liar import Liar
from tests.sim.plan import Plan
from tests.sim.stake import Guest
from zg_node.consensus.sync_messages import EpochsRequest, Request
from zg_node.errors import Unavailable
from zg_node.p2p.network import RequestHandler

LIAR, JOINING, REPLAYING = 4, 5, 6
ASKED_FIRST = 0
SEEDS = range(1, 6)
HARMLESS = ("stale answers",)
"""What was true once is seldom a lie that somebody could notice."""


@pytest.mark.parametrize("name", sorted(LIARS))
def test_nodes_catch_up_beside_a_liar_and_blame_it(name: str) -> None:
    """Whether it is asked anything at all is up to the seed."""
    joined = blamed = False
    for seed in SEEDS:
        guests = (Guest(LIAR, 0.0, False), Guest(JOINING, 1.4, True), Guest(REPLAYING, 1.5, False))
        away = Fault(0, "isolation", 0.3, 1.2, 1, seed)
        shards = 2 if name == "answers of another shard" else 1
        plan = Plan(seed, (100,) * 4, 4, shards, (), frozenset(), (away,), 1.6, guests, (), ((LIAR, name),))
        outcome = whole_node.run(plan, keep_trace=True)
        assert outcome.violation is None
        joined = joined or any("has a snapshot" in line for line in outcome.trace)
        blamed = blamed or any(f"blames n{LIAR}" in line for line in outcome.trace)
        if joined and (blamed or name in HARMLESS):
            return
    pytest.fail(f"joined by a snapshot: {joined}, blamed the liar: {blamed}")


class Dawdler(Liar):
    """Keeps whoever asks for the second shard's epochs waiting, and has nothing to say then."""

    def tells_truth(self, request: Request) -> bool:
        return not (isinstance(request, EpochsRequest) and request.shard == 1)

    async def lie(self, request: Request, peer: str, honest: RequestHandler) -> bytes:
        await asyncio.sleep(5)
        raise Unavailable("nothing")


def test_a_node_may_join_with_a_shard_whose_state_is_epochs_later_than_the_root_shards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(LIARS, "dawdler", Dawdler)
    joining = Guest(4, 1.4, True)
    plan = Plan(1, (100,) * 4, 3, 2, (), frozenset(), (), 1.6, (joining,), (), ((ASKED_FIRST, "dawdler"),))
    outcome = whole_node.run(plan, keep_trace=True)
    assert any("has a snapshot" in line for line in outcome.trace)
    assert outcome.violation is None
