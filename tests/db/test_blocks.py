"""The block store: readable at once, durable after a checkpoint, and damage has a name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import plyvel
import pytest

from tests.db.damage import flip
from tests.db.samples import chain, tx_hashes
from zg_node.db import blocks
from zg_node.db.blocks import BlockStore
from zg_node.errors import Corrupt, Unavailable
from zg_node.types.block import StoredBlock

BLOCKS = chain(6, 3)
LEVELDB_LOG_BLOCK_BYTES = 32 * 1024
"""Beside a bad record LevelDB drops the rest of this much."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlockStore]:
    opened = BlockStore(tmp_path / "blocks")
    yield opened
    opened.close()


def fill(store: BlockStore, blocks: list[StoredBlock]) -> None:
    for block in blocks:
        store.add(block, tx_hashes(block))


def check(store: BlockStore, blocks: list[StoredBlock]) -> None:
    for block in blocks:
        assert store.by_number(block.number) == block
        assert store.number_of(block.hash) == block.number
        for index in range(3):
            assert store.transaction(tx_hashes(block)[32 * index : 32 * index + 32]) == (block.number, index)
    assert store.blooms(0, len(blocks) - 1) == b"".join(block.header.bloom for block in blocks)


def test_a_block_is_readable_before_and_after_its_checkpoint(store: BlockStore) -> None:
    fill(store, BLOCKS)
    assert (store.durable, store.waiting()) == (-1, 6)
    check(store, BLOCKS)
    assert store.checkpoint() == 5
    assert (store.durable, store.waiting()) == (5, 0)
    check(store, BLOCKS)


def test_only_what_was_checkpointed_is_there_after_reopening(tmp_path: Path) -> None:
    store = BlockStore(tmp_path / "blocks")
    fill(store, BLOCKS[:4])
    store.checkpoint()
    fill(store, BLOCKS[4:])
    store.close()
    again = BlockStore(tmp_path / "blocks")
    check(again, BLOCKS[:4])
    assert again.durable == 3
    assert again.by_number(4) is None
    assert again.number_of(BLOCKS[4].hash) is None
    assert again.transaction(tx_hashes(BLOCKS[4])[:32]) is None
    again.close()


def test_a_checkpoint_of_nothing_is_nothing(store: BlockStore) -> None:
    assert store.checkpoint() == -1
    fill(store, BLOCKS[:2])
    assert store.checkpoint() == store.checkpoint() == 1


@pytest.mark.parametrize("number", [-1, 6, 1 << 63, 1 << 70])
def test_a_block_that_does_not_exist_is_none(store: BlockStore, number: int) -> None:
    fill(store, BLOCKS)
    store.checkpoint()
    assert store.by_number(number) is None


def test_blooms_of_missing_blocks_are_empty(store: BlockStore) -> None:
    fill(store, BLOCKS)
    assert store.blooms(4, 8) == b"".join(block.header.bloom for block in BLOCKS[4:]) + bytes(3 * 256)


def test_a_store_in_use_is_unavailable(tmp_path: Path, store: BlockStore) -> None:
    script = "import pathlib, sys, zg_node.db.blocks as b; b.BlockStore(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "blocks")],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert f"{Unavailable.__name__}: {tmp_path / 'blocks'} is in use by another process" in done.stderr


# ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def filled(directory: Path, blocks: list[StoredBlock]) -> Path:
    """A closed store, its blocks in LevelDB's log; returns that log."""
    store = BlockStore(directory)
    fill(store, blocks)
    store.checkpoint()
    store.close()
    return next(directory.glob("*.log"))


def test_a_torn_tail_is_dropped(tmp_path: Path) -> None:
    log = filled(tmp_path / "blocks", BLOCKS)
    whole = log.read_bytes()
    log.write_bytes(whole[:-600] + bytes(600))
    store = BlockStore(tmp_path / "blocks")
    assert store.durable == 4
    check(store, BLOCKS[:5])
    store.close()


