"""The vote log: what was signed is there after a restart, and forgotten only when it is final."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import rlp
from coincurve import PrivateKey

from tests.consensus.blocks import GENESIS, block_on
from tests.db.damage import flip
from zg_node.consensus import wal
from zg_node.consensus.instance import Persist
from zg_node.consensus.messages import Certificate, Domain, Proposal, Vote, VoteKind
from zg_node.consensus.votes import Signer, address_of
from zg_node.consensus.wal import Identity, VoteLog
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt

DOMAIN = Domain(b"\7" * 32, 1_660_200, 0)
SIGNER = Signer(PrivateKey(b"\1" * 32), 0)
IDENTITY = Identity(DOMAIN.network, DOMAIN.chain_id, address_of(PrivateKey(b"\1" * 32).public_key))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of the votes in a shard's folder."""
    return tmp_path / "shard-0" / "votes"


def opened(directory: Path, identity: Identity = IDENTITY) -> VoteLog:
    """The log of a shard, as a node opens it."""
    return VoteLog(directory, register(directory), identity)


def register(directory: Path) -> Path:
    """Where the node's folder says who has voted."""
    return directory.parent.parent / "voters" / "shard-0"


def notarize(view: int, salt: int = 0, epoch: int = 0) -> Persist:
    block = block_on(GENESIS, view, salt)
    proposal = SIGNER.proposal(DOMAIN, view, view - 1, block)
    return Persist(SIGNER.vote(replace(DOMAIN, epoch=epoch), VoteKind.NOTARIZE, view, block.hash), proposal)


def skip(view: int, epoch: int = 0) -> Persist:
    return Persist(SIGNER.vote(replace(DOMAIN, epoch=epoch), VoteKind.SKIP, view), None)


def resting_on(effect: Persist, *views: int) -> Persist:
    return replace(effect, certificates=tuple(Certificate(VoteKind.SKIP, 0, v, bytes(32), ()) for v in views))


def write(directory: Path, *steps: Sequence[Persist], final_view: int = 0) -> None:
    log = opened(directory)
    for step in steps:
        log.append(step, 0, final_view)
    log.close()


def unmark(directory: Path) -> None:
    """Take the marks away: the power went before they reached the disk."""
    for path in directory.glob("*.durable"):
        path.unlink()


def read(directory: Path, final_view: int = 0, epoch: int = 0) -> tuple[tuple[Vote, ...], tuple[Proposal, ...]]:
    log = opened(directory)
    restored = log.restored(epoch, final_view, 9, b"\5" * 32)
    log.close()
    assert (restored.view, restored.number, restored.block_hash) == (final_view, 9, b"\5" * 32)
    return restored.votes, restored.proposals


def test_votes_and_proposals_come_back_in_the_order_in_which_they_were_written(home: Path) -> None:
    first, second, third = notarize(1), skip(2), notarize(3)
    write(home, [first, second], [third])
    votes, proposals = read(home)
    assert votes == (first.vote, second.vote, third.vote)
    assert proposals == (first.proposal, third.proposal)


def test_votes_of_final_views_are_not_taken_up_again(home: Path) -> None:
    effects = [notarize(view) for view in range(1, 5)]
    write(home, effects)
    votes, proposals = read(home, final_view=2)
    assert [vote.view for vote in votes] == [3, 4]
    assert [proposal.view for proposal in proposals] == [3, 4]


def test_an_empty_log_restores_nothing(home: Path) -> None:
    assert read(home) == ((), ())


def test_what_a_vote_rests_on_comes_back_with_it(home: Path) -> None:
    write(home, [resting_on(skip(3), 1, 2)], [resting_on(notarize(4), 3)])
    log = opened(home)
    assert [c.view for c in log.restored(0, 1, 0, bytes(32)).certificates] == [2, 3]
    log.close()


def test_every_epoch_takes_up_its_own_votes(home: Path) -> None:
    """A node whose chain is older than its vote log meets the votes of the next epoch when it gets there."""
    write(home, [notarize(5)], [notarize(6, epoch=1)], [skip(4, epoch=1)])
    log = opened(home)
    assert [(v.epoch, v.view) for v in log.restored(0, 2, 2, bytes(32)).votes] == [(0, 5)]
    assert [(v.epoch, v.view) for v in log.restored(1, 3, 3, bytes(32)).votes] == [(1, 6), (1, 4)]
    assert log.restored(2, 9, 9, bytes(32)).votes == ()
    log.close()


