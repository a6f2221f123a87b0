"""What must hold when a node starts from what a power cut left.

   trace ──▶ Disk at the cut ──flavour──▶ directory ──open_chain, VoteLog, Simplex──▶ [what is wrong]

1. everything opens, whatever the cut left: the data directory is known as ours, and nothing in it is Corrupt;
2. every block whose receipts a client held before the cut is there, with its hash;
3. every vote that may have been sent before the cut is there, unless a block of its view or a later one is final;
4. the instance takes up its votes, contradicts none of them, and finalises the next block;
5. on some: all roots recompute, and the directory opens a second time at the same head.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from coincurve import PrivateKey

from tests.faults.power_cut.disk import Disk, Flavour
from tests.faults.power_cut.record import Recording
from tests.faults.power_cut.recording import ACKNOWLEDGED, PROMISED, Op
from zg_node import _core
from zg_node.assembly import load_genesis, open_chain
from zg_node.cli import home as homes
from zg_node.config import Settings, load, override
from zg_node.consensus.instance import (
    Commit,
    Due,
    Event,
    Execute,
    Executed,
    Persist,
    Propose,
    Proposed,
    Started,
    Timeouts,
)
from zg_node.consensus.messages import Domain, Vote
from zg_node.consensus.simplex import Simplex
from zg_node.consensus.votes import Signer, address_of
from zg_node.consensus.wal import Identity, VoteLog
from zg_node.epochs import ValidatorSets, Voter
from zg_node.errors import ZgError
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain

SETTINGS = override(Settings(), {"state.cache_mb": 8, "state.flush_mb": 1})
NOW_MS = 4_000_000_000_000
"""Later than any block of the trace."""
STEPS_MAX = 100


@dataclass(slots=True)
class Promises:
    """What the world was told before the cut."""

    blocks: dict[int, bytes] = field(default_factory=dict)
    """Number → hash of the blocks whose receipts a client held."""
    votes: dict[tuple[int, int], Vote] = field(default_factory=dict)
    """(view, kind) → vote."""

    def note(self, op: Op) -> None:
        if op.kind == ACKNOWLEDGED:
            self.blocks[int.from_bytes(op.data[:8], "big")] = op.data[8:]
        elif op.kind == PROMISED:
            vote = Vote.decode(op.data)
            self.votes[vote.view, vote.kind] = vote


@dataclass(frozen=True, slots=True)
class Cut:
    """The power fails after operation `after` of the trace."""

    after: int
    flavours: tuple[Flavour, ...]
    thorough: bool = False


def failures(
    recording: Recording,
    cuts: Sequence[Cut],
    seed: int,
    scratch: Path,
    deaf: Callable[[str], bool] = lambda path: False,
) -> Iterator[str]:
    """Rebuild, open and check each cut in each of its flavours below `scratch`; a sentence for each that fails."""
    genesis = load_genesis(SETTINGS, recording.root)
    disk, promises = Disk(deaf), Promises()
    ops, done = recording.ops(), 0
    for cut in sorted(cuts, key=lambda cut: cut.after):
        for op in ops[done : cut.after + 1]:
            disk.apply(op)
            promises.note(op)
        done = cut.after + 1
        for flavour in cut.flavours:
            with tempfile.TemporaryDirectory(dir=scratch) as directory:
                root = Path(directory) / "root"
                disk.crash(flavour, Random(f"{seed} {cut.after} {flavour.name}"), root)
                wrong = check(root / "home", genesis, promises, thorough=cut.thorough)
            if wrong is not None:
                yield f"cut after {cut.after} ({ops[cut.after].kind} {ops[cut.after].path}), {flavour.value}: {wrong}"


def check(home: Path, genesis: Genesis, promises: Promises, *, thorough: bool, from_votes: bool = False) -> str | None:
    """What is wrong with the node that starts in `home`; None when nothing is.

    With `from_votes` an acknowledged block may come back by the vote log alone, which holds the proposals."""
    try:
        if promises.blocks:
            homes.kind_of(home)
            load(home / homes.CONFIG)
        wrong, head = _life(home, genesis, promises, thorough, from_votes)
        if wrong is None and thorough:
            wrong, again = _life(home, genesis, promises, thorough=False, from_votes=False)
            if again < head:
                wrong = f"the head was {head}, and after a clean stop {again}"
    except (ZgError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return wrong


def _life(home: Path, genesis: Genesis, promises: Promises, thorough: bool, from_votes: bool) -> tuple[str | None, int]:
    """Open, check, finalise a block more, close: (what is wrong, the head's number)."""
    key = genesis.development_vote_key
    assert key is not None
    sets, voter = ValidatorSets(genesis), Voter.of(key)
    chain = open_chain(SETTINGS, genesis, home, 0, lambda: NOW_MS, sets, voter=voter)
    try:
        wrong = None if from_votes else _check_blocks(chain, promises)
        wrong = wrong or _check_votes(chain, home, genesis, promises) or _check_blocks(chain, promises)
        if wrong is None and thorough:
            wrong = _check_roots(chain)
        return wrong, chain.head.number
    finally:
        chain.close()


def _check_blocks(chain: Chain, promises: Promises) -> str | None:
    for number, block_hash in promises.blocks.items():
        block = chain.by_number(number)
        if block is None or block.hash != block_hash:
            return f"block {number} was acknowledged, the head is {chain.head.number}"
    return None


def _check_roots(chain: Chain) -> str | None:
    chain.checkpoint()
    _, _, root = chain.state.verify()
    if root != chain.head.header.state_root:
        return "the state's root is not the head's"
    for number in range(chain.head.number + 1):
        block = chain.by_number(number)
        if block is None:
            return f"block {number} is missing"
        _core.check_block(block.header.raw, block.body, block.senders, block.receipts)
    return None


def _check_votes(chain: Chain, home: Path, genesis: Genesis, promises: Promises) -> str | None:
    """Let an instance take up the votes, then finalise a block more."""
    key = genesis.development_vote_key
    assert key is not None
    members, private = ValidatorSets(genesis).certain(0), PrivateKey(key)
    address = address_of(private.public_key)
    identity = Identity(genesis.network, chain.chain_id, address)
    votes = VoteLog(home / "shard-0" / "votes", home / "voters" / "shard-0", identity)
    try:
        head = chain.head
        restored = votes.restored(0, head.consensus.view, head.number, head.hash)
        known = {(vote.view, int(vote.kind)): vote for vote in restored.votes}
        for (view, kind), vote in promises.votes.items():
            if view > head.consensus.view and known.get((view, kind)) != vote:
                return f"the {vote.kind.name} vote of view {view} may have been sent and is not in the log"
        index = members.index_of(address)
        assert index is not None
        signer, domain = Signer(private, index), Domain(genesis.network, chain.chain_id, 0)
        instance = Simplex(members, domain, signer, Timeouts(), restored)
        return _go_on(chain, votes, instance, promises)
    finally:
        votes.close()


def _go_on(chain: Chain, votes: VoteLog, instance: Simplex, promises: Promises) -> str | None:
    """Perform the instance's effects until one block more than it had in hand is final."""
    events: list[Event] = [Started()]
    wanted: int | None = None
    for _ in range(STEPS_MAX):
        if not events:
            if wanted is not None and chain.head.number >= wanted:
                return None
            wanted = wanted or chain.head.number + 1
            events.append(Due())
        effects = instance.step(events.pop(0), 0)
        persists = [effect for effect in effects if isinstance(effect, Persist)]
        for persist in persists:
            vote = persist.vote
            if promises.votes.get((vote.view, int(vote.kind)), vote) != vote:
                return f"the instance contradicts its {vote.kind.name} vote of view {vote.view}"
        if persists:
            votes.append(persists, 0, chain.head.consensus.view)
        for effect in effects:
            match effect:
                case Execute(block, certified):
                    chain.execute(block, certified)
                    events.append(Executed(block.hash, valid=True))
                case Propose(view, parent_hash):
                    events.append(Proposed(view, chain.propose(view, parent_hash, bytes(20), True)))
                case Commit(blocks, certificate):
                    for block in blocks:
                        chain.commit(block.hash, certificate.encode())
                case _:
                    pass
    return "the chain does not go on"
