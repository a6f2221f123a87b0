"""The block log: records come back, segments go only when the databases hold their blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.db.damage import flip
from tests.db.samples import chain, stored, stored_blocks
from zg_node.db import log as block_log
from zg_node.db.log import BlockLog, BlockRecord
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt, InvalidMessage
from zg_node.types.block import StoredBlock
from zg_node.types.hashing import keccak

PINNED = "aa009286054b08b1ee086957e019a216"
"""The first half of the keccak of a record's disk form."""


def disk_form(record: BlockRecord) -> bytes:
    return b"".join(record.parts())


def replayed(directory: Path) -> list[BlockRecord]:
    log = BlockLog(directory)
    try:
        return list(log.replay())
    finally:
        log.close()


def test_the_disk_form_is_pinned() -> None:
    assert keccak(disk_form(BlockRecord(stored(7, 2), b"diff")))[:16].hex() == PINNED


@given(stored_blocks, st.binary(max_size=200))
def test_a_record_comes_back_from_its_disk_form(block: StoredBlock, diff: bytes) -> None:
    record = BlockRecord(block, diff)
    assert BlockRecord.decode(disk_form(record)) == record


@given(st.data())
def test_a_record_of_another_length_is_refused(data: st.DataObject) -> None:
    whole = disk_form(BlockRecord(stored(7, 2), b"diff"))
    cut = data.draw(st.integers(0, len(whole) - 1))
    more = data.draw(st.binary(min_size=1, max_size=10))
    for payload in (whole[:cut], whole + more):
        with pytest.raises(InvalidMessage):
            BlockRecord.decode(payload)


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_refused_or_parsed(payload: bytes) -> None:
    try:
        record = BlockRecord.decode(payload)
    except InvalidMessage:
        return
    assert disk_form(record) == payload


def test_committed_blocks_come_back_in_order(tmp_path: Path) -> None:
    records = [BlockRecord(block, b"diff %d" % block.number) for block in chain(5, 2)]
    log = BlockLog(tmp_path)
    for record in records:
        log.append(record)
    log.close()
    assert replayed(tmp_path) == records


def test_a_sound_record_that_is_no_block_is_corrupt(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "log")
    segments.append([b"something else"])
    segments.close()
    with pytest.raises(Corrupt, match="block record"):
        replayed(tmp_path)


def test_a_damaged_newest_block_is_named_with_what_to_do(tmp_path: Path) -> None:
    log = BlockLog(tmp_path)
    for block in chain(3):
        log.append(BlockRecord(block, b"diff"))
    log.close()
    path = tmp_path / "00000001.log"
    whole = path.read_bytes()
    path.write_bytes(flip(whole, 8 * len(whole) - 1))
    with pytest.raises(Corrupt, match=rf"the block log {tmp_path} is damaged: .* were durable\. Restore the shard's"):
        replayed(tmp_path)
    path.write_bytes(whole[:-1])
    with pytest.raises(Corrupt, match="has lost its end"):
        replayed(tmp_path)


def test_a_damaged_block_in_an_older_segment_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_log, "SEGMENT_MAX_BYTES", 1)
    log = BlockLog(tmp_path)
    for block in chain(3):
        log.append(BlockRecord(block, b"diff"))
    log.close()
    path = tmp_path / "00000002.log"
    path.write_bytes(flip(path.read_bytes(), 200))
    with pytest.raises(Corrupt, match=rf"the block log {tmp_path} is damaged: .* bad record .*\. Restore the shard's"):
        replayed(tmp_path)


@pytest.mark.parametrize(("durable", "kept"), [(-1, 0), (0, 0), (1, 2), (2, 2), (3, 4), (99, 4)])
def test_a_segment_goes_when_all_its_blocks_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: int, kept: int
) -> None:
    records = [BlockRecord(block, bytes(100)) for block in chain(5)]
    monkeypatch.setattr(block_log, "SEGMENT_MAX_BYTES", max(len(disk_form(record)) for record in records) + 12)
    log = BlockLog(tmp_path)
    for record in records:  # two in a segment
        log.append(record)
    log.truncate(durable)
    log.close()
    assert [record.block.number for record in replayed(tmp_path)] == [0, 1, 2, 3, 4][kept:]


def test_segments_that_were_replayed_can_be_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_log, "SEGMENT_MAX_BYTES", 1)
    log = BlockLog(tmp_path)
    for block in chain(3):
        log.append(BlockRecord(block, b"diff"))
    log.close()
    again = BlockLog(tmp_path)
    assert len(list(again.replay())) == 3
    again.truncate(1)
    again.close()
    assert [record.block.number for record in replayed(tmp_path)] == [2]