# ── whose log it is ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_log_that_is_gone_stops_a_validator_that_has_voted(home: Path) -> None:
    write(home, [notarize(1)])
    shutil.rmtree(home)
    with pytest.raises(Corrupt, match=r"is gone, and it has voted before\. Restore it from a copy"):
        opened(home)
    assert home.with_name("voter").read_text() == f"0x{IDENTITY.address.hex()}\n"


def test_a_log_that_went_with_all_of_its_shard_stops_a_validator_that_has_voted(home: Path) -> None:
    write(home, [notarize(1)])
    shutil.rmtree(home.parent)
    with pytest.raises(Corrupt, match=rf"is gone, and it has voted before\. .* remove {register(home)}$"):
        opened(home)
    assert register(home).read_text() == f"0x{IDENTITY.address.hex()} {IDENTITY.network.hex()}\n"


def test_what_a_folder_of_before_says_about_voters_is_taken_over_at_its_next_start(home: Path) -> None:
    write(home, [notarize(1)])
    register(home).unlink()
    opened(home).close()
    shutil.rmtree(home.parent)
    with pytest.raises(Corrupt, match="is gone"):
        opened(home)


def test_a_log_that_never_held_a_vote_may_be_lost(home: Path) -> None:
    opened(home).close()
    shutil.rmtree(home.parent)
    assert read(home) == ((), ())


def test_a_key_may_begin_anew_on_another_network(home: Path) -> None:
    write(home, [notarize(1)])
    shutil.rmtree(home.parent)
    opened(home, replace(IDENTITY, network=b"\1" * 32)).close()


