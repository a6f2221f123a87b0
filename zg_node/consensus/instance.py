"""The vocabulary between a consensus instance and its shell: events in, effects out.

    shell ── Event, now_ms ──▶ Instance.step ── [Effect …] ──▶ shell

The shell performs effects in order. `Persist` is durable before any other effect of the same step is performed, so
nothing is sent that a restart could contradict. `Propose` and `Execute` complete later, as `Proposed` and `Executed`.

An instance lives for one epoch: after `EpochEnded` it takes nothing more, and the shell makes the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from zg_node.consensus.evidence import Evidence
from zg_node.consensus.messages import Certificate, Proposal, Vote
from zg_node.consensus.votes import Claim, ValidatorSet
from zg_node.types.block import Block

Message = Proposal | Vote | Certificate

# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Started:
    """The shell is ready; the first event of an instance's life."""


@dataclass(frozen=True, slots=True)
class Due:
    """A block is wanted in the current view: transactions wait, or the heartbeat is over."""


@dataclass(frozen=True, slots=True)
class Received:
    """A parsed message from a peer."""

    message: Message
    sender: str = ""
    """Who sent it, for `Send`; empty when nobody is to be answered."""
    verified: frozenset[Claim] = frozenset()
    """Signatures that the shell has found good (see `Instance.claims`); the instance checks those that are missing."""


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
class Fetched:
    """A `Fetch` effect brought this block. It is taken by its hash, so anyone may have sent it."""

    block: Block


@dataclass(frozen=True, slots=True)
class Synced:
    """The chain has moved on by sync: this final block, executed and committed, is its head now."""

    view: int
    """`block.consensus.view`."""
    number: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The time of the last `SetTimer` has come."""


Event = Started | Due | Received | Proposed | Executed | Fetched | Synced | TimedOut

# ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Persist:
    """Append to the write-ahead log: our vote and what it rests on."""

    vote: Vote
    proposal: Proposal | None
    """What a NOTARIZE vote is for."""
    certificates: tuple[Certificate, ...] = ()
    """Certificates accepted since the last vote: without them a restart could not show why it stands where it does."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every peer."""

    message: Message


@dataclass(frozen=True, slots=True)
class Spread:
    """Send to every peer that does not show soon, by what it says, that it has made the same certificate."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one peer, which is behind."""

    peer: str
    message: Message


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Give `TimedOut` at `at_ms`; replaces the timer that is set. There is one timer an instance."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Propose:
    """Build a block for `view` on `parent_hash`."""

    view: int
    parent_hash: bytes
    awaited: bool = False
    """Others have given up on the view, of whom one is honest: an empty block is better than none."""


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute and check `block` on its parent, which is executed or final."""

    block: Block
    certified: bool = False
    """A quorum vouches for it: what depends on our own clock is not checked. The same block may be asked for first
    without, then with it."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask peers for the block with this hash and answer with `Fetched`; repeated while it is missing."""

    view: int
    """The view in which the block, or a descendant of it, is certified."""
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """These blocks are final, oldest first; `certificate` is of the last one."""

    blocks: tuple[Block, ...]
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Behind:
    """A certificate shows that the others are too far ahead for `Fetch`: sync is to catch up. Repeated while true."""

    view: int
    """A view that a quorum has reached."""
    number: int
    """The height of a certified block; 0 when it is not known."""


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """The epoch's last block is final (its `Commit` came just before); the instance takes nothing more."""

    block: Block


@dataclass(frozen=True, slots=True)
class Diverged:
    """A quorum finalised a block whose execution fails here: this node must stop."""

    block: Block


@dataclass(frozen=True, slots=True)
class Report:
    """A validator contradicted itself."""

    evidence: Evidence


Effect = (
    Persist
    | Broadcast
    | Spread
    | Send
    | SetTimer
    | Propose
    | Execute
    | Fetch
    | Commit
    | Behind
    | EpochEnded
    | Diverged
    | Report
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In milliseconds."""

    delta_ms: int = 500
    """Δ: the assumed bound on a message's delay. A leader has 2Δ for its proposal, a view 3Δ for its certificate, both
    doubled for every view beyond two since the last finality."""
    timeout_max_ms: int = 30_000
    """Bound on both after doubling."""
    skip_timeout_ms: int = 1_000
    """A leader that missed its last turn and has been silent for longer gets no time at all until it is heard again."""
    standstill_ms: int = 1_000
    """Without progress for so long: certificates and own votes are sent again, and again after as long."""
    fetch_ms: int = 100
    """How long a certified block may be on its way before it is fetched."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What the chain and the write-ahead log say at a restart or at the begin of an epoch."""

    view: int
    """`consensus.view` of the last finalised block; 0 for genesis."""
    block_hash: bytes
    """Hash of the last finalised block."""
    votes: tuple[Vote, ...] = field(default=())
    """Our own votes in later views of this epoch, in the order they were written."""
    proposals: tuple[Proposal, ...] = field(default=())
    """The proposals that we voted for in later views."""
    certificates: tuple[Certificate, ...] = field(default=())
    """What was certified in later views when we last voted."""
    number: int = 0
    """Height of the last finalised block."""
    certificate: Certificate | None = None
    """Its proof of finality; None for genesis. Whoever is further behind is told: without it, validators that restart
    could leave one behind that they need, and so could those that begin an epoch."""


class Instance(Protocol):
    """A consensus instance of one shard in one epoch: no sockets, files, clocks, randomness or threads."""

    def step(self, event: Event, now_ms: int) -> list[Effect]:
        """Take one event; raises InvalidMessage when a peer's message is at fault (nothing has changed then)."""
        ...

    def claims(self, message: Message) -> tuple[Claim, ...]:
        """The signatures that must be good for `message` to count, without those already known; a shell may verify
        many messages' claims as one batch and hand them over in `Received.verified`. Raises InvalidMessage."""
        ...

    def block(self, block_hash: bytes) -> Block | None:
        """A block that is not final yet, to answer another node's `Fetch`."""
        ...

    @property
    def view(self) -> int:
        """The view this validator is in."""
        ...

    @property
    def members(self) -> ValidatorSet:
        """The epoch's validators."""
        ...

    @property
    def index(self) -> int | None:
        """This node's place among the epoch's validators; None when it is none of them."""
        ...

    @property
    def built_view(self) -> int:
        """The newest view in which a block is notarized: when it grows, a block has been made, on every node at about
        the same time."""
        ...
