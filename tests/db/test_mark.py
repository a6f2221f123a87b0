"""The marks of segments: the last sound entry counts, whatever became of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.db.damage import flip
from zg_node.db.files import SYSTEM
from zg_node.db.mark import Mark, durable_length

ENTRY_BYTES = 12
PINNED = "0000000000000117" + "4ffec316"


def written(path: Path, *lengths: int, segment: int = 3) -> bytes:
    mark = Mark(path, segment, SYSTEM)
    for length in lengths:
        mark.note(length)
    mark.finish()
    return path.read_bytes()


def test_the_disk_form_is_pinned(tmp_path: Path) -> None:
    assert written(tmp_path / "mark", 279).hex() == PINNED


def test_the_last_length_counts(tmp_path: Path) -> None:
    assert durable_length(written(tmp_path / "mark", 100, 200, 300), 3) == 300
    assert durable_length(written(tmp_path / "mark", 400), 3) == 400, "a reopened mark goes on"


def test_an_empty_mark_proves_nothing() -> None:
    assert durable_length(b"", 3) == 0


def test_the_mark_of_another_segment_proves_nothing(tmp_path: Path) -> None:
    assert durable_length(written(tmp_path / "mark", 100), 4) == 0


def test_a_flipped_bit_falls_back_to_the_entry_before(tmp_path: Path) -> None:
    whole = written(tmp_path / "mark", 100, 200)
    for bit in range(8 * ENTRY_BYTES, 8 * len(whole)):
        assert durable_length(flip(whole, bit), 3) == 100


@pytest.mark.parametrize("end", range(2 * ENTRY_BYTES))
def test_a_torn_entry_is_written_over(tmp_path: Path, end: int) -> None:
    path = tmp_path / "mark"
    path.write_bytes(written(tmp_path / "whole", 100, 200)[:end])
    assert durable_length(path.read_bytes(), 3) == 100 * (end // ENTRY_BYTES)
    assert durable_length(written(path, 300), 3) == 300


@given(st.binary(max_size=100))
def test_garbage_proves_nothing(data: bytes) -> None:
    assert durable_length(data, 3) == 0


def test_the_same_length_is_noted_once(tmp_path: Path) -> None:
    assert len(written(tmp_path / "mark", 100, 100, 100)) == ENTRY_BYTES
