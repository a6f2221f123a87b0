"""The vocabulary between a consensus instance and its shell: events in, effects out.

    shell ── Event, now_ms ──▶ Instance.step ── [Effect …] ──▶ shell

The shell performs effects in order. `Persist` is durable before any later effect of the same step is performed, so
nothing is sent that a restart could contradict. `Propose` and `Execute` complete later, as `Proposed` and `Executed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from zg_node.consensus.messages import Certificate, Proposal, Vote
from zg_node.types.block import Block

# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Started:
    """The shell is ready; the first event of an instance's life."""


@dataclass(frozen=True, slots=True)
class Due:
    """A block is wanted: transactions wait, or the heartbeat is over."""


@dataclass(frozen=True, slots=True)
class Received:
    """A parsed message from a peer; its signature is not checked yet."""

    message: Proposal | Vote | Certificate


@dataclass(frozen=True, slots=True)
class Proposed:
    """A `Propose` effect is done: `block` is executed and ready; None when it could not be built."""

    view: int
    block: Block | None


@dataclass(frozen=True, slots=True)
class Executed:
    """An `Execute` effect is done."""

    block_hash: bytes
    valid: bool


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A `SetTimer` fired."""

    view: int


Event = Started | Due | Received | Proposed | Executed | TimedOut

# ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Persist:
    """Append to the write-ahead log: our vote, with the block when it is a NOTARIZE vote."""

    vote: Vote
    proposal: Proposal | None


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every validator."""

    message: Proposal | Vote | Certificate


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire `TimedOut(view)` at `at_ms`; replaces the timer that is set."""

    view: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Propose:
    """Build a block for `view` on `parent_hash`."""

    view: int
    parent_hash: bytes


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute and check `block` on its parent."""

    block: Block


@dataclass(frozen=True, slots=True)
class Commit:
    """These blocks are final, oldest first; `certificate` is of the last one."""

    blocks: tuple[Block, ...]
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Report:
    """Two messages of one validator that contradict each other: evidence."""

    first: Vote | Proposal
    second: Vote | Proposal


Effect = Persist | Broadcast | SetTimer | Propose | Execute | Commit | Report


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In milliseconds."""

    delta_ms: int = 500
    """Δ: the assumed bound on a message's delay. A leader has 2Δ, doubled for every view skipped since the last
    finality."""
    timeout_max_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Restored:
    """What the log and the write-ahead log say at a restart."""

    view: int
    """View of the last finalised block; 0 for genesis."""
    block_hash: bytes
    """Hash of the last finalised block."""
    votes: tuple[Vote, ...] = field(default=())
    """Our own votes in later views, in the order they were written."""
    proposals: tuple[Proposal, ...] = field(default=())
    """The proposals that we voted for in later views."""


class Instance(Protocol):
    """A consensus instance of one shard: no sockets, files, clocks, randomness or threads."""

    def step(self, event: Event, now_ms: int) -> list[Effect]:
        """Take one event; raises InvalidMessage when a peer's message is at fault (nothing has changed then)."""
        ...

    @property
    def view(self) -> int:
        """The view this validator is in."""
        ...