def test_a_block_that_leveldb_dropped_from_the_middle_is_corrupt_at_every_start(tmp_path: Path) -> None:
    large = [replace(block, body=bytes(LEVELDB_LOG_BLOCK_BYTES)) for block in BLOCKS]
    log = filled(tmp_path / "blocks", large)
    whole = log.read_bytes()
    log.write_bytes(flip(whole, 4 * len(whole)))
    for _ in range(2):
        with pytest.raises(Corrupt, match=r"blocks is damaged: block \d is missing"):
            BlockStore(tmp_path / "blocks")


def test_a_flipped_bit_in_a_table_is_corrupt_and_never_another_block(tmp_path: Path) -> None:
    filled(tmp_path / "blocks", BLOCKS)
    store = BlockStore(tmp_path / "blocks")
    store.compact()
    store.close()
    table = next((tmp_path / "blocks").glob("*.ldb"))
    whole = table.read_bytes()
    found = 0
    for bit in range(0, 8 * len(whole), 997):
        table.write_bytes(flip(whole, bit))
        try:
            damaged = BlockStore(tmp_path / "blocks")
        except Corrupt:
            found += 1
            continue
        for block in BLOCKS:
            try:
                read = damaged.by_number(block.number)
            except Corrupt:
                found += 1
            else:
                assert read == block
        damaged.close()
    assert found > 0


def test_a_lost_pointer_is_corrupt_and_nothing_is_made_anew(tmp_path: Path) -> None:
    filled(tmp_path / "blocks", BLOCKS)
    before = {path.name for path in (tmp_path / "blocks").iterdir()} - {"CURRENT"}
    (tmp_path / "blocks" / "CURRENT").unlink()
    with pytest.raises(Corrupt, match="does not exist"):
        BlockStore(tmp_path / "blocks")
    assert before <= {path.name for path in (tmp_path / "blocks").iterdir()}


def test_a_stored_block_that_does_not_parse_is_corrupt(tmp_path: Path) -> None:
    filled(tmp_path / "blocks", BLOCKS)
    with plyvel.DB(str(tmp_path / "blocks")) as database:
        database.put(b"b" + (2).to_bytes(8, "big"), b"\0" * 30)
    store = BlockStore(tmp_path / "blocks")
    with pytest.raises(Corrupt, match="stored block 2"):
        store.by_number(2)
    store.close()


# ── a chain that begins with a snapshot ─────────────────────────────────────────────────────────────────────────────


def test_a_store_may_begin_with_a_later_block_and_goes_on_from_it(tmp_path: Path) -> None:
    blocks = chain(14, transactions=2)
    store = BlockStore(tmp_path / "blocks")
    assert store.first == 0
    store.begin_with(blocks[0], blocks[10], tx_hashes(blocks[10]))
    for block in blocks[11:]:
        store.add(block, tx_hashes(block))
    store.checkpoint()
    store.close()
    store = BlockStore(tmp_path / "blocks")
    assert (store.first, store.durable) == (10, 13)
    kept = [number for number in range(14) if store.by_number(number) is not None]
    assert kept == [0, 10, 11, 12, 13]
    assert store.by_number(10) == blocks[10]
    assert store.number_of(blocks[10].hash) == 10
    assert store.transaction(tx_hashes(blocks[10])[32:64]) == (10, 1)
    store.close()


def test_proofs_of_epochs_are_kept(tmp_path: Path) -> None:
    store = BlockStore(tmp_path / "blocks")
    store.put_epoch(7, b"proof")
    store.close()
    store = BlockStore(tmp_path / "blocks")
    assert store.epoch(7) == b"proof"
    assert [store.epoch(epoch) for epoch in (6, 8, -1, 1 << 63)] == [None] * 4
    store.close()


def test_blocks_that_were_read_are_kept_up_to_a_size(store: BlockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [len(block.body) + len(block.senders) + len(block.receipts) for block in BLOCKS]
    monkeypatch.setattr(blocks, "CACHE_MAX_BYTES", sizes[0] + sizes[1])
    fill(store, BLOCKS)
    store.checkpoint()
    first, second = store.by_number(0), store.by_number(1)
    assert (store.by_number(0) is first, store.by_number(1) is second) == (True, True)
    store.by_number(2)
    assert store.by_number(0) is not first
