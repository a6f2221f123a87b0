"""Deliberate breakages of the protocol, one rule at a time, on the real classes.

    with mutation.apply(): …        whoever runs honest nodes in there must notice

`test_rules` shows by a short schedule each that the rule matters; the simulator must find each by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from zg_node.consensus.ballot import Ballot
from zg_node.consensus.catchup import Catchup
from zg_node.consensus.instance import Effect, Event, Persist
from zg_node.consensus.intake import Intake
from zg_node.consensus.messages import Proposal, VoteKind
from zg_node.consensus.pacemaker import Pacemaker
from zg_node.consensus.record import Record
from zg_node.consensus.simplex import Simplex
from zg_node.consensus.tree import BlockTree, Candidate
from zg_node.consensus.view import View
from zg_node.consensus.votes import ValidatorSet
from zg_node.types.block import Block
from zg_node.types.hashing import ZERO_HASH


@dataclass(frozen=True, slots=True)
class Mutation:
    """One broken rule."""

    name: str
    rule: str
    """As tagged in the code."""
    owner: type
    method: str
    make: Callable[[Any], Any]
    """From the method to the broken one."""

    @contextmanager
    def apply(self) -> Iterator[None]:
        """Break the rule, for all instances of the class, while the context lasts."""
        sound = self.owner.__dict__[self.method]
        setattr(self.owner, self.method, self.make(sound))
        try:
            yield
        finally:
            setattr(self.owner, self.method, sound)


def _always(answer: object) -> Callable[[Any], Any]:
    return lambda sound: lambda *arguments, **options: answer


def _notarize_again(sound: Callable[..., bool]) -> Callable[..., bool]:
    def may_notarize(self: Ballot, state: View, proposal: Proposal, view: int) -> bool:
        own = state.own.get(VoteKind.NOTARIZE)
        if own is None or own.block_hash == proposal.block.hash:
            return sound(self, state, proposal, view)
        return self._record.fits(proposal)

    return may_notarize


def _finalise_skipped(sound: Callable[..., bool]) -> Callable[..., bool]:
    def may_finalise(self: Ballot, state: View, candidate: Candidate, view: int) -> bool:
        skip = state.own.pop(VoteKind.SKIP, None)
        try:
            return sound(self, state, candidate, view)
        finally:
            if skip is not None:
                state.own[VoteKind.SKIP] = skip

    return may_finalise


def _finalise_uncertified(sound: Callable[..., bool]) -> Callable[..., bool]:
    def may_finalise(self: Ballot, state: View, candidate: Candidate, view: int) -> bool:
        own = state.own.get(VoteKind.NOTARIZE)
        free = not state.own.keys() & {VoteKind.SKIP, VoteKind.FINALIZE}
        return own is not None and own.block_hash == candidate.block.hash and free and view > self._record.decided_view

    return may_finalise


def _finalise_unvoted(sound: Callable[..., bool]) -> Callable[..., bool]:
    def may_finalise(self: Ballot, state: View, candidate: Candidate, view: int) -> bool:
        free = not state.own.keys() & {VoteKind.SKIP, VoteKind.FINALIZE}
        certified = state.notarized == candidate.block.hash
        return certified and candidate.valid is True and free and self.may_sign(VoteKind.FINALIZE, view)

    return may_finalise


def _fits_anything(sound: Callable[..., bool]) -> Callable[..., bool]:
    def fits(self: Record, proposal: Proposal) -> bool:
        return self.gap_is_skipped(proposal.parent_view, proposal.view)

    return fits


def _valid_if_here(sound: Callable[..., bool]) -> Callable[..., bool]:
    return lambda self, block_hash: block_hash == self.root_hash or self.get(block_hash) is not None


def _all_succeed(sound: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, block_hash, valid: sound(self, block_hash, True)


def _only_the_last(sound: Callable[..., Any]) -> Callable[..., tuple[Block, ...] | None]:
    def path(self: BlockTree, block_hash: bytes) -> tuple[Block, ...] | None:
        blocks: tuple[Block, ...] | None = sound(self, block_hash)
        return blocks[-1:] if blocks else blocks

    return path


def _simple_majority(sound: Callable[[ValidatorSet], None]) -> Callable[[ValidatorSet], None]:
    def post_init(self: ValidatorSet) -> None:
        sound(self)
        object.__setattr__(self, "quorum", self.total // 2)

    return post_init


def _skip_the_last_view_too(sound: Callable[..., None]) -> Callable[..., None]:
    def on_time(self: Simplex, now_ms: int, out: list[Effect]) -> None:
        sound(self, now_ms, out)
        last = self.view - 1
        if self._ballot.signer and last > self._record.decided_view and VoteKind.SKIP not in self._record.at(last).own:
            self._vote(VoteKind.SKIP, last, ZERO_HASH, out)

    return on_time


def _forgetful(sound: Callable[..., None]) -> Callable[..., None]:
    def init(self: Simplex, *arguments: Any, **options: Any) -> None:
        head, restored, tail = arguments[:4], arguments[4], arguments[5:]
        sound(self, *head, replace(restored, votes=(), proposals=()), *tail, **options)

    return init


def _unlogged(sound: Callable[..., list[Effect]]) -> Callable[..., list[Effect]]:
    def step(self: Simplex, event: Event, now_ms: int) -> list[Effect]:
        return [effect for effect in sound(self, event, now_ms) if not isinstance(effect, Persist)]

    return step


MUTATIONS: tuple[Mutation, ...] = (
    Mutation("notarize twice in a view", "Simplex, rule 1", Ballot, "may_notarize", _notarize_again),
    Mutation("skip after finalize", "Simplex, rule 2", Simplex, "_on_time", _skip_the_last_view_too),
    Mutation("finalize after skip", "Simplex, rule 2", Ballot, "may_finalise", _finalise_skipped),
    Mutation("notarize over a gap", "Simplex, rule 3", Record, "gap_is_skipped", _always(True)),
    Mutation("notarize on any parent", "Simplex, rule 3", Record, "fits", _fits_anything),
    Mutation("finalize without a certificate", "Simplex, rule 4", Ballot, "may_finalise", _finalise_uncertified),
    Mutation("finalize without our notarize", "Simplex, rule 4", Ballot, "may_finalise", _finalise_unvoted),
    Mutation("build on a block that failed", "Simplex, rule 5", BlockTree, "is_valid", _valid_if_here),
    Mutation("take every execution for a success", "Simplex, rule 5", BlockTree, "executed", _all_succeed),
    Mutation("forget the votes at a restart", "Simplex, rule 6", Simplex, "__init__", _forgetful),
    Mutation("send what is not logged", "Simplex, rule 6", Simplex, "step", _unlogged),
    Mutation("build on an epoch's last block", "Simplex, rule 7", Record, "ends_epoch", _always(False)),
    Mutation("a half is a quorum", "quorum", ValidatorSet, "__post_init__", _simple_majority),
    Mutation("commit without the ancestors", "finality", BlockTree, "path", _only_the_last),
    Mutation("execute any body", "bodies", Intake, "check_whole", _always(None)),
    Mutation("believe every signature", "signatures", Intake, "check", _always(None)),
    Mutation("wait for a leader for ever", "liveness: timeouts", Pacemaker, "expired", _always(False)),
    Mutation("say nothing twice", "liveness: standstill", Pacemaker, "stalled", _always(False)),
    Mutation("fetch nothing", "liveness: missing blocks", Catchup, "step", _always(None)),
)
