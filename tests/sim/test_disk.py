"""The virtual disk under the real segments: it keeps what was synced, and loses no more than a disk may."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.sim.disk import VirtualDisk
from tests.sim.loop import PowerCut
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt

HOME = Path("/home/log")


def records(disk: VirtualDisk) -> list[bytes]:
    return [payload for _, payload in Segments(HOME, "log", disk).records()]


def append(log: Segments, record: bytes) -> None:
    log.append([record])
    log.sync()


def test_what_was_synced_survives_a_cut_at_any_operation() -> None:
    for seed in range(300):
        disk = VirtualDisk(Random(seed))
        synced: list[bytes] = []
        disk.cut_after = seed % 23
        try:
            log = Segments(HOME, "log", disk)
            for number in range(8):
                append(log, b"record %d" % number)
                synced.append(b"record %d" % number)
                if number == 4:
                    log.rotate()
        except PowerCut:
            disk.power_cut()
        disk.cut_after = None
        found = records(disk)
        assert found[: len(synced)] == synced
        assert len(found) <= len(synced) + 1


def test_a_sync_after_a_truncation_keeps_what_was_written_since() -> None:
    disk = VirtualDisk(Random(0))
    disk.make_directory(HOME)
    file = disk.append(HOME / "file")
    file.write([b"one two"])
    file.sync()
    file.truncate(4)
    file.write([b"six"])
    file.sync()
    disk.sync_directory(HOME)
    disk.power_cut()
    assert disk.read(HOME / "file") == b"one six"


def test_what_was_not_synced_is_lost_in_some_cuts_and_kept_in_others() -> None:
    found = set()
    for seed in range(100):
        disk = VirtualDisk(Random(seed))
        log = Segments(HOME, "log", disk)
        append(log, b"synced")
        log.append([b"not synced"])
        disk.power_cut()
        found.add(tuple(records(disk)))
    assert found == {(b"synced",), (b"synced", b"not synced")}


def test_a_file_open_before_the_cut_is_dead_after_it() -> None:
    disk = VirtualDisk(Random(0))
    log = Segments(HOME, "log", disk)
    disk.power_cut()
    with pytest.raises(PowerCut):
        log.append([b"from the grave"])


def test_a_full_disk_refuses_and_the_record_leaves_no_trace() -> None:
    disk = VirtualDisk(Random(0))
    log = Segments(HOME, "log", disk)
    append(log, b"one")
    disk.capacity = disk.used() + 5
    with pytest.raises(OSError, match="No space left"):
        log.append([b"two"])
    disk.capacity = None
    append(log, b"three")
    assert records(disk) == [b"one", b"three"]


def test_a_deaf_disk_keeps_nothing() -> None:
    disk = VirtualDisk(Random(1))
    log = Segments(HOME, "log", disk)
    append(log, b"one")
    disk.deaf = True
    for number in range(20):
        append(log, b"record %d" % number)
    disk.power_cut()
    with suppress(Corrupt):  # a mark may survive, and miss what the disk forgot
        assert len(records(disk)) < 21


def test_a_flipped_bit_is_noticed_or_harms_nothing() -> None:
    for seed in range(60):
        disk = VirtualDisk(Random(seed))
        log = Segments(HOME, "log", disk)
        for number in range(5):
            append(log, b"record %d" % number)
        if disk.rot() == str(HOME / "00000001.log"):
            with pytest.raises(Corrupt, match="bad record"):
                records(disk)
        else:
            assert records(disk) == [b"record %d" % number for number in range(5)]


def test_a_file_is_written_whole_or_not_at_all() -> None:
    disk = VirtualDisk(Random(0))
    disk.write_file(HOME / "file", b"old")
    disk.cut_after = 0
    with pytest.raises(PowerCut):
        disk.write_file(HOME / "file", b"new")
    disk.power_cut()
    assert disk.read(HOME / "file") == b"old"


def test_a_wiped_disk_is_empty() -> None:
    disk = VirtualDisk(Random(0))
    disk.write_file(HOME / "file", b"old")
    disk.wipe()
    assert not disk.exists(HOME / "file")
    assert disk.used() == 0
