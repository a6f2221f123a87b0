"""Honest validators never contradict themselves: whatever crashes, between any two effects, and whatever is lost.

`Net` watches every vote against all earlier ones of its validator, those before its crashes included.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consensus.blocks import GENESIS, block_on
from tests.consensus.net import Net, toys
from zg_node.consensus.instance import Message
from zg_node.consensus.messages import VoteKind
from zg_node.types.hashing import keccak

fuses = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(0, 400)), max_size=12)
"""(node, effects until it crashes, virtual milliseconds until it is started again)."""


def losing(seed: int, percent: int, until_ms: int, net: Net) -> None:
    """Lose so many messages of a hundred until a time, drawn from the seed."""
    count = 0

    def drop(sender: int, receiver: int, message: Message) -> bool:
        nonlocal count
        count += 1
        return net.now < until_ms and keccak(f"{seed} {count}".encode())[0] * 100 < percent * 256

    net.drop = drop


@settings(max_examples=60, deadline=None)
@given(fuses, st.integers(0, 2**32), st.integers(0, 40))
def test_no_crash_between_two_effects_makes_an_honest_validator_contradict_itself(
    crashes: list[tuple[int, int, int]], seed: int, percent: int
) -> None:
    net = Net(toys(4))
    for index, fuse, pause in crashes:
        losing(seed, percent, net.now + 5_000, net)
        if net.nodes[index].alive:
            net.nodes[index].fuse = fuse
        net.run(net.now + pause)
        for dead in [i for i, node in net.nodes.items() if not node.alive]:
            net.restart(dead)
    for node in net.nodes.values():
        node.fuse = None
    net.drop = lambda *_: False
    height = max(len(node.chain) for node in net.nodes.values())
    net.run_to_height(height + 3, 40_000)
    assert not net.evidence


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_equivocating_leader_gets_no_contradiction_out_of_a_validator_that_crashes(data: st.DataObject) -> None:
    """Every view of the traitor has two blocks, shown to whom and when the test likes, while validators crash."""
    net = Net(toys(4), traitors=[1])
    for _ in range(data.draw(st.integers(1, 6))):
        view = max(node.machine.view for node in net.nodes.values())
        view += (1 - view) % 4
        parent = max((n.chain[-1] for n in net.nodes.values() if n.chain), key=lambda b: b.number, default=GENESIS)
        for salt in (101, 102):
            block = block_on(parent, view, salt)
            proposal = net.proposal(view, block, parent.consensus.view)
            for receiver in data.draw(st.sets(st.sampled_from((0, 2, 3)))):
                net.say(1, proposal, receiver, after_ms=data.draw(st.integers(0, 100)))
            for kind in (VoteKind.NOTARIZE, VoteKind.FINALIZE):
                for receiver in data.draw(st.sets(st.sampled_from((0, 2, 3)))):
                    net.say(1, net.vote(1, kind, view, block.hash), receiver, after_ms=data.draw(st.integers(0, 200)))
        victim = data.draw(st.sampled_from((0, 2, 3)))
        net.nodes[victim].fuse = data.draw(st.integers(1, 20))
        net.run(net.now + data.draw(st.integers(0, 400)))
        for dead in [i for i, node in net.nodes.items() if not node.alive]:
            net.restart(dead)
    for node in net.nodes.values():
        node.fuse = None
    height = max(len(node.chain) for node in net.nodes.values())
    net.run_to_height(height + 3, 40_000)
    assert {evidence.offender for evidence in net.evidence.values()} <= {1}
