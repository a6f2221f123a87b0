"""What is sound in damaged segments stays, in its order, and can be appended to, also after a power cut."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.sim.disk import VirtualDisk
from tests.sim.loop import PowerCut
from zg_node.db.files import Files
from zg_node.db.salvage import salvage
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt

HOME = Path("/log")
RECORDS = [bytes([number]) * (10 + number) for number in range(9)]


def three_segments(files: Files) -> None:
    """RECORDS, three a segment."""
    log = Segments(HOME, "log", files)
    for place, record in enumerate(RECORDS):
        if place in (3, 6):
            log.rotate()
        log.append([record])
        log.sync()
    log.close()


def payloads(files: Files) -> list[bytes]:
    log = Segments(HOME, "log", files)
    found = [payload for _, payload in log.records()]
    log.close()
    return found


def flip(disk: VirtualDisk, segment: int, place: int) -> None:
    path = HOME / f"{segment:08d}.log"
    content = bytearray(disk.read(path))
    content[place] ^= 1
    disk.write_file(path, bytes(content))


def test_a_flipped_byte_anywhere_costs_one_record() -> None:
    for segment in (1, 2, 3):
        places = range(3 * 12 + sum(map(len, RECORDS[3 * segment - 3 : 3 * segment])))
        for place in places:
            disk = VirtualDisk(Random(1))
            three_segments(disk)
            flip(disk, segment, place)
            with pytest.raises(Corrupt):
                payloads(disk)
            salvage(HOME, "log", disk)
            disk.power_cut()
            assert disk.names(HOME) == ["00000004.log"]
            kept = payloads(disk)
            assert [record for record in RECORDS if record in kept] == kept
            assert len(kept) == 8, (segment, place)
            log = Segments(HOME, "log", disk)
            log.append([b"another"])
            log.sync()
            log.close()
            assert payloads(disk) == [*kept, b"another"]


def test_a_segment_that_is_gone_costs_its_records() -> None:
    disk = VirtualDisk(Random(1))
    three_segments(disk)
    disk.remove(HOME / "00000002.log")
    with pytest.raises(Corrupt):
        payloads(disk)
    salvage(HOME, "log", disk)
    assert payloads(disk) == RECORDS[:3] + RECORDS[6:]


def test_what_only_marks_remember_becomes_an_empty_log() -> None:
    disk = VirtualDisk(Random(1))
    three_segments(disk)
    for segment in (1, 2, 3):
        disk.remove(HOME / f"{segment:08d}.log")
    salvage(HOME, "log", disk)
    assert payloads(disk) == []


def test_after_a_power_cut_all_sound_records_are_there_in_their_order() -> None:
    cuts = 0
    for seed in range(80):
        disk = VirtualDisk(Random(seed))
        three_segments(disk)
        flip(disk, 1, 15)
        disk.cut_after = seed % 16
        with suppress(PowerCut):
            salvage(HOME, "log", disk)
            disk.cut_after = None
        cuts += disk.cut_after is not None
        disk.power_cut()
        salvage(HOME, "log", disk)
        kept = payloads(disk)
        assert kept[-8:] == RECORDS[1:]
        assert set(kept) == set(RECORDS[1:])
    assert cuts > 30