def test_who_votes_is_noted_before_the_vote_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        assert register(home).exists()
        raise OSError("the disk is gone")

    log = opened(home)
    monkeypatch.setattr(Segments, "append", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        log.append([notarize(1)], 0, 0)
    log.close()


def test_a_log_whose_first_segment_was_emptied_stops_the_node(home: Path) -> None:
    write(home, [notarize(1)])
    (home / "00000001.wal").write_bytes(b"")
    with pytest.raises(Corrupt, match=r"the vote log is damaged: .* has lost its end: .*\. Restore it from a copy"):
        opened(home)
    unmark(home)
    with pytest.raises(Corrupt, match="is gone"):
        opened(home)


def test_a_crash_before_anything_was_signed_is_no_loss(home: Path) -> None:
    """Wherever the head of the log ends: nobody has voted yet."""
    opened(home).close()
    head = (home / "00000001.wal").read_bytes()
    for end in range(0, len(head) + 1, 7):
        (home / "00000001.wal").write_bytes(head[:end])
        unmark(home)
        opened(home).close()


@pytest.mark.parametrize(
    "other",
    [
        replace(IDENTITY, address=b"\1" * 20),
        replace(IDENTITY, chain_id=1_660_201),
        replace(IDENTITY, network=b"\1" * 32),
    ],
    ids=["validator", "chain", "network"],
)
def test_the_log_of_another_is_not_taken(home: Path, other: Identity) -> None:
    write(home, [notarize(1)])
    with pytest.raises(Corrupt, match=f"is of validator 0x{IDENTITY.address.hex()} on chain 1660200"):
        opened(home, other)


def test_another_key_may_vote_from_the_home_once_the_log_is_moved_aside(home: Path) -> None:
    write(home, [notarize(1)])
    home.rename(home.with_name("votes-of-the-old-key"))
    other = replace(IDENTITY, address=b"\1" * 20)
    log = opened(home, other)
    log.append([notarize(1)], 0, 0)
    log.close()
    shutil.rmtree(home)
    for identity in (IDENTITY, other):
        with pytest.raises(Corrupt, match="is gone"):
            opened(home, identity)


def test_the_log_of_an_earlier_development_version_is_named_as_such(home: Path) -> None:
    segments = Segments(home, "wal")
    segments.append([rlp.encode([[skip(1).vote.encode(), b""]])])
    segments.close()
    with pytest.raises(Corrupt, match="a development version before this one wrote it"):
        opened(home)


def test_a_damaged_record_with_votes_behind_it_stops_the_node_with_advice(home: Path) -> None:
    write(home, [notarize(1)], [skip(2)])
    path = home / "00000001.wal"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(Corrupt, match=r"the vote log is damaged: .*\. Restore it from a copy"):
        opened(home)


def test_a_flipped_bit_in_the_newest_vote_stops_the_node_with_advice(home: Path) -> None:
    write(home, [notarize(1)], [skip(2)])
    path = home / "00000001.wal"
    whole = path.read_bytes()
    for bit in (8 * len(whole) - 1, 8 * len(whole) - 500):
        path.write_bytes(flip(whole, bit))
        with pytest.raises(Corrupt, match=r"the vote log is damaged: .* were durable\. Restore it from a copy"):
            opened(home)


# ── torn ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_vote_torn_by_a_power_cut_was_never_sent_and_is_dropped(home: Path) -> None:
    write(home, [notarize(1)], [notarize(2)])
    path = home / "00000001.wal"
    path.write_bytes(path.read_bytes()[:-1])
    unmark(home)
    votes, _ = read(home)
    assert [vote.view for vote in votes] == [1]


def test_the_votes_of_one_step_are_all_there_or_none(home: Path) -> None:
    write(home, [notarize(1)])
    path = home / "00000001.wal"
    before = path.stat().st_size
    write(home, [skip(2), skip(3)])
    whole = path.read_bytes()
    for end in range(before, len(whole), 5):
        path.write_bytes(whole[:end])
        unmark(home)
        assert [vote.view for vote in read(home)[0]] == [1]


@pytest.mark.parametrize(
    "payload",
    [
        b"no rlp at all, whatever it is",
        rlp.encode(b"a string"),
        rlp.encode([b"a string"]),
        rlp.encode([[b"not a vote", b""]]),
        rlp.encode([[skip(1).vote.encode(), b"not a proposal", []]]),
        rlp.encode([[skip(1).vote.encode(), b"", [b"not a certificate"]]]),
        rlp.encode([[skip(1).vote.encode(), b""]]),
        rlp.encode([[skip(1).vote.encode(), b"", b"\5"]]),
        rlp.encode([[skip(1).vote.encode(), b"", [], b""]]),
        b"\xf8\xff" * 15_000,
    ],
)
def test_a_sound_record_that_is_no_vote_is_corrupt(home: Path, payload: bytes) -> None:
    segments = Segments(home, "wal")
    segments.append([IDENTITY.encode()])
    segments.append([payload])
    segments.close()
    with pytest.raises(Corrupt, match=f"the vote log {home} holds a record that is no vote"):
        opened(home)


# ── forgetting ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment for every step."""
    monkeypatch.setattr(wal, "SEGMENT_MAX_BYTES", 1)


@pytest.mark.usefixtures("small")
def test_segments_of_final_views_go_when_a_new_one_begins(home: Path) -> None:
    log = opened(home)
    for view in range(1, 6):
        log.append([notarize(view)], epoch=0, final_view=view - 1)
    log.close()
    assert [vote.view for vote in read(home)[0]] == [5]


@pytest.mark.usefixtures("small")
def test_no_vote_above_the_final_view_is_ever_forgotten(home: Path) -> None:
    log = opened(home)
    for view in range(1, 10):
        log.append([notarize(view)], epoch=0, final_view=3)
    log.close()
    assert {vote.view for vote in read(home)[0]} >= set(range(4, 10))


@pytest.mark.usefixtures("small")
def test_a_segment_stays_while_one_before_it_is_needed(home: Path) -> None:
    log = opened(home)
    log.append([notarize(9)], epoch=0, final_view=0)
    for view in range(1, 5):
        log.append([skip(view)], epoch=0, final_view=5)
    log.close()
    assert 9 in {vote.view for vote in read(home)[0]}


@pytest.mark.usefixtures("small")
def test_a_crash_while_a_segment_begins_loses_nothing(home: Path) -> None:
    write(home, [notarize(1)], [notarize(2)])
    path = max(home.glob("*.wal"))
    whole = path.read_bytes()
    for end in (0, 5, 40):
        path.write_bytes(whole[:end])
        unmark(home)
        assert [vote.view for vote in read(home)[0]] == [1]


@pytest.mark.usefixtures("small")
def test_a_log_that_was_opened_again_forgets_what_is_final(home: Path) -> None:
    write(home, *([notarize(view)] for view in range(1, 4)))
    write(home, [notarize(4)], final_view=3)
    assert [vote.view for vote in read(home)[0]] == [4]
