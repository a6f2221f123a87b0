"""The blocks above the last committed one: what is known of each, which to execute, which are missing.

    final ◀─ certified, valid ◀─ certified, unexecuted ◀─ (wanted: certified, not here)
          ◀─ proposed, not certified

A block is *certified* when a quorum notarized or finalised it or a descendant. Certified blocks are executed as soon as
their parent is; one that is not here is *wanted*, and taken from anyone, for its hash says that it is the right one.
"""

from __future__ import annotations

from dataclasses import dataclass

from zg_node.types.block import Block


@dataclass(slots=True)
class Candidate:
    """A block that may become final."""

    block: Block
    view: int
    """The last view in which it was proposed or certified."""
    certified: bool = False
    executing: bool = False
    trusting: bool = False
    """Whether the last execution was told that a quorum vouches for the block."""
    valid: bool | None = None
    """The outcome of executing it; None until known."""

    def begin(self) -> None:
        """Its execution has been asked for."""
        self.executing, self.trusting, self.valid = True, self.certified, None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certified block that is not here."""

    view: int
    """The view in which it, or the descendant that names it, is certified."""
    number: int
    """Its height; 0 when unknown."""


class BlockTree:
    """Blocks by hash above a final root."""

    def __init__(self, number: int, block_hash: bytes) -> None:
        self.root_number = number
        self.root_hash = block_hash
        self.wanted: dict[bytes, Wanted] = {}
        self._candidates: dict[bytes, Candidate] = {}
        self._unrun: dict[bytes, Candidate] = {}
        """Certified and not found valid, in the order in which they were certified."""

    def __len__(self) -> int:
        return len(self._candidates)

    def get(self, block_hash: bytes) -> Candidate | None:
        return self._candidates.get(block_hash)

    def is_valid(self, block_hash: bytes) -> bool:
        """Whether a child of this block can be executed."""
        if block_hash == self.root_hash:
            return True
        candidate = self._candidates.get(block_hash)
        return candidate is not None and candidate.valid is True

    def add(self, block: Block, view: int) -> Candidate:
        """Take a block in, as proposed in `view`; a wanted one is certified with that."""
        candidate = self._candidates.setdefault(block.hash, Candidate(block, view))
        candidate.view = max(candidate.view, view)
        wanted = self.wanted.pop(block.hash, None)
        if wanted is not None:
            self.certify(block.hash, wanted.view)
        return candidate

    def certify(self, block_hash: bytes, view: int) -> None:
        """A quorum vouches for this block in `view`, and so for its ancestors."""
        number = 0
        while block_hash != self.root_hash:
            candidate = self._candidates.get(block_hash)
            if candidate is None:
                self.wanted.setdefault(block_hash, Wanted(view, number))
                return
            candidate.view = max(candidate.view, view) if number == 0 else candidate.view
            if candidate.block.number <= self.root_number:
                return
            if not candidate.certified:
                candidate.certified = True
                if candidate.valid is not True:
                    self._unrun[block_hash] = candidate
            block_hash, number = candidate.block.header.parent_hash, candidate.block.number - 1

    def runnable(self) -> tuple[Candidate, ...]:
        """Certified blocks whose execution is to be asked for now. A block that failed before it was certified gets a
        second chance, since the first may have failed by this node's clock alone."""
        if not self._unrun:
            return ()
        return tuple(
            candidate
            for candidate in self._unrun.values()
            if not candidate.executing
            and (candidate.valid is None or not candidate.trusting)
            and self.is_valid(candidate.block.header.parent_hash)
        )

    def executed(self, block_hash: bytes, valid: bool) -> Candidate | None:
        """Note an outcome; None when the block is not of interest any more."""
        candidate = self._candidates.get(block_hash)
        if candidate is not None:
            candidate.executing, candidate.valid = False, valid
            if valid:
                self._unrun.pop(block_hash, None)
        return candidate

    def path(self, block_hash: bytes) -> tuple[Block, ...] | None:
        """The blocks above the root up to this one; None while one is missing or not found valid."""
        blocks: list[Block] = []
        while block_hash != self.root_hash:
            candidate = self._candidates.get(block_hash)
            if candidate is None or candidate.valid is not True or candidate.block.number <= self.root_number:
                return None
            blocks.append(candidate.block)
            block_hash = candidate.block.header.parent_hash
        return tuple(reversed(blocks))

    def obstacle(self, block_hash: bytes) -> Candidate | None:
        """The block at or below this one that fails here although a quorum vouches for it; None when there is none."""
        found = None
        while block_hash != self.root_hash:
            candidate = self._candidates.get(block_hash)
            if candidate is None or candidate.block.number <= self.root_number:
                break
            if candidate.valid is False and candidate.trusting:
                found = candidate
            block_hash = candidate.block.header.parent_hash
        return found

    def lose_interest(self, view: int) -> None:
        """Stop wanting what was certified before `view` only."""
        self.wanted = {h: w for h, w in self.wanted.items() if w.view >= view}

    def forget(self, block_hash: bytes) -> None:
        """Drop a block that nobody vouches for."""
        candidate = self._candidates.get(block_hash)
        if candidate is not None and not candidate.certified:
            del self._candidates[block_hash]

    def settle(self, number: int, block_hash: bytes, view: int) -> None:
        """The block of this height and view is committed: everything at or below is done with."""
        self.root_number, self.root_hash = number, block_hash
        self._candidates = {h: c for h, c in self._candidates.items() if c.block.number > number and c.view > view}
        self._unrun = {h: c for h, c in self._unrun.items() if h in self._candidates}
        self.wanted = {
            h: w for h, w in self.wanted.items() if w.view > view and not 0 < w.number <= number and h != block_hash
        }
