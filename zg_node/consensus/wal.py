"""The write-ahead log: what this validator signed, durable before it is sent.

    <home>/shard-i/votes/00000001.wal   records as in db/segments.py
    payload = RLP [[vote, proposal or empty] …], all that one sync makes durable

A torn last record was never synced, so its vote was never sent: it is cut off. Anything else that does not parse is
Corrupt. Segments whose views are all finalised are deleted when a new one begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import rlp

from zg_node.consensus.instance import Persist, Restored
from zg_node.consensus.messages import Proposal, Vote
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt, InvalidMessage

SEGMENT_MAX_BYTES = 32 * 1024 * 1024


class VoteLog:
    """Append-only; one writer."""

    def __init__(self, directory: Path) -> None:
        """Open or create. Raises Corrupt."""
        self._segments = Segments(directory, "wal")
        self._last_view: dict[int, int] = {}
        self._records: list[tuple[Vote, Proposal | None]] = []
        for segment, payload in self._segments.records():
            for vote, proposal in _decode(payload, directory):
                self._records.append((vote, proposal))
                self._last_view[segment] = max(self._last_view.get(segment, 0), vote.view)

    def restored(self, final_view: int, final_hash: bytes) -> Restored:
        """What an instance must take up again after the block finalised in `final_view`; callable once, after
        opening."""
        later = [(vote, proposal) for vote, proposal in self._records if vote.view > final_view]
        self._records = []
        votes = tuple(vote for vote, _ in later)
        proposals = tuple(proposal for _, proposal in later if proposal is not None)
        return Restored(final_view, final_hash, votes, proposals)

    def append(self, effects: Sequence[Persist], final_view: int) -> None:
        """Write and fdatasync; returns when the votes may be sent. Raises OSError: the node must stop then."""
        if self._segments.size() > SEGMENT_MAX_BYTES:
            self._segments.rotate()
            done = [segment for segment, view in self._last_view.items() if view <= final_view]
            self._segments.drop(done)
            self._last_view = {s: v for s, v in self._last_view.items() if s not in done}
        entries = [[e.vote.encode(), e.proposal.encode() if e.proposal else b""] for e in effects]
        self._segments.append([bytes(rlp.encode(entries))])
        segment = self._segments.current
        self._last_view[segment] = max(self._last_view.get(segment, 0), *(e.vote.view for e in effects))
        self._segments.sync()

    def close(self) -> None:
        self._segments.close()


def _decode(payload: bytes, directory: Path) -> list[tuple[Vote, Proposal | None]]:
    try:
        entries = rlp.decode(payload)
        if isinstance(entries, list):
            return [(Vote.decode(vote), Proposal.decode(proposal) if proposal else None) for vote, proposal in entries]
    except (rlp.exceptions.RLPException, RecursionError, InvalidMessage, ValueError, TypeError) as error:
        raise Corrupt(f"the vote log {directory} holds a record that is no vote: {error}") from error
    raise Corrupt(f"the vote log {directory} holds a record that is no vote")
