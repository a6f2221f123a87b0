from pathlib import Path

import pytest

from zg_node.p2p.score import (
    BAN_MAX_S,
    BAN_S,
    FILE_MAX_BYTES,
    PEERS_MAX,
    POINTS_PER_S,
    Ban,
    BanFile,
    ScoreBook,
    decode_bans,
    encode_bans,
)

NOW = 1_700_000_000.0


def test_a_peer_begins_with_all_points_and_regains_what_it_lost() -> None:
    book = ScoreBook({})
    assert book.points("peer", NOW) == 100
    assert not book.charge("peer", 50, NOW)
    assert book.points("peer", NOW) == 50
    assert book.points("peer", NOW + 6) == pytest.approx(51)
    assert book.points("peer", NOW + 60 / POINTS_PER_S) == 100


def test_a_peer_without_points_is_banned_for_a_while() -> None:
    book = ScoreBook({})
    assert not book.charge("peer", 99, NOW)
    assert book.charge("peer", 1, NOW)
    assert book.is_banned("peer", NOW)
    assert book.is_banned("peer", NOW + BAN_S - 1)
    assert not book.is_banned("peer", NOW + BAN_S)
    assert book.points("peer", NOW + BAN_S) == 100
    assert not book.is_banned("other", NOW)


def test_bans_grow_twice_as_long_up_to_a_day() -> None:
    book, now = ScoreBook({}), int(NOW)
    lengths = []
    for _ in range(8):
        assert book.charge("peer", 100, now)
        lengths.append(book.bans["peer"].until_s - now)
        now = book.bans["peer"].until_s
    assert lengths[:4] == [BAN_S, 2 * BAN_S, 4 * BAN_S, 8 * BAN_S]
    assert lengths[-1] == BAN_MAX_S


def test_what_a_banned_peer_had_sent_before_does_not_prolong_its_ban() -> None:
    book = ScoreBook({})
    assert book.charge("peer", 100, NOW)
    assert not book.charge("peer", 100, NOW)
    assert book.bans["peer"] == Ban(int(NOW) + BAN_S, 1)


def test_a_clock_that_goes_back_takes_no_points() -> None:
    book = ScoreBook({})
    book.charge("peer", 10, NOW)
    assert book.points("peer", NOW - 1000) == 90


def test_scores_and_bans_are_bounded() -> None:
    book = ScoreBook({})
    for index in range(PEERS_MAX + 10):
        book.charge(f"bad-{index}", 100, NOW + index)
        book.charge(f"odd-{index}", 1, NOW)
    assert len(book.bans) == PEERS_MAX
    assert not book.is_banned("bad-0", NOW)
    assert book.is_banned(f"bad-{PEERS_MAX + 9}", NOW)
    assert book.points("odd-0", NOW) == 100
    assert book.points(f"odd-{PEERS_MAX + 9}", NOW) == 99


def test_a_ban_list_survives_the_disk(tmp_path: Path) -> None:
    bans = {"one": Ban(17, 1), "two": Ban(2**40, 9)}
    assert decode_bans(encode_bans(bans)) == bans
    file = BanFile(tmp_path / "bans.json")
    assert file.load() == {}
    file.save(bans)
    assert file.load() == bans
    assert [path.name for path in tmp_path.iterdir()] == ["bans.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"peer": 1}', '{"peer": [1]}', '{"peer": [-1, 1]}', '{"peer": ["1", 1]}', '{"p": [1, 0]}']
)
def test_a_damaged_ban_list_is_an_empty_one(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bans.json"
    path.write_text(text)
    assert BanFile(path).load() == {}


def test_a_ban_list_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "bans.json"
    path.write_text(encode_bans({"peer": Ban(1, 1)}) + " " * FILE_MAX_BYTES)
    assert BanFile(path).load() == {}
