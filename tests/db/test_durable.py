"""Names and small files that outlive a power cut; that they do is judged in tests/faults/power_cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from zg_node.db.durable import DRAFT, make_database, make_directory, write_file


def test_directories_are_made_with_their_parents(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b" / "c", mode=0o700)
    assert (tmp_path / "a" / "b" / "c").stat().st_mode & 0o777 == 0o700
    make_directory(tmp_path / "a" / "b" / "c")


def test_a_file_is_replaced_and_no_draft_stays(tmp_path: Path) -> None:
    write_file(tmp_path / "file", b"old")
    (tmp_path / f"file{DRAFT}").write_bytes(b"a draft that a cut left")
    write_file(tmp_path / "file", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"new"}


def test_a_file_stays_as_it_was_when_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    write_file(tmp_path / "file", b"old")
    (tmp_path / f"file{DRAFT}").mkdir()
    with pytest.raises(OSError, match="file"):
        write_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"


def make(path: Path) -> None:
    path.mkdir()
    (path / "CURRENT").write_text("whole")


def test_a_database_is_made_once(tmp_path: Path) -> None:
    make_database(tmp_path / "db", make)
    make_database(tmp_path / "db", lambda path: pytest.fail("it is there"))
    assert [path.name for path in tmp_path.iterdir()] == ["db"]
    assert (tmp_path / "db" / "CURRENT").read_text() == "whole"


def test_a_database_that_could_not_be_made_is_not_there(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        make(path)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        make_database(tmp_path / "db", fail)
    assert not (tmp_path / "db").exists()
    make_database(tmp_path / "db", make)
    assert [path.name for path in tmp_path.iterdir()] == ["db"]
