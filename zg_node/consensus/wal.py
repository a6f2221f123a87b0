"""The write-ahead log: what this validator signed, durable before it is sent.

    <home>/shard-i/votes/00000001.wal   records as in db/segments.py; a segment's first one says whose log it is
    <home>/shard-i/voter                addresses of the validators that have voted from here, one a line
    <home>/voters/shard-i               the same with the network's hash, where it outlives the shard's folder

    head    = RLP ["ZGVOTES2", network, chain id, address]
    payload = RLP [[vote, proposal or empty, [certificate …]] …], all that one sync makes durable

A torn last record was never synced, so its vote was never sent: it is cut off. Everything else that is not as it was
written stops the node, for a validator that has forgotten a vote may contradict it and lose its stake. The two lists of
who has voted are durable before the first vote, and tell a log that is gone from one that never was. Segments whose
views are all final are deleted when a new one begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import rlp

from zg_node.consensus.instance import Persist, Restored
from zg_node.consensus.messages import Certificate, Proposal, Vote
from zg_node.db.files import SYSTEM, Files
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt, InvalidMessage
from zg_node.types.encoding import encode

SEGMENT_MAX_BYTES = 32 * 1024 * 1024

_FORMAT = b"ZGVOTES2"
_NEVER = (-1, -1)
_ADVICE = (
    "Restore it from a copy made after this validator's last vote. If there is none, do not vote with this key again:"
    " another copy of the vote could convict it. Register a new voting key, or follow the chain without one"
    ' (consensus.validator = "")'
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose votes they are."""

    network: bytes
    """32 bytes."""
    chain_id: int
    address: bytes
    """20 bytes: the voter."""

    def encode(self) -> bytes:
        return encode([_FORMAT, self.network, self.chain_id, self.address])


class VoteLog:
    """Append-only; one writer."""

    def __init__(self, directory: Path, register: Path, identity: Identity, files: Files = SYSTEM) -> None:
        """Open or create. `register` is the shard's file in `<home>/voters`. Raises Corrupt: the sentence says what
        happened and what to do."""
        self._directory = directory
        self._identity = identity
        self._records: list[Persist] = []
        self._last: dict[int, tuple[int, int]] = {}
        """Segment → the last (epoch, view) that was voted in, below all when none was."""
        address = f"0x{identity.address.hex()}"
        self._lists = (
            _List(directory.with_name("voter"), address, files),
            _List(register, f"{address} {identity.network.hex()}", files),
        )
        self._segments = _open(directory, files)
        headed = self._read()
        self._headed = headed == self._segments.current
        saying = [str(listed.path) for listed in self._lists if listed.complete]
        if headed == 0 and saying:
            raise Corrupt(
                f"the vote log {directory} of validator {address} is gone, and it has voted before. {_ADVICE}. Only a"
                f" network that no other node has ever followed may be begun anew: remove {' and '.join(saying)}"
            )
        self._write_head()
        if saying:
            self._note_voter()

    def restored(self, epoch: int, view: int, number: int, block_hash: bytes) -> Restored:
        """What an instance of `epoch` must take up again after the final block of this view, height and hash."""
        self._records = [e for e in self._records if (e.vote.epoch, e.vote.view) > (epoch, view)]
        later = [effect for effect in self._records if effect.vote.epoch == epoch]
        return Restored(
            view,
            block_hash,
            tuple(effect.vote for effect in later),
            tuple(effect.proposal for effect in later if effect.proposal is not None),
            tuple(c for effect in later for c in effect.certificates if c.epoch == epoch and c.view > view),
            number,
        )

    def append(self, effects: Sequence[Persist], epoch: int, final_view: int) -> None:
        """Write and fdatasync; returns when the votes may be sent. The chain has made durable all that is final up to
        this view. Raises OSError: the node must stop then."""
        self._note_voter()
        segments = self._segments
        done: list[int] = []
        if segments.size() > SEGMENT_MAX_BYTES:
            done = [segment for segment, last in self._last.items() if last <= (epoch, final_view)]
            segments.rotate()
            self._headed = False
        self._write_head()
        if done:  # not before there is another segment that says whose log it is
            segments.drop(done)
            self._last = {s: last for s, last in self._last.items() if s not in done}
        segments.append([_encode(effects)])
        last = max((effect.vote.epoch, effect.vote.view) for effect in effects)
        self._last[segments.current] = max(self._last[segments.current], last)
        segments.sync()

    def close(self) -> None:
        self._segments.close()

    def _read(self) -> int:
        """Take in what is there; returns the last segment that has its head, 0 when none has."""
        headed = 0
        for segment, payload in self._segments.records():
            if segment != headed:
                _check_head(payload, self._identity, self._directory)
                headed, self._last[segment] = segment, _NEVER
                continue
            for effect in _decode(payload, self._directory):
                self._records.append(effect)
                self._last[segment] = max(self._last[segment], (effect.vote.epoch, effect.vote.view))
        return headed

    def _write_head(self) -> None:
        if not self._headed:
            self._segments.append([self._identity.encode()])
            self._segments.sync()
            self._headed = True
            self._last[self._segments.current] = _NEVER

    def _note_voter(self) -> None:
        for listed in self._lists:
            listed.note()


