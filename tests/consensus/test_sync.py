"""The machine that catches up: what it asks, what it hands over, and whom it believes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consensus.signed_chain import EPOCH_BLOCKS, SignedChain
from zg_node.consensus.sync import (
    AHEAD_MAX_BLOCKS,
    BACKOFF_MAX_MS,
    CLAIM_MS,
    HEDGE_MS,
    NEAR_BLOCKS,
    PEER_REQUESTS_MAX,
    REQUESTS_MAX,
    STUCK_MS,
    Answered,
    Ask,
    ChainSync,
    Committed,
    Deliver,
    Diverged,
    Effect,
    Event,
    Failed,
    Gone,
    Heard,
    Lied,
    Penalise,
    Tick,
    Unknown,
)
from zg_node.consensus.sync_messages import RANGE_MAX_BLOCKS, BlocksRequest
from zg_node.consensus.sync_verify import Run
from zg_node.p2p.network import Offence
from zg_node.types.block import Block

CHAIN = SignedChain(3 * RANGE_MAX_BLOCKS + 1)
FORK = SignedChain(20, salt=1)


def committed(number: int, chain: SignedChain = CHAIN) -> Committed:
    block = chain.stored[number]
    return Committed(number, block.hash, block.consensus.epoch)


def machine(head: int = 0, knows: Callable[[int], bool] = lambda epoch: True) -> ChainSync:
    return ChainSync(0, committed(head), knows, now_ms=0)


def run(first: int, last: int, chain: SignedChain = CHAIN) -> Run:
    blocks = tuple(Block(b.header, b.consensus, b.body) for b in chain.stored[first : last + 1])
    return Run(blocks, chain.stored[last].certificate)


def asked(effects: list[Effect]) -> list[tuple[str, int, int]]:
    return [(e.peer, e.request.first, e.request.last) for e in effects if isinstance(e, Ask)]


def delivered(effects: list[Effect]) -> list[tuple[int, int]]:
    return [(e.run.first, e.run.last) for e in effects if isinstance(e, Deliver)]


def penalised(effects: list[Effect]) -> list[tuple[str, Offence]]:
    return [(e.peer, e.offence) for e in effects if isinstance(e, Penalise)]


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ranges_are_asked_of_several_peers_at_once_and_end_at_the_same_heights() -> None:
    sync = machine(head=10)
    first = asked(sync.step(Heard("a", 190, 0), 0))
    assert first == [("a", 11, 64), ("a", 65, 128)], "no more than its share of one peer"
    assert asked(sync.step(Heard("b", 190, 0), 0)) == [("b", 129, 190)]


def test_no_peer_is_asked_for_more_than_it_has() -> None:
    sync = machine()
    assert asked(sync.step(Heard("short", 70, 0), 0)) == [("short", 1, 64), ("short", 65, 70)]
    sync = machine()
    assert asked(sync.step(Heard("pruned", 190, 100), 0)) == [("pruned", 129, 190)]


def test_requests_are_bounded() -> None:
    sync = machine()
    out = [e for peer in range(50) for e in asked(sync.step(Heard(str(peer), 10**12, 0), 0))]
    assert len(out) == REQUESTS_MAX
    assert max(last for _, _, last in out) <= AHEAD_MAX_BLOCKS


def test_a_small_gap_is_left_to_consensus_until_the_head_stands_still() -> None:
    sync = machine(head=50)
    assert sync.step(Heard("a", 50 + NEAR_BLOCKS, 0), 0) == []
    assert asked(sync.step(Tick(), STUCK_MS)) == [("a", 51, 50 + NEAR_BLOCKS)]


def test_a_head_is_steady_while_it_moves_and_nobody_is_far_ahead_of_it() -> None:
    sync = machine(head=50)
    sync.step(Heard("a", 50 + NEAR_BLOCKS, 0), 0)
    assert sync.steady(STUCK_MS - 1)
    assert not sync.steady(STUCK_MS)
    sync.step(committed(51), STUCK_MS)
    assert sync.steady(2 * STUCK_MS - 1)
    sync.step(Heard("b", 52 + NEAR_BLOCKS, 0), STUCK_MS)
    assert not sync.steady(STUCK_MS)
    sync.step(committed(52), STUCK_MS)
    assert sync.steady(STUCK_MS)


def test_the_range_that_everything_waits_for_is_asked_of_a_second_peer() -> None:
    sync = machine()
    sync.step(Heard("a", 64, 0), 0)
    sync.step(Heard("b", 64, 0), 0)
    assert asked(sync.step(Tick(), HEDGE_MS - 1)) == []
    assert asked(sync.step(Tick(), HEDGE_MS)) == [("b", 1, 64)]
    assert asked(sync.step(Tick(), 2 * HEDGE_MS)) == [], "no third"
    assert delivered(sync.step(Answered("b", run(1, 40)), HEDGE_MS)) == [(1, 40)]
    assert delivered(sync.step(Answered("a", run(1, 40)), HEDGE_MS)) == [], "the late answer is of no use"


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_are_delivered_in_order_two_at_a_time() -> None:
    sync = machine()
    for peer in ("a", "b"):
        sync.step(Heard(peer, 190, 0), 0)
    assert delivered(sync.step(Answered("a", run(65, 80)), 0)) == []
    assert delivered(sync.step(Answered("b", run(129, 160)), 0)) == []
    assert delivered(sync.step(Answered("a", run(1, 40)), 0)) == [(1, 40)]
    assert delivered(sync.step(Answered("b", run(41, 64)), 0)) == [(41, 64)], "a prefix leaves the rest to be asked for"
    assert delivered(sync.step(Committed(39, bytes(32), 0), 0)) == []
    assert delivered(sync.step(committed(40), 0)) == [(65, 80)]
    assert sync.behind == 120


def test_blocks_that_consensus_committed_meanwhile_are_not_delivered() -> None:
    sync = machine()
    sync.step(Heard("a", 64, 0), 0)
    assert asked(sync.step(committed(45), 0)) == [("a", 46, 64)]
    assert delivered(sync.step(Answered("a", run(1, 40)), 0)) == []
    assert (sync.committed, sync.behind) == (45, 0)


def test_a_proven_chain_that_is_not_ours_is_reported() -> None:
    sync = ChainSync(0, committed(10, FORK), lambda epoch: True, 0)
    sync.step(Heard("a", 40, 0), 0)
    effects = sync.step(Answered("a", run(11, 40)), 0)
    assert effects[0] == Diverged(11, FORK.stored[10].hash, CHAIN.stored[10].hash)


# ── peers that are no help ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_peer_that_fails_is_penalised_and_another_is_asked() -> None:
    sync = machine()
    sync.step(Heard("a", 64, 0), 0)
    sync.step(Heard("b", 64, 0), 0)
    effects = sync.step(Failed("a", 1), 0)
    assert penalised(effects) == [("a", Offence.UNHELPFUL)]
    assert asked(effects) == [("b", 1, 64)]


def test_a_peer_that_keeps_failing_is_asked_ever_more_seldom() -> None:
    sync = machine()
    now, waits = 0, []
    for _ in range(9):
        while not asked(effects := sync.step(Heard("a", 64, 0), now)):
            now += 100
        assert effects
        sync.step(Failed("a", 1), now)
        waits.append(now)
    pauses = [later - sooner for sooner, later in pairwise(waits)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= BACKOFF_MAX_MS


def test_a_liar_loses_what_its_lie_costs_and_the_range_is_asked_of_another() -> None:
    sync = machine()
    sync.step(Heard("liar", 64, 0), 0)
    sync.step(Heard("b", 64, 0), 0)
    effects = sync.step(Lied("liar", 1, Offence.BAD_SIGNATURE), 0)
    assert penalised(effects) == [("liar", Offence.BAD_SIGNATURE)]
    assert asked(effects) == [("b", 1, 64)]


def test_a_height_that_nobody_proves_does_not_hold_up_the_rest() -> None:
    sync = machine()
    sync.step(Heard("braggart", 10**12, 0), 0)
    sync.step(Heard("honest", 64, 0), 0)
    effects = sync.step(Failed("braggart", 1), 0)
    assert ("honest", 1, 64) in asked(effects)
    assert delivered(sync.step(Answered("honest", run(1, 40)), 0)) == [(1, 40)]
    assert sync.behind == 40


def test_the_target_is_what_most_peers_say_until_more_is_proven() -> None:
    sync = machine(head=10)
    assert sync.target == 10
    sync.step(Heard("first", 150, 0), 0)
    assert sync.target == 150, "one peer is all there is"
    sync.step(Heard("braggart", 10**12, 0), 0)
    assert sync.target == 150, "half is not most"
    sync.step(Heard("third", 140, 0), 0)
    assert sync.target == 150
    sync.step(Heard("modest", 0, 0), 0)
    assert sync.target == 140
    sync.step(Gone("modest"), 0)
    sync.step(Answered("first", run(129, 160)), 0)
    assert sync.target == 160
    for peer in ("first", "braggart", "third"):
        sync.step(Gone(peer), 0)
    assert sync.target == 160, "a proof outlives its peer"


def test_a_braggart_cannot_move_the_target_of_a_node_that_follows() -> None:
    sync = machine(head=100)
    for peer in ("a", "b"):
        sync.step(Heard(peer, 100, 0), 0)
    assert asked(sync.step(Heard("braggart", 10**12, 0), 0)), "it may be asked"
    assert (sync.target, sync.behind) == (100, 0)


def test_what_was_asked_of_a_peer_that_left_is_asked_of_another() -> None:
    sync = machine()
    sync.step(Heard("a", 64, 0), 0)
    sync.step(Heard("b", 64, 0), 0)
    assert asked(sync.step(Gone("a"), 0)) == [("b", 1, 64)]
    assert sync.step(Failed("a", 1), 0) == [], "nobody is left to blame"


# ── epochs ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_of_an_unknown_epoch_is_asked_for_until_its_validators_are_known() -> None:
    known = {0}
    sync = machine(knows=lambda epoch: epoch in known)
    sync.step(Heard("a", 190, 0), 0)
    sync.step(Answered("a", run(1, EPOCH_BLOCKS)), 0)
    sync.step(Answered("a", run(EPOCH_BLOCKS + 1, 2 * EPOCH_BLOCKS)), 0)
    effects = sync.step(Unknown("a", 65, 2), 0)
    assert penalised(effects) == []
    assert asked(sync.step(committed(20), 10)) == []
    known.add(2)
    assert asked(sync.step(committed(EPOCH_BLOCKS), 20))


def test_an_epoch_that_cannot_follow_is_a_lie() -> None:
    sync = machine(head=10, knows=lambda epoch: epoch == 0)
    sync.step(Heard("liar", 64, 0), 0)
    assert penalised(sync.step(Unknown("liar", 11, 7), 0)) == [("liar", Offence.INVALID)]


def test_a_false_claim_of_the_next_epoch_stops_us_for_a_moment_only() -> None:
    sync = machine(head=10, knows=lambda epoch: epoch == 0)
    sync.step(Heard("liar", 40, 0), 0)
    sync.step(Heard("honest", 40, 0), 0)
    assert asked(sync.step(Unknown("liar", 11, 1), 0)) == []
    again = asked(sync.step(Tick(), CLAIM_MS))
    assert again == [("honest", 11, 40)]
    effects = sync.step(Answered("honest", run(11, 40)), CLAIM_MS)
    assert delivered(effects) == [(11, 40)]


def test_whoever_voted_in_an_epoch_that_is_over_proves_nothing_above_our_head() -> None:
    sync = machine(head=EPOCH_BLOCKS + 1)
    sync.step(Heard("former", 190, 0), 0)
    first, last = CHAIN.stored[EPOCH_BLOCKS + 2], CHAIN.stored[EPOCH_BLOCKS + 3]
    past = [Block(b.header, replace(b.consensus, epoch=0), b.body) for b in (first, last)]
    effects = sync.step(Answered("former", Run(tuple(past), b"")), 0)
    assert penalised(effects) == [("former", Offence.INVALID)]
    assert delivered(effects) == []
    assert (sync.proven, sync.behind) == (EPOCH_BLOCKS + 1, 0)


# ── any peers ───────────────────────────────────────────────────────────────────────────────────────────────────────

PEERS = ("honest", "p", "q", "r")


@settings(deadline=None)
@given(st.data())
def test_every_block_is_delivered_once_and_in_order_whatever_the_other_peers_do(data: st.DataObject) -> None:
    top = len(CHAIN.stored) - 1
    sync = machine()
    pending: list[Ask] = []
    runs: list[Run] = []
    now = 0
    delivered_to = 0

    def step(event: Event) -> None:
        nonlocal delivered_to
        for effect in sync.step(event, now):
            match effect:
                case Ask():
                    pending.append(effect)
                case Deliver(found):
                    assert found.first == delivered_to + 1
                    delivered_to = found.last
                    runs.append(found)
                case Penalise(peer, offence):
                    assert peer != "honest", offence
                case Diverged():
                    raise AssertionError(effect)
        for peer in PEERS:
            assert sum(ask.peer == peer for ask in pending) <= PEER_REQUESTS_MAX
        assert len(runs) <= 2

    for turn in range(400):
        now += data.draw(st.integers(0, 800)) if turn < 60 else 1000
        step(Heard("honest", top, 0))
        if pending:
            ask = pending.pop(data.draw(st.integers(0, len(pending) - 1)) if turn < 60 else 0)
            step(answer(ask, data.draw(st.integers(0, 4)) if turn < 60 else 4))
        if turn < 60:
            peer = data.draw(st.sampled_from(PEERS[1:]))
            choices: list[Event] = [Heard(peer, 10**9, 0), Gone(peer), Tick()]
            event = data.draw(st.sampled_from(choices))
            step(event)
            if isinstance(event, Gone):
                lost = [ask for ask in pending if ask.peer == peer]
                pending[:] = [ask for ask in pending if ask.peer != peer]
                for ask in lost:
                    step(Failed(peer, ask.request.first))
        if runs:
            step(committed(runs.pop(0).last))
        if sync.committed == top:
            break
    assert sync.committed == top


def answer(ask: Ask, choice: int) -> Event:
    """What comes of a request: the honest peer answers, the others do as they like."""
    request: BlocksRequest = ask.request
    top = len(CHAIN.stored) - 1
    if ask.peer == "honest" or (choice == 4 and request.first <= top):
        epoch_end = ((request.first - 1) // EPOCH_BLOCKS + 1) * EPOCH_BLOCKS
        return Answered(ask.peer, run(request.first, min(request.last, epoch_end, top)))
    match choice:
        case 0:
            return Lied(ask.peer, request.first, Offence.INVALID)
        case 1:
            return Unknown(ask.peer, request.first, 3)
        case _:
            return Failed(ask.peer, request.first)
