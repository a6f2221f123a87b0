"""What was synced is there after any cut, what is damaged is found and never served, and the limit holds."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.da.rowdisk import RowDisk
from tests.sim.loop import PowerCut
from zg_node.da.certificate import Blob
from zg_node.da.encoding import BlobHeader
from zg_node.da.extent import Added, Extent, Forgotten, decode_record, runs_of
from zg_node.da.messages import Row
from zg_node.da.shelf import Shelf
from zg_node.da.store import OPEN_MAX, Store
from zg_node.db.segments import Segments
from zg_node.errors import Corrupt, InvalidMessage, Unavailable

HOME = Path("/home/da")
LENGTH = 4096
ROW, PATH, SLOT = 256, 192, 452
CHECKSUMS = bytes(range(256))
PLENTY = 1 << 30


def header_of(number: int) -> bytes:
    return BlobHeader(16, 48, ROW, LENGTH, number.to_bytes(32, "big"), bytes(32)).encode()


def blob_of(number: int, expiry: int = 9) -> Blob:
    return Blob(BlobHeader.parse(header_of(number)).commitment, LENGTH, 0, 7, expiry)


def rows_of(number: int, indices: Sequence[int]) -> list[Row]:
    return [
        (index, Random(f"{number} {index}").randbytes(ROW), Random(f"p{number} {index}").randbytes(PATH))
        for index in indices
    ]


def add(store: Store, number: int, indices: Sequence[int], expiry: int = 9) -> None:
    store.add(blob_of(number, expiry), header_of(number), CHECKSUMS, rows_of(number, indices))


def test_rows_that_were_added_are_read_as_they_were_before_and_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "da", PLENTY)
    for number, expiry in ((1, 9), (2, 9), (3, 12)):
        add(store, number, range(60, 64), expiry)
        add(store, number, range(10), expiry)
    for _ in range(2):
        for number, expiry in ((1, 9), (2, 9), (3, 12)):
            blob = blob_of(number, expiry)
            assert store.rows(blob, (0, 63, 9, 20)) == rows_of(number, (0, 63, 9))
            assert store.checksums(blob) == CHECKSUMS
            assert store.lacking(blob, range(64)) == tuple(range(10, 60))
        assert set(store.blobs()) == {blob_of(1), blob_of(2), blob_of(3, 12)}
        store.sync()
        store.close()
        store = Store(tmp_path / "da", PLENTY)
    store.close()


def test_what_is_here_is_not_written_again() -> None:
    store = Store(HOME, PLENTY, RowDisk(Random(1)))
    add(store, 1, range(10))
    used = store.used_bytes
    assert used == 10 * SLOT + len(CHECKSUMS) + 4
    add(store, 1, range(5, 10))
    assert store.used_bytes == used
    add(store, 1, range(5, 12))
    assert store.used_bytes == used + 2 * SLOT


def test_the_same_bytes_requested_twice_are_two_blobs() -> None:
    store = Store(HOME, PLENTY, RowDisk(Random(1)))
    add(store, 1, range(3), 9)
    add(store, 1, range(5, 8), 12)
    assert store.blobs_of(blob_of(1).commitment) == (blob_of(1, 9), blob_of(1, 12))
    assert store.rows(blob_of(1, 12), range(9)) == rows_of(1, range(5, 8))


def test_a_full_store_says_so_and_keeps_what_it_has() -> None:
    store = Store(HOME, 10 * SLOT + 300, RowDisk(Random(1)))
    add(store, 1, range(10))
    with pytest.raises(Unavailable, match=r"the store is full: 4,780 of 4,820 bytes are used"):
        add(store, 2, range(1))
    store.sync()
    assert store.rows(blob_of(1), range(10)) == rows_of(1, range(10))
    assert store.rows(blob_of(2), range(10)) == []


def test_a_full_disk_is_refused_and_leaves_no_trace() -> None:
    disk = RowDisk(Random(1))
    store = Store(HOME, PLENTY, disk)
    add(store, 1, range(3))
    disk.capacity = disk.used() + SLOT
    with pytest.raises(Unavailable, match="rows cannot be written: No space left"):
        add(store, 2, range(10))
    disk.capacity = None
    add(store, 3, range(5))
    store.sync()
    again = Store(HOME, PLENTY, disk)
    assert set(again.blobs()) == {blob_of(1), blob_of(3)}
    assert again.rows(blob_of(3), range(5)) == rows_of(3, range(5))


def test_however_many_epochs_there_are_few_files_are_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    store = Store(tmp_path / "da", PLENTY)
    for expiry in range(100, 140):
        add(store, expiry, range(2), expiry)
        store.sync()
    assert open_files() - before <= 3 * OPEN_MAX
    add(store, 1, range(2), 100)
    store.sync()
    store.close()
    assert open_files() == before
    again = Store(tmp_path / "da", PLENTY)
    assert open_files() == before
    assert len(again.blobs()) == 41
    assert again.rows(blob_of(1, 100), range(2)) == rows_of(1, range(2))


# ── power cuts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_synced_survives_a_cut_at_any_operation() -> None:
    cuts = 0
    for seed in range(400):
        disk = RowDisk(Random(seed))
        disk.cut_after = seed % 80
        synced: list[tuple[int, int]] = []
        with suppress(PowerCut):
            live(Store(HOME, PLENTY, disk), synced)
            disk.cut_after = None
        cuts += disk.cut_after is not None
        disk.power_cut()
        store = Store(HOME, PLENTY, disk)
        for number, row in synced:
            assert store.rows(blob_of(number), [row]) == rows_of(number, [row]), (seed, number, row)
        for blob in store.blobs():
            assert store.checksums(blob) == CHECKSUMS
        add(store, 50, range(8))
        store.sync()
        disk.power_cut()
        assert Store(HOME, PLENTY, disk).rows(blob_of(50), range(8)) == rows_of(50, range(8))
    assert cuts > 200


def live(store: Store, synced: list[tuple[int, int]]) -> None:
    """Add in parts, sync, forget, prune; `synced` are the rows that may be signed for."""
    add(store, 90, range(3), 8)
    for number in range(6):
        add(store, number, range(4))
        add(store, number, range(4, 8))
        store.sync()
        synced += ((number, row) for row in range(8))
        if number == 3:
            store.prune(9)
        if number == 4:
            store.forget(blob_of(2))
            synced[:] = [place for place in synced if place[0] != 2]


def test_what_was_not_synced_leaves_no_bytes_behind() -> None:
    disk = RowDisk(Random(3))
    store = Store(HOME, PLENTY, disk)
    add(store, 1, range(4))
    store.sync()
    used = store.used_bytes
    for _ in range(20):
        add(store, 2, range(20))
        disk.power_cut()
        store = Store(HOME, PLENTY, disk)
        assert store.used_bytes == used
    assert store.rows(blob_of(1), range(4)) == rows_of(1, range(4))


def test_after_a_failed_sync_nothing_more_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(HOME, PLENTY, RowDisk(Random(1)))
    add(store, 1, range(4))

    def fail(shelf: Shelf) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Shelf, "sync", fail)
    with pytest.raises(Unavailable, match="rows could not be made durable: Input/output error"):
        store.sync()
    monkeypatch.undo()
    with pytest.raises(Unavailable, match="Input/output error"):
        store.sync()
    with pytest.raises(Unavailable, match="Input/output error"):
        add(store, 2, range(4))
    assert store.rows(blob_of(1), range(4)) == rows_of(1, range(4))


def test_many_who_wait_share_a_sync(tmp_path: Path) -> None:
    store = Store(tmp_path / "da", PLENTY)
    syncs, entered, go = [], threading.Event(), threading.Event()
    plain = Shelf.sync

    def slow(shelf: Shelf) -> None:
        syncs.append(1)
        entered.set()
        assert go.wait(10)
        plain(shelf)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shelf, "sync", slow)
        add(store, 0, range(4))
        first = threading.Thread(target=store.sync)
        first.start()
        assert entered.wait(10)
        for number in range(1, 9):
            add(store, number, range(4))
        others = [threading.Thread(target=store.sync) for _ in range(8)]
        for thread in others:
            thread.start()
        go.set()
        for thread in (first, *others):
            thread.join()
    assert len(syncs) == 2
    store.close()
    assert len(Store(tmp_path / "da", PLENTY).blobs()) == 9


# ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_any_flipped_byte_of_a_row_is_found_on_read_and_only_that_row_is_lost() -> None:
    for seed in range(60):
        disk = RowDisk(Random(seed))
        store = Store(HOME, PLENTY, disk)
        add(store, 1, range(8))
        store.sync()
        disk.flip(HOME / "9" / "00000001.rows", len(CHECKSUMS) + 4 + Random(seed).randrange(8 * SLOT))
        found = store.rows(blob_of(1), range(8))
        assert len(found) == 7
        assert all(row in rows_of(1, range(8)) for row in found)
        (lost,) = store.lacking(blob_of(1), range(8))
        add(store, 1, [lost])
        store.sync()
        assert store.rows(blob_of(1), range(8)) == rows_of(1, range(8))
        assert Store(HOME, PLENTY, disk).rows(blob_of(1), range(8)) == rows_of(1, range(8))


def test_flipped_checksums_are_found_and_may_be_added_again() -> None:
    disk = RowDisk(Random(1))
    store = Store(HOME, PLENTY, disk)
    add(store, 1, range(8))
    store.sync()
    disk.flip(HOME / "9" / "00000001.rows", 100)
    assert store.checksums(blob_of(1)) is None
    kept = store.kept(blob_of(1))
    assert kept is not None
    assert not kept.has_checksums
    add(store, 1, [0])
    assert store.checksums(blob_of(1)) == CHECKSUMS


def test_a_file_of_rows_that_is_cut_or_gone_is_damage_and_no_reason_to_stop() -> None:
    for remove in (False, True):
        disk = RowDisk(Random(1))
        store = Store(HOME, PLENTY, disk)
        add(store, 1, range(8))
        store.sync()
        path = HOME / "9" / "00000001.rows"
        if remove:
            disk.remove(path)
        else:
            disk.cut(path, 1000)
        store = Store(HOME, PLENTY, disk)
        found = store.rows(blob_of(1), range(8))
        assert found == ([] if remove else rows_of(1, [0]))
        assert store.lacking(blob_of(1), range(8)) == tuple(range(len(found), 8))
        add(store, 1, range(8))
        store.sync()
        assert Store(HOME, PLENTY, disk).rows(blob_of(1), range(8)) == rows_of(1, range(8))


def indexed(disk: RowDisk) -> Store:
    """Four blobs, each with a record of its own in the index; the last one is forgotten again."""
    store = Store(HOME, PLENTY, disk)
    for number in range(4):
        add(store, number, range(4))
        store.sync()
    store.forget(blob_of(3))
    store.sync()
    return store


def test_a_flipped_byte_of_the_index_costs_what_it_named_and_the_rest_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    index = HOME / "9" / "00000001.index"
    whole = RowDisk(Random(1))
    indexed(whole)
    for place in range(0, whole.size(index), 3):
        disk = RowDisk(Random(1))
        indexed(disk)
        disk.flip(index, place)
        caplog.clear()
        store = Store(HOME, PLENTY, disk)
        lost = {blob_of(number) for number in range(3)} - set(store.blobs())
        assert len(lost) <= 1, place
        assert "da index damaged: /home/da/9/00000001.index: bad record at byte" in caplog.text
        for number in range(3):
            if blob_of(number) not in lost:
                assert store.rows(blob_of(number), range(4)) == rows_of(number, range(4))
                assert store.checksums(blob_of(number)) == CHECKSUMS
            add(store, number, range(4))
        store.sync()
        caplog.clear()
        disk.power_cut()
        again = Store(HOME, PLENTY, disk)
        assert caplog.text == ""
        for number in range(3):
            assert again.rows(blob_of(number), range(4)) == rows_of(number, range(4))


@pytest.mark.parametrize("lost", ["00000001.index", "00000002.index"])
def test_an_index_that_lost_a_whole_file_keeps_what_the_others_name(monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    monkeypatch.setattr("zg_node.da.shelf.INDEX_MAX_BYTES", 100)
    disk = RowDisk(Random(1))
    store = Store(HOME, PLENTY, disk)
    for number in range(3):
        add(store, number, range(4))
        store.sync()
    disk.remove(HOME / "9" / lost)
    store = Store(HOME, PLENTY, disk)
    assert set(store.blobs()) == {blob_of(number) for number in range(3)} - {blob_of(int(lost[7]) - 1)}
    for blob in store.blobs():
        assert len(store.rows(blob, range(4))) == 4


def test_a_cut_while_a_damaged_index_is_salvaged_loses_nothing_more() -> None:
    cuts = 0
    for seed in range(60):
        disk = RowDisk(Random(seed))
        indexed(disk)
        disk.flip(HOME / "9" / "00000001.index", 20)
        disk.cut_after = seed % 20
        with suppress(PowerCut):
            Store(HOME, PLENTY, disk)
            disk.cut_after = None
        cuts += disk.cut_after is not None
        disk.power_cut()
        store = Store(HOME, PLENTY, disk)
        assert set(store.blobs()) == {blob_of(1), blob_of(2)}
        for number in (1, 2):
            assert store.rows(blob_of(number), range(4)) == rows_of(number, range(4))
    assert cuts > 20


def test_an_index_of_another_form_stops_the_start_and_says_what_to_do() -> None:
    disk = RowDisk(Random(1))
    index = Segments(HOME / "9", "index", disk)
    index.append([b"a record of a later version"])
    index.sync()
    with pytest.raises(Corrupt, match=r"Remove /home/da/9, and the node fetches its rows"):
        Store(HOME, PLENTY, disk)


def test_rows_whose_files_were_removed_under_the_node_are_not_promised(tmp_path: Path) -> None:
    store = Store(tmp_path / "da", PLENTY)
    add(store, 1, range(4))
    store.sync()
    shutil.rmtree(tmp_path / "da" / "9")
    assert store.rows(blob_of(1), range(4)) == []
    assert store.checksums(blob_of(1)) is None
    add(store, 1, range(4))
    with pytest.raises(Unavailable, match=r"rows could not be made durable: .*9 was removed meanwhile"):
        store.sync()
    store.close()


# ── what ends ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_expired_is_removed_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path / "da", PLENTY)
    for number, expiry in ((1, 9), (2, 10), (3, 11)):
        add(store, number, range(4), expiry)
    store.sync()
    each = store.used_bytes // 3
    assert store.prune(10) == each
    assert sorted(path.name for path in (tmp_path / "da").iterdir()) == ["10", "11"]
    assert store.blobs_of(blob_of(1).commitment) == ()
    assert store.rows(blob_of(1), range(4)) == []
    assert store.rows(blob_of(2, 10), range(4)) == rows_of(2, range(4))
    assert store.used_bytes == 2 * each
    assert store.prune(10) == 0
    store.close()


def test_a_removal_that_was_cut_short_is_finished_at_the_start(tmp_path: Path) -> None:
    store = Store(tmp_path / "da", PLENTY)
    add(store, 1, range(4))
    store.sync()
    store.close()
    (tmp_path / "da" / "9").rename(tmp_path / "da" / "9.draft")
    assert Store(tmp_path / "da", PLENTY).blobs() == ()
    assert list((tmp_path / "da").iterdir()) == []


def test_what_was_forgotten_stays_forgotten_and_its_file_goes_with_the_last_blob(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zg_node.da.shelf.FILE_MAX_BYTES", 1000)
    disk = RowDisk(Random(1))
    store = Store(HOME, PLENTY, disk)
    for number in range(4):
        add(store, number, range(4))
        store.sync()
    store.forget(blob_of(0))
    store.forget(blob_of(2))
    store.sync()
    assert disk.names(HOME / "9") == [
        "00000001.durable", "00000001.index", "00000002.rows", "00000004.rows", "00000005.rows",
    ]  # fmt: skip
    again = Store(HOME, PLENTY, disk)
    assert set(again.blobs()) == {blob_of(1), blob_of(3)}
    assert again.rows(blob_of(3), range(4)) == rows_of(3, range(4))
    assert again.blobs_of(blob_of(0).commitment) == ()


def test_a_file_outlives_its_last_blob_until_it_is_durable_that_nobody_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zg_node.da.shelf.FILE_MAX_BYTES", 1000)
    disk = RowDisk(Random(1))
    store = Store(HOME, PLENTY, disk)
    add(store, 0, range(4))
    store.sync()
    add(store, 1, range(4))
    plain = Segments.sync

    def forget_meanwhile(index: Segments) -> None:
        plain(index)
        store.forget(blob_of(0))

    monkeypatch.setattr(Segments, "sync", forget_meanwhile)
    store.sync()
    monkeypatch.undo()
    disk.power_cut()
    assert Store(HOME, PLENTY, disk).rows(blob_of(0), range(4)) == rows_of(0, range(4))


# ── forms ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_are_rows_that_follow_one_another() -> None:
    assert runs_of([]) == ()
    assert runs_of([62, 63, 0, 1, 2, 9]) == ((62, 2), (0, 3), (9, 1))
    extent = Extent(1, 100, 256, ((62, 2), (0, 3)))
    assert list(extent.rows()) == [62, 63, 0, 1, 2]
    assert [extent.place(row, 10) for row in (62, 63, 0, 2, 3)] == [360, 370, 380, 400, None]
    assert extent.size(10) == 310


def test_index_records_are_what_they_were_and_their_form_is_pinned() -> None:
    added = Added(Blob(b"\x01" * 32, 5, 0, 7, 9), bytes(81), Extent(3, 100, 256, ((62, 2), (0, 3))))
    assert decode_record(added.encode()) == added
    assert added.encode().hex() == (
        "f88801e5a0" + "01" * 32 + "05800709" + "b851" + "00" * 81 + "0364820100" + "88" + "003e000200000003"
    )
    forgotten = Forgotten(added.blob)
    assert decode_record(forgotten.encode()) == forgotten
    for bad in (b"", b"\xc0", b"\xc1\x03", added.encode()[:-1], forgotten.encode() + b"\0"):
        with pytest.raises(InvalidMessage):
            decode_record(bad)
