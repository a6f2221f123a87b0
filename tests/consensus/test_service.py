"""When the shell says that a block is due, and what it warns of: an instance and a chain that do as they are told, in
virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.consensus.blocks import make_block
from tests.sim.loop import VirtualLoop
from zg_node.consensus.alarm import TURNS_LOST
from zg_node.consensus.instance import Commit, Due, Effect, Event, Execute, Message, Propose, Received, TimedOut
from zg_node.consensus.messages import Certificate, Vote, VoteKind
from zg_node.consensus.pace import Pace
from zg_node.consensus.service import ShardConsensus
from zg_node.consensus.votes import Claim
from zg_node.errors import BadSignature, InvalidBlock
from zg_node.p2p.network import Offence
from zg_node.types.block import Block
from zg_node.types.hashing import ZERO_HASH

PACE = Pace(block_time_ms=0, heartbeat_ms=1_000, min_interval_ms=10, finality_ms=250)
OURS, ANOTHERS = 4, 5
"""Views."""
LIAR = "liar"
COINBASE = b"\1" * 20


@dataclass
class Listener:
    """An instance in some view, after a block was notarized in the one before; validator 0 of four."""

    view: int = ANOTHERS
    index: int = 0
    built_view: int = 3
    members: Any = field(default_factory=lambda: SimpleNamespace(leader=lambda view: view % 4, validators=range(4)))
    due: list[tuple[int, int]] = field(default_factory=list)
    """(milliseconds, view)"""
    on_time: Callable[[], None] = lambda: None
    answer: Sequence[Effect] = ()
    """What it wants whenever time is up."""
    proposes: bool = False
    heard: list[str] = field(default_factory=list)
    """Whose messages came to a step; a liar's has a false signature."""

    def claims(self, message: Message) -> tuple[Claim, ...]:
        return ()

    def step(self, event: Event, now_ms: int) -> list[Effect]:
        if isinstance(event, Received):
            self.heard.append(event.sender)
            if event.sender == LIAR:
                raise BadSignature("not signed by anyone")
        if isinstance(event, TimedOut):
            self.on_time()
            return list(self.answer)
        if isinstance(event, Due):
            self.due.append((now_ms, self.view))
            if self.proposes:
                return [Propose(self.view, b"")]
        return []


@dataclass
class Idle:
    """A chain whose pool holds what the last notarized block holds."""

    shard: int = 0
    final_view: int = 2
    waits: bool = True
    allowed: list[bool] = field(default_factory=list)
    """Whether each attempt to propose might have been empty."""
    built: Block | None = None
    announced: list[bytes] = field(default_factory=list)

    @property
    def head(self) -> Any:
        view = self.final_view
        return SimpleNamespace(consensus=SimpleNamespace(view=view), number=view, hash=bytes(32), certificate=b"")

    def waiting(self) -> bool:
        return self.waits

    def propose(self, view: int, parent: bytes, coinbase: bytes, allow_empty: bool) -> Block | None:
        self.allowed.append(allow_empty)
        return self.built

    def execute(self, block: Block, certified: bool) -> None:
        raise InvalidBlock("it does not hold")

    def commit(self, block_hash: bytes, certificate: bytes) -> bytes:
        return block_hash

    def announce(self, block_hash: bytes) -> None:
        self.announced.append(block_hash)


class Shell:
    """The shell between the two."""

    def __init__(self, view: int, network: Any = None) -> None:
        self.loop = VirtualLoop()
        self.instance, self.chain = Listener(view), Idle()
        epochs = SimpleNamespace(after=lambda head: 0, instance=lambda epoch, restored: self.instance)
        clock = SimpleNamespace(monotonic_ms=self._now_ms, unix_ms=self._now_ms)
        spare = ThreadPoolExecutor(1)
        self.service = ShardConsensus(
            cast(Any, self.chain), cast(Any, epochs), None, COINBASE, PACE, spare, spare, cast(Any, clock), network
        )

    def _now_ms(self) -> int:
        return round(1000 * self.loop.time())

    def at(self, at_ms: int, event: Event, before: Callable[[], None] = lambda: None) -> None:
        """Later, something happens and the instance hears of it."""

        def happen() -> None:
            before()
            self.service._inbox.put(event)

        self.loop.call_at(at_ms / 1000, happen)

    def run(self, until_ms: int) -> list[tuple[int, int]]:
        """When a block was due, and in which view."""

        async def life() -> None:
            task = asyncio.ensure_future(self.service.run())
            await asyncio.sleep(until_ms / 1000)
            task.cancel()

        with closing(self.loop):
            self.loop.run_until_complete(life())
        return self.instance.due


def test_the_leader_looks_at_the_pool_before_the_last_block_is_final() -> None:
    assert Shell(OURS).run(40) == [(10, OURS)]


