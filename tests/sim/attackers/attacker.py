"""What an attacker is: an honest node whose words are bent on their way out, and who may speak out of turn.

    its machine ─ message ─▶ Attacker.bend(message, to) ─▶ what that node gets
    a node ─ message ─▶ Attacker.overhear(message) ─▶ its machine; (to, message) … at once
    every PACE_S ─▶ Attacker.babble() ─▶ (to, message) …

So an attacker takes part in the protocol well enough to be listened to, and holds no key but its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from zg_node.consensus.messages import Certificate, Domain, Proposal, Vote, VoteKind
from zg_node.types.block import Block
from zg_node.types.hashing import ZERO_HASH

Message = Proposal | Vote | Certificate
Words = tuple[int, Message]
"""To a node."""

PACE_S = 0.05
"""How often an attacker speaks out of turn."""
MEMORY_MAX = 400
"""How many messages an attacker remembers."""


def describe(message: Message) -> str:
    """A message in a trace."""
    match message:
        case Proposal(view=view, block=block):
            return f"proposal({view}, 0x{block.hash[:3].hex()} on view {message.parent_view})"
        case Vote(kind=kind, view=view):
            return f"{kind.name}({view}, 0x{message.block_hash[:3].hex()})"
        case Certificate(kind=kind, view=view):
            voters = ",".join(str(voter) for voter, _ in message.signatures)
            return f"certificate of {kind.name}({view}, 0x{message.block_hash[:3].hex()}) by {voters}"


@dataclass(frozen=True, slots=True)
class Means:
    """What an attacker works with."""

    number: int
    """Its node."""
    copy: int
    """Which of the machines with its key."""
    place: Callable[[], tuple[Domain, int]]
    """What its signatures are bound to now, and its place in the validator set."""
    stakes: Callable[[], Mapping[int, int]]
    """Node → its stake now."""
    peers: tuple[int, ...]
    """The other nodes."""
    rng: Random
    sign: Callable[[bytes], bytes]
    """Digest → 65 bytes, with its own key."""
    leads: Callable[[int], bool]
    """Whether it leads a view."""
    child: Callable[[bytes, int], Block | None]
    """(parent hash, view) → a new, sound block; None when this node does not have the parent."""
    spoilt: Callable[[Block], Block | None]
    """The same block with a state root that does not follow."""
    ended: Callable[[Block], Block]
    """The same block, but it says that it is the last of its epoch."""

    @property
    def domain(self) -> Domain:
        return self.place()[0]

    @property
    def index(self) -> int:
        return self.place()[1]

    def vote(self, kind: VoteKind, view: int, block_hash: bytes = ZERO_HASH) -> Vote:
        digest = self.domain.vote_digest(kind, view, block_hash)
        return Vote(kind, self.domain.epoch, view, block_hash, self.index, self.sign(digest))

    def proposal(self, view: int, parent_view: int, block: Block) -> Proposal:
        """A signed proposal."""
        digest = self.domain.proposal_digest(view, parent_view, block.hash)
        return Proposal(view, parent_view, block, self.index, self.sign(digest))


class Attacker:
    """Bends nothing; the attackers change what they need."""

    copies = 1
    """How many machines run with the one key."""
    forgets = False
    """Whether it restarts on an empty disk every now and then."""

    def __init__(self, means: Means) -> None:
        self.means = means

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        """What node `to` gets in place of `message`."""
        return (message,)

    def hears(self, sender: int, copy: int) -> bool:
        """Whether this machine takes what the sender's machine number `copy` sends."""
        return True

    def overhear(self, message: Message) -> Iterable[Words]:
        """Take note of what reached this node; what to send at once, and to whom."""
        return ()

    def babble(self) -> Iterable[Words]:
        """What to send out of turn, and to whom."""
        return ()