class _List:
    """A file of those who have voted, and our line in it."""

    def __init__(self, path: Path, line: str, files: Files) -> None:
        self.path = path
        self._line = line
        self._files = files
        self._lines = files.read(path).decode("ascii", "replace").splitlines() if files.exists(path) else []

    @property
    def complete(self) -> bool:
        """Whether our line is there."""
        return self._line in self._lines

    def note(self) -> None:
        """Add our line, durably. Raises OSError."""
        if self.complete:
            return
        lines = [*self._lines, self._line]
        self._files.make_directory(self.path.parent)
        self._files.write_file(self.path, "".join(f"{line}\n" for line in lines).encode())
        self._lines = lines


def _open(directory: Path, files: Files) -> Segments:
    try:
        return Segments(directory, "wal", files)
    except Corrupt as error:
        raise Corrupt(f"the vote log is damaged: {error}. {_ADVICE}") from error


def _encode(effects: Sequence[Persist]) -> bytes:
    return encode([_entry(effect) for effect in effects])


def _entry(effect: Persist) -> tuple[bytes, bytes, list[bytes]]:
    proposal = effect.proposal.encode() if effect.proposal else b""
    return effect.vote.encode(), proposal, [certificate.encode() for certificate in effect.certificates]


def _decode(payload: bytes, directory: Path) -> list[Persist]:
    try:
        entries = rlp.decode(payload)
        if isinstance(entries, list):
            return [
                Persist(
                    Vote.decode(vote),
                    Proposal.decode(proposal) if proposal else None,
                    tuple(Certificate.decode(certificate) for certificate in certificates),
                )
                for vote, proposal, certificates in entries
            ]
    except (rlp.exceptions.RLPException, RecursionError, InvalidMessage, ValueError, TypeError) as error:
        raise Corrupt(f"the vote log {directory} holds a record that is no vote: {error}. {_ADVICE}") from error
    raise Corrupt(f"the vote log {directory} holds a record that is no vote. {_ADVICE}")


def _check_head(payload: bytes, identity: Identity, directory: Path) -> None:
    """Raise Corrupt unless the log is ours."""
    if payload == identity.encode():
        return
    try:
        head = rlp.decode(payload)
    except (rlp.exceptions.RLPException, RecursionError):
        head = None
    match head:
        case [bytes() as form, bytes(), bytes() as chain_id, bytes() as address] if form == _FORMAT:
            raise Corrupt(
                f"the vote log {directory} is of validator 0x{address.hex()} on chain {int.from_bytes(chain_id, 'big')}"
                f" of its network, and this node votes as 0x{identity.address.hex()} on chain {identity.chain_id}. Give"
                " the node its own voting key and genesis file back, or move the folder aside, and keep it for that key"
            )
    raise Corrupt(
        f"the vote log {directory} does not say whose it is: a development version before this one wrote it, or it is"
        " damaged. A development network may be begun anew in an empty home; a validator must not vote without its log"
    )