def test_the_others_expect_a_block_only_when_the_last_one_should_be_final() -> None:
    assert Shell(ANOTHERS).run(300) == [(250, ANOTHERS)]


def test_finality_says_whether_anything_waits() -> None:
    def become_final(shell: Shell, still_waits: bool) -> None:
        shell.chain.final_view, shell.chain.waits = 3, still_waits

    idle, busy = Shell(ANOTHERS), Shell(ANOTHERS)
    idle.at(20, TimedOut(), lambda: become_final(idle, still_waits=False))
    assert idle.run(900) == []
    busy.at(20, TimedOut(), lambda: become_final(busy, still_waits=True))
    assert busy.run(900) == [(20, ANOTHERS)]


def test_a_leader_without_transactions_makes_an_empty_block_when_finality_does_not_come() -> None:
    shell = Shell(OURS)
    shell.instance.proposes = True
    shell.run(300)
    first_empty = shell.chain.allowed.index(True)
    assert not any(shell.chain.allowed[:first_empty])
    when_ms, _ = shell.instance.due[first_empty]
    assert 249 <= when_ms <= 280


def test_a_leader_that_others_wait_for_makes_an_empty_block_at_once() -> None:
    """They hold transactions that it has not heard of, or refuses."""
    shell = Shell(OURS)
    shell.chain.waits, shell.instance.answer = False, [Propose(OURS, b"", awaited=True)]
    shell.at(20, TimedOut())
    shell.run(100)
    assert shell.chain.allowed == [True]


def test_what_was_due_in_a_view_that_is_over_is_due_no_more() -> None:
    shell = Shell(ANOTHERS)
    shell.instance.on_time = lambda: setattr(shell.instance, "view", ANOTHERS + 1)

    def tell_of_both() -> None:
        shell.service._inbox.put(TimedOut())
        shell.service._be_due()

    shell.loop.call_at(0.020, tell_of_both)
    assert shell.run(200) == []


def test_who_has_signed_falsely_is_charged_once_for_all_that_it_has_said() -> None:
    charged: list[tuple[str, Offence]] = []
    network = SimpleNamespace(report=lambda peer, offence: charged.append((peer, offence)))
    shell = Shell(ANOTHERS, network)
    for peer in (*[LIAR] * 1_000, "honest"):
        shell.service.receive(peer, Vote(VoteKind.NOTARIZE, 0, ANOTHERS, bytes(32), 1, bytes(65)))
    shell.run(10)
    assert shell.instance.heard == [LIAR, "honest"]
    assert charged == [(LIAR, Offence.BAD_SIGNATURE)]


# ── what it warns of ────────────────────────────────────────────────────────────────────────────────────────────────


def final(number: int) -> Commit:
    """The block of this height and view, made at `number` seconds, is final."""
    block = make_block(ZERO_HASH, number, number, 0)
    return Commit((block,), Certificate(VoteKind.FINALIZE, 0, number, block.hash, ()))


def warned(caplog: pytest.LogCaptureFixture, shell: Shell, *at_ms: int) -> list[str]:
    """What the shell warns of when time is up so often."""
    for moment in at_ms:
        shell.at(moment, TimedOut())
    with caplog.at_level(logging.WARNING, "zg.consensus"):
        shell.run(at_ms[-1] + 100)
    return [record.getMessage() for record in caplog.records]


def test_an_invalid_block_is_warned_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    shell = Shell(ANOTHERS)
    shell.instance.answer = [Execute(make_block(ZERO_HASH, 7, 7, 0))]
    said = warned(caplog, shell, 100, 200, 59_000, 61_000)
    assert said == ["shard=0 height=7 invalid block: it does not hold"] * 2


def test_a_final_block_from_the_future_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    shell = Shell(ANOTHERS)
    shell.instance.answer = [final(10)]
    [line] = warned(caplog, shell, 2_000, 3_000)
    assert len(shell.chain.announced) == 2
    assert line.startswith("shard=0 height=10 this machine's clock is behind by 8.0 s")


def test_lost_turns_are_warned_of_when_the_others_blocks_are_old(caplog: pytest.LogCaptureFixture) -> None:
    shell, wanted = Shell(ANOTHERS), iter(range(3, 3 + TURNS_LOST))
    shell.chain.built = make_block(ZERO_HASH, 6, 6, 0)

    def lose() -> None:
        view = next(wanted, None)
        shell.instance.answer = [final(20)] if view is None else [Propose(view, b"")]

    shell.instance.on_time = lose
    *turns, end_ms = (25_000 + 1_000 * turn for turn in range(TURNS_LOST + 1))
    [line] = warned(caplog, shell, *turns, end_ms)
    assert line.startswith("shard=0 height=20 this machine's clock may be ahead")
    assert f"theirs are {end_ms / 1000 - 20:.1f} s old" in line
