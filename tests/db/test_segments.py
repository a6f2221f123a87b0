"""Segment files: what was appended comes back, a torn end is cut off, everything else is Corrupt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.db.damage import flip
from tests.sim.disk import VirtualDisk
from zg_node.db.files import AppendFile, SystemFiles
from zg_node.db.mark import durable_length
from zg_node.db.segments import RECORD_MAX_BYTES, Segments
from zg_node.errors import Corrupt

HEAD_BYTES = 12
RECORD = b"the first record"
PINNED = bytes.fromhex("5a4752310000001039357de3") + RECORD


def write(directory: Path, *records: bytes) -> None:
    """Append, sync and close."""
    log = Segments(directory, "log")
    for record in records:
        log.append([record])
        log.sync()
    log.close()


def begin(directory: Path, record: bytes) -> Path:
    """Append without syncing; returns the segment."""
    log = Segments(directory, "log")
    log.append([record])
    log.close()
    return directory / f"{log.current:08d}.log"


def read(directory: Path) -> list[tuple[int, bytes]]:
    log = Segments(directory, "log")
    try:
        return list(log.records())
    finally:
        log.close()


def test_the_disk_form_is_pinned(tmp_path: Path) -> None:
    write(tmp_path, RECORD)
    assert (tmp_path / "00000001.log").read_bytes() == PINNED


@settings(max_examples=50)
@given(st.lists(st.lists(st.binary(max_size=100), min_size=1, max_size=4).filter(any), max_size=12), st.data())
def test_records_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, records: list[list[bytes]], data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("segments")
    log = Segments(directory, "log")
    expected = []
    for parts in records:
        if data.draw(st.booleans(), label="rotate"):
            log.rotate()
        log.append(parts)
        expected.append((log.current, b"".join(parts)))
    log.close()
    assert read(directory) == expected


def test_appending_goes_on_after_reopening(tmp_path: Path) -> None:
    write(tmp_path, b"one")
    write(tmp_path, b"two")
    assert read(tmp_path) == [(1, b"one"), (1, b"two")]


@pytest.mark.parametrize("record", [b"", bytes(RECORD_MAX_BYTES + 1)])
def test_a_record_of_an_impossible_size_is_our_own_bug(tmp_path: Path, record: bytes) -> None:
    log = Segments(tmp_path, "log")
    with pytest.raises(ValueError, match="a record of"):
        log.append([record])
    log.close()


# ── torn ends ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_cut_anywhere_is_dropped_and_the_others_stay(tmp_path: Path) -> None:
    write(tmp_path, b"one")
    path = begin(tmp_path, b"two")
    whole = path.read_bytes()
    second = HEAD_BYTES + len(b"one")
    for end in range(second, len(whole)):
        path.write_bytes(whole[:end])
        assert read(tmp_path) == [(1, b"one")]
        assert path.stat().st_size == second, "the torn end stays"


@pytest.mark.parametrize("garbage", [bytes(5), bytes(4096), b"ZGR1", b"ZGR1" + b"\xff" * 8, b"\xff" * 100])
def test_garbage_at_the_end_is_cut_off_and_written_over(tmp_path: Path, garbage: bytes) -> None:
    write(tmp_path, b"one")
    with (tmp_path / "00000001.log").open("ab") as file:
        file.write(garbage)
    write(tmp_path, b"two")
    assert read(tmp_path) == [(1, b"one"), (1, b"two")]


def test_a_payload_that_looks_like_a_record_does_not_pose_as_one(tmp_path: Path) -> None:
    write(tmp_path / "other", b"inner")
    inner = (tmp_path / "other" / "00000001.log").read_bytes()
    write(tmp_path / "log", b"one")
    path = begin(tmp_path / "log", inner + inner)
    path.write_bytes(path.read_bytes()[:-1])
    assert read(tmp_path / "log") == [(1, b"one")]


def test_a_torn_payload_full_of_false_beginnings_is_cut_off_soon(tmp_path: Path) -> None:
    false = b"ZGR1" + (2_000_000).to_bytes(4, "big") + bytes(4)
    write(tmp_path, b"one")
    path = begin(tmp_path, false * 400_000)
    path.write_bytes(path.read_bytes()[:-1])
    assert read(tmp_path) == [(1, b"one")]


class FullFile:
    """Writes through until it is full; then only the beginning of a write arrives."""

    def __init__(self, file: AppendFile) -> None:
        self.full = False
        self.truncate, self.sync, self.close = file.truncate, file.sync, file.close
        self._file = file

    def write(self, parts: Sequence[bytes]) -> None:
        self._file.write([parts[0][:7]] if self.full else parts)
        if self.full:
            raise OSError("the disk is full")


class FullFiles(SystemFiles):
    """A disk whose open files can be told that they are full."""

    def __init__(self) -> None:
        self.open: dict[str, FullFile] = {}

    def append(self, path: Path) -> AppendFile:
        self.open[path.name] = FullFile(super().append(path))
        return self.open[path.name]


def test_a_failed_append_leaves_no_trace(tmp_path: Path) -> None:
    files = FullFiles()
    log = Segments(tmp_path, "log", files)
    log.append([b"one"])
    files.open["00000001.log"].full = True
    with pytest.raises(OSError, match="the disk is full"):
        log.append([b"two"])
    files.open["00000001.log"].full = False
    log.append([b"three"])
    log.close()
    assert read(tmp_path) == [(1, b"one"), (1, b"three")]


def test_a_mark_that_finds_no_room_is_written_with_the_next_record(tmp_path: Path) -> None:
    files = FullFiles()
    log = Segments(tmp_path, "log", files)
    files.open["00000001.durable"].full = True
    log.append([b"one"])
    with pytest.raises(OSError, match="the disk is full"):
        log.sync()
    files.open["00000001.durable"].full = False
    log.append([b"two"])
    log.sync()
    log.close()
    assert durable_length((tmp_path / "00000001.durable").read_bytes(), 1) == 2 * (HEAD_BYTES + 3)
    assert read(tmp_path) == [(1, b"one"), (1, b"two")]


# ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────────────

THREE = [(1, b"one"), (2, b"two"), (3, b"three")]


def rotated(directory: Path) -> Path:
    """Write THREE, a segment each."""
    for segment, record in THREE:
        log = Segments(directory, "log")
        if segment > 1:
            log.rotate()
        log.append([record])
        log.sync()
        log.close()
    return directory


def test_a_flipped_bit_before_a_sound_record_is_corrupt(tmp_path: Path) -> None:
    write(tmp_path, b"one", b"two")
    path = tmp_path / "00000001.log"
    whole = path.read_bytes()
    for bit in range(8 * (HEAD_BYTES + len(b"one"))):
        path.write_bytes(flip(whole, bit))
        with pytest.raises(Corrupt, match="bad record at byte 0"):
            read(tmp_path)


@pytest.mark.parametrize("segment", [1, 2, 3])
def test_a_flipped_bit_in_the_last_record_of_any_segment_is_corrupt(tmp_path: Path, segment: int) -> None:
    path = rotated(tmp_path) / f"{segment:08d}.log"
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        path.write_bytes(flip(whole, bit))
        with pytest.raises(Corrupt, match=rf"0000000{segment}\.log: bad record at byte 0"):
            read(tmp_path)
    path.write_bytes(whole)
    assert read(tmp_path) == THREE


@pytest.mark.parametrize("segment", [1, 2, 3])
def test_a_segment_that_lost_its_end_is_corrupt(tmp_path: Path, segment: int) -> None:
    path = rotated(tmp_path) / f"{segment:08d}.log"
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(Corrupt, match=rf"0000000{segment}\.log has lost its end"):
            read(tmp_path)


def test_how_long_a_finished_segment_is_survives_a_power_cut() -> None:
    directory = Path("/log")
    for seed in range(20):
        disk = VirtualDisk(Random(seed))
        log = Segments(directory, "log", disk)
        log.append([b"one"])
        log.rotate()
        disk.power_cut()
        disk.cut(directory / "00000001.log", 0)
        with pytest.raises(Corrupt, match=r"00000001\.log has lost its end"):
            Segments(directory, "log", disk)


def test_the_last_segment_is_missed_when_it_is_gone(tmp_path: Path) -> None:
    (rotated(tmp_path) / "00000003.log").unlink()
    with pytest.raises(Corrupt, match=r"00000003\.log is missing: 17 bytes of it were durable"):
        read(tmp_path)


def test_a_record_that_was_found_whole_is_durable_from_then_on(tmp_path: Path) -> None:
    """A process that is killed before its sync leaves the record to the next one, which may act on it."""
    path = begin(tmp_path, b"one")
    assert read(tmp_path) == [(1, b"one")]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Corrupt, match="has lost its end"):
        read(tmp_path)


def test_a_missing_segment_is_corrupt(tmp_path: Path) -> None:
    log = Segments(tmp_path, "log")
    for record in (b"one", b"two", b"three"):
        log.append([record])
        log.rotate()
    log.close()
    (tmp_path / "00000002.log").unlink()
    with pytest.raises(Corrupt, match="a segment is missing between 00000001 and 00000004"):
        Segments(tmp_path, "log")


def test_records_that_changed_places_are_not_taken(tmp_path: Path) -> None:
    write(tmp_path, b"one", b"two", b"end")
    path = tmp_path / "00000001.log"
    whole = path.read_bytes()
    size = HEAD_BYTES + 3
    path.write_bytes(whole[size : 2 * size] + whole[:size] + whole[2 * size :])
    with pytest.raises(Corrupt, match="bad record at byte 0"):
        read(tmp_path)


# ── dropping ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_oldest_segments_are_dropped_and_never_the_current_one(tmp_path: Path) -> None:
    log = Segments(tmp_path, "log")
    for record in (b"one", b"two", b"three"):
        log.append([record])
        log.rotate()
    log.append([b"four"])
    log.drop([1, 2, 4])
    log.close()
    assert read(tmp_path) == [(3, b"three"), (4, b"four")]


def test_a_segment_behind_one_that_is_kept_is_kept(tmp_path: Path) -> None:
    log = Segments(tmp_path, "log")
    for record in (b"one", b"two"):
        log.append([record])
        log.rotate()
    log.drop([2])
    log.close()
    assert read(tmp_path) == [(1, b"one"), (2, b"two")]


def test_other_files_in_the_directory_are_left_alone(tmp_path: Path) -> None:
    for name in ("1.log", "00000001.wal", "00000001.log.bak", "x00000001.log"):
        (tmp_path / name).write_bytes(b"?")
    write(tmp_path, b"one")
    assert read(tmp_path) == [(1, b"one")]
