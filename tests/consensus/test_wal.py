"""The vote log: what was signed is there after a restart, and forgotten only when it is final."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import rlp
from coincurve import PrivateKey

from tests.consensus.blocks import GENESIS, block_on
from zg_node.consensus import wal
from zg_node.consensus.instance import Persist
from zg_node.consensus.messages import Domain, Proposal, Vote, VoteKind
from zg_node.consensus.votes import Signer
from zg_node.consensus.wal import VoteLog
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt

DOMAIN = Domain(b"\7" * 32, 1_660_200, 0)
SIGNER = Signer(PrivateKey(b"\1" * 32), 0)


def notarize(view: int, salt: int = 0) -> Persist:
    block = block_on(GENESIS, view, salt)
    proposal = SIGNER.proposal(DOMAIN, view, view - 1, block)
    return Persist(SIGNER.vote(DOMAIN, VoteKind.NOTARIZE, view, block.hash), proposal)


def skip(view: int) -> Persist:
    return Persist(SIGNER.vote(DOMAIN, VoteKind.SKIP, view), None)


def write(directory: Path, *steps: Sequence[Persist], final_view: int = 0) -> None:
    log = VoteLog(directory)
    for step in steps:
        log.append(step, final_view)
    log.close()


def read(directory: Path, final_view: int = 0) -> tuple[tuple[Vote, ...], tuple[Proposal, ...]]:
    log = VoteLog(directory)
    restored = log.restored(final_view, b"\5" * 32)
    log.close()
    assert (restored.view, restored.block_hash) == (final_view, b"\5" * 32)
    return restored.votes, restored.proposals


def test_votes_and_proposals_come_back_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    first, second, third = notarize(1), skip(2), notarize(3)
    write(tmp_path, [first, second], [third])
    votes, proposals = read(tmp_path)
    assert votes == (first.vote, second.vote, third.vote)
    assert proposals == (first.proposal, third.proposal)


def test_votes_of_final_views_are_not_taken_up_again(tmp_path: Path) -> None:
    effects = [notarize(view) for view in range(1, 5)]
    write(tmp_path, effects)
    votes, proposals = read(tmp_path, final_view=2)
    assert [vote.view for vote in votes] == [3, 4]
    assert [proposal.view for proposal in proposals] == [3, 4]


def test_an_empty_log_restores_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "votes") == ((), ())


def test_a_vote_torn_by_a_power_cut_was_never_sent_and_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, [notarize(1)], [notarize(2)])
    path = tmp_path / "00000001.wal"
    path.write_bytes(path.read_bytes()[:-1])
    votes, _ = read(tmp_path)
    assert [vote.view for vote in votes] == [1]


def test_the_votes_of_one_step_are_all_there_or_none(tmp_path: Path) -> None:
    write(tmp_path, [notarize(1)])
    path = tmp_path / "00000001.wal"
    before = path.stat().st_size
    write(tmp_path, [skip(2), skip(3)])
    whole = path.read_bytes()
    for end in range(before, len(whole), 5):
        path.write_bytes(whole[:end])
        assert [vote.view for vote in read(tmp_path)[0]] == [1]


@pytest.mark.parametrize(
    "payload",
    [
        b"no rlp at all, whatever it is",
        rlp.encode(b"a string"),
        rlp.encode([b"a string"]),
        rlp.encode([[b"not a vote", b""]]),
        rlp.encode([[skip(1).vote.encode(), b"not a proposal"]]),
        rlp.encode([[skip(1).vote.encode()]]),
        rlp.encode([[skip(1).vote.encode(), b"", b""]]),
        b"\xf8\xff" * 15_000,
    ],
)
def test_a_sound_record_that_is_no_vote_is_corrupt(tmp_path: Path, payload: bytes) -> None:
    segments = Segments(tmp_path, "wal")
    segments.append([payload])
    segments.close()
    with pytest.raises(Corrupt, match=f"the vote log {tmp_path} holds a record that is no vote"):
        VoteLog(tmp_path)


# ── forgetting ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment for every step."""
    monkeypatch.setattr(wal, "SEGMENT_MAX_BYTES", 1)


@pytest.mark.usefixtures("small")
def test_segments_of_final_views_go_when_a_new_one_begins(tmp_path: Path) -> None:
    log = VoteLog(tmp_path)
    for view in range(1, 6):
        log.append([notarize(view)], final_view=view - 1)
    log.close()
    assert [vote.view for vote in read(tmp_path)[0]] == [5]


@pytest.mark.usefixtures("small")
def test_no_vote_above_the_final_view_is_ever_forgotten(tmp_path: Path) -> None:
    log = VoteLog(tmp_path)
    for view in range(1, 10):
        log.append([notarize(view)], final_view=3)
    log.close()
    assert {vote.view for vote in read(tmp_path)[0]} >= set(range(4, 10))


@pytest.mark.usefixtures("small")
def test_a_segment_stays_while_one_before_it_is_needed(tmp_path: Path) -> None:
    log = VoteLog(tmp_path)
    log.append([notarize(9)], final_view=0)
    for view in range(1, 5):
        log.append([skip(view)], final_view=5)
    log.close()
    assert 9 in {vote.view for vote in read(tmp_path)[0]}


@pytest.mark.usefixtures("small")
def test_a_log_that_was_opened_again_forgets_what_is_final(tmp_path: Path) -> None:
    write(tmp_path, *([notarize(view)] for view in range(1, 4)))
    write(tmp_path, [notarize(4)], final_view=3)
    assert [vote.view for vote in read(tmp_path)[0]] == [4]
