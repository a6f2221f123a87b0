"""Catching up over a network: to the end, past every liar, and no further than what is proven."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from tests.consensus import sync_liars
from tests.consensus.signed_chain import EPOCH_BLOCKS, SignedChain, make, stored
from tests.consensus.sync_world import World, in_virtual_time
from zg_node.consensus.sync_messages import PROTOCOL
from zg_node.consensus.sync_service import ANSWER_TIMEOUT_S, POLLED_MAX, STEADY_ROUNDS, ShardSync
from zg_node.errors import Corrupt, Unavailable

LIARS = [module.name for module in pkgutil.iter_modules(sync_liars.__path__)]
CHAIN = SignedChain(4 * EPOCH_BLOCKS + 7, gap=3)
TOP = CHAIN.head.number


def first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def test_a_new_node_catches_up_over_epochs_with_changing_validators() -> None:
    async def story() -> None:
        world = World(CHAIN)
        for name in ("a", "b", "c"):
            world.honest(name)
        await world.catch_up(TOP, within_s=30)
        assert [block.hash for block in world.replica.blocks] == [block.hash for block in CHAIN.stored[1:]]
        assert world.replica.told == list(range(1, TOP + 1))
        assert world.network.reports == []
        assert world.shard.progress().done == TOP

    in_virtual_time(story)


@pytest.mark.parametrize("name", LIARS)
def test_a_node_catches_up_beside_a_liar_and_charges_it(name: str) -> None:
    liar = importlib.import_module(f"tests.consensus.sync_liars.{name}")

    async def story() -> None:
        world = World(CHAIN)
        world.liar("aaa", liar.answer)
        world.honest("b")
        await world.catch_up(TOP, within_s=120, linger_s=ANSWER_TIMEOUT_S)
        assert [block.hash for block in world.replica.blocks] == [block.hash for block in CHAIN.stored[1:]]
        charged = set(world.network.reports)
        assert {peer for peer, _ in charged} == {"aaa"}
        assert ("aaa", liar.OFFENCE) in charged

    in_virtual_time(story)


@pytest.mark.parametrize("name", LIARS)
def test_liars_alone_bring_no_block_into_the_chain(name: str) -> None:
    liar = importlib.import_module(f"tests.consensus.sync_liars.{name}")

    async def story() -> None:
        world = World(CHAIN)
        for peer in range(3):
            world.liar(f"liar-{peer}", liar.answer)
        with pytest.raises(TimeoutError):
            await world.catch_up(1, within_s=60)
        assert world.replica.blocks == []

    in_virtual_time(story)


def test_certificates_that_were_synced_serve_others_again() -> None:
    async def story() -> None:
        first = World(CHAIN)
        first.honest("source")
        await first.catch_up(TOP, within_s=30)
        copied = CHAIN.with_block(0)
        copied.stored = [CHAIN.stored[0], *first.replica.blocks]
        second = World(CHAIN)
        second.honest("copy", copied)
        await second.catch_up(TOP, within_s=30)
        assert second.network.reports == []

    in_virtual_time(story)


def test_blocks_larger_than_an_answer_arrive() -> None:
    large = SignedChain(6, body_bytes=7_000_000)

    async def story() -> None:
        world = World(large)
        world.honest("a")
        await world.catch_up(6, within_s=30)
        assert [block.body for block in world.replica.blocks] == [block.body for block in large.stored[1:]]

    in_virtual_time(story)


def test_a_peer_that_has_left_when_its_answer_is_read_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        world = World(CHAIN)
        world.honest("fleeting")
        ask = world.network.request

        async def ask_for_the_last_time(peer: str, protocol: str, message: bytes, timeout_s: float) -> bytes:
            answer = await ask(peer, protocol, message, timeout_s)
            world.hub.leave(peer)
            return answer

        monkeypatch.setattr(world.network, "request", ask_for_the_last_time)
        with pytest.raises(TimeoutError):
            await world.catch_up(1, within_s=3)
        assert world.shard.progress().peers == 0
        assert world.shard.progress().target == 0

    in_virtual_time(story)


def test_a_peer_that_leaves_in_the_middle_is_replaced() -> None:
    async def story() -> None:
        world = World(CHAIN, delay_s=0.2)
        world.honest("a")
        world.loop.call_later(0.9, lambda: world.hub.leave("a"))
        world.loop.call_later(2.0, lambda: world.honest("b"))
        await world.catch_up(TOP, within_s=60)

    in_virtual_time(story)


def test_a_final_block_that_does_not_execute_here_stops_the_node() -> None:
    async def story() -> None:
        world = World(CHAIN)
        world.honest("a")
        world.replica.broken_at = 50
        with pytest.raises(BaseExceptionGroup) as caught:
            await world.catch_up(TOP, within_s=30)
        cause = first_cause(caught.value)
        assert isinstance(cause, Corrupt)
        assert "block 50 is final, but does not execute here" in str(cause)
        assert world.replica.head.number == 49

    in_virtual_time(story)


def test_a_chain_of_our_own_that_the_network_did_not_finalise_stops_the_node() -> None:
    async def story() -> None:
        world = World(CHAIN)
        ours = stored(make(CHAIN.stored[0], b"ours", CHAIN.epochs, salt=5), b"")
        world.replica.head = ours
        world.replica.blocks = [ours]
        world.honest("a")
        with pytest.raises(BaseExceptionGroup) as caught:
            await world.catch_up(TOP, within_s=30)
        assert "keep this data directory as evidence" in str(first_cause(caught.value))

    in_virtual_time(story)


@pytest.mark.parametrize(("steady", "polled"), [(True, 8), (False, 8 * POLLED_MAX * STEADY_ROUNDS)])
def test_few_peers_are_polled_while_the_head_moves(monkeypatch: pytest.MonkeyPatch, steady: bool, polled: int) -> None:
    monkeypatch.setattr(ShardSync, "steady", steady)
    asked: list[str] = []

    async def story() -> None:
        world = World(SignedChain(1))
        began = world.loop.time()

        def count(name: str) -> None:
            async def answer(peer: str, message: bytes) -> bytes:
                if world.loop.time() > began + 0.5:  # before that, each is asked because it has come
                    asked.append(name)
                raise Unavailable("busy")

            world.hub.join(name).serve(PROTOCOL, answer)

        for name in "abcdefgh":
            count(name)
        await world.catch_up(0, within_s=120, linger_s=8 * STEADY_ROUNDS + 0.5)

    in_virtual_time(story)
    assert len(asked) == polled
    assert set(asked) == set("abcdefgh"), "all have their turn"
