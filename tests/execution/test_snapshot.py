"""A state leaves one shard's directory and becomes another's, whatever interrupts it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.execution.begun import begin_with
from tests.execution.epoch_chain import EPOCH_BLOCKS, GENESIS, MEMBERS, EpochChain
from zg_node import _core
from zg_node.errors import Corrupt, InvalidMessage, Unavailable
from zg_node.execution import snapshot as module
from zg_node.execution.snapshot import Installation, SnapshotSource, block_zero, recover_snapshot
from zg_node.types.block import Block, StoredBlock
from zg_node.types.hashing import keccak


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EpochChain]:
    """Two epochs and a bit."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 2000)
    chain = EpochChain(tmp_path / "source")
    for _ in range(2 * EPOCH_BLOCKS + 3):
        chain.mine()
    yield chain
    chain.chain.close()


def zero(scratch: Path) -> StoredBlock:
    return block_zero(GENESIS, 0, MEMBERS.hash(), scratch)


def installation(directory: Path) -> Installation:
    return Installation(directory, zero)


def boundary(source: EpochChain, epoch: int = 1) -> StoredBlock:
    block = source.chain.by_number((epoch + 1) * EPOCH_BLOCKS)
    assert block is not None
    return block


def chunks(source: EpochChain, number: int) -> list[bytes]:
    """Every chunk, as a peer gets them."""
    served = SnapshotSource(source.chain.state)
    assert served.take(number)
    manifest = served.manifest()
    assert manifest is not None
    found = [served.chunk(number, index) for index in range(len(manifest[2]))]
    assert tuple(map(keccak, found)) == manifest[2]
    assert len(found) > 3
    served.close()
    return found


def fill(target: Installation, block: StoredBlock, pieces: list[bytes]) -> None:
    due = target.open(block.number, block.hash, block.header.state_root)
    for index in range(due, len(pieces)):
        target.add(index, pieces[index])


def install(source: EpochChain, directory: Path) -> StoredBlock:
    epochs = {epoch: source.chain.blocks.epoch(epoch) or b"" for epoch in (0, 1)}
    return begin_with(source.chain, boundary(source).number, directory, zero, epochs)


# ── serving ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_two_newest_snapshots_are_served(source: EpochChain) -> None:
    served = SnapshotSource(source.chain.state)
    assert served.manifest() is None
    for number in (4, 8, 16):
        assert served.take(number)
    manifest = served.manifest()
    assert manifest is not None
    assert (manifest[0], manifest[1]) == (16, boundary(source).hash)
    assert served.chunk(16, 0) != served.chunk(8, 0)
    for number, index in ((4, 0), (16, 10_000), (99, 0)):
        with pytest.raises(Unavailable):
            served.chunk(number, index)
    served.close()
    with pytest.raises(Unavailable):
        served.chunk(16, 0)


def test_a_state_that_is_not_kept_is_not_served(source: EpochChain) -> None:
    assert not SnapshotSource(source.chain.state).take(10**6)


# ── installing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_chain_opens_at_the_snapshot_and_goes_on_as_the_source_does(source: EpochChain, tmp_path: Path) -> None:
    block = install(source, tmp_path / "copy")
    copy = EpochChain(tmp_path / "copy")
    assert copy.chain.head == block
    assert (copy.chain.blocks.first, copy.chain.by_number(0)) == (block.number, source.chain.by_number(0))
    assert copy.chain.by_number(block.number - 1) is None
    assert copy.chain.blocks.epoch(1) == source.chain.blocks.epoch(1)
    assert copy.chain.state.verify()[2] == block.header.state_root
    for number in range(block.number + 1, source.chain.head.number + 1):
        later = source.chain.by_number(number)
        assert later is not None
        copy.chain.execute(Block(later.header, later.consensus, later.body), certified=True)
        assert copy.chain.commit(later.hash, later.certificate) == later
    copy.chain.close()
    again = EpochChain(tmp_path / "copy")
    assert again.chain.head == source.chain.head
    assert again.chain.state.verify()[2] == source.chain.head.header.state_root
    again.chain.close()


def test_a_snapshot_takes_the_place_of_a_chain_that_had_only_begun(source: EpochChain, tmp_path: Path) -> None:
    begun = EpochChain(tmp_path / "copy")
    begun.mine()
    begun.chain.close(checkpoint=False)
    block = install(source, tmp_path / "copy")
    copy = EpochChain(tmp_path / "copy")
    assert copy.chain.head == block
    copy.chain.close()


def test_an_installation_goes_on_where_another_process_stopped(source: EpochChain, tmp_path: Path) -> None:
    block = boundary(source)
    pieces = chunks(source, block.number)
    first = installation(tmp_path / "copy")
    fill(first, block, pieces[:2])
    first.close()
    assert installation(tmp_path / "copy").open(block.number, block.hash, block.header.state_root) == 2
    assert not (tmp_path / "copy" / "state").exists()
    with pytest.raises(Corrupt, match="never finished"):
        _core.State(str(tmp_path / "copy" / "snapshot" / "state"), 1 << 20, None)


def test_what_was_begun_with_another_block_is_thrown_away(source: EpochChain, tmp_path: Path) -> None:
    earlier, later = boundary(source, 0), boundary(source, 1)
    first = installation(tmp_path / "copy")
    fill(first, earlier, chunks(source, earlier.number)[:2])
    assert first.open(later.number, later.hash, later.header.state_root) == 0


def test_chunks_of_another_state_are_thrown_away(source: EpochChain, tmp_path: Path) -> None:
    block, other = boundary(source, 1), boundary(source, 0)
    target = installation(tmp_path / "copy")
    fill(target, block, chunks(source, other.number))
    with pytest.raises(InvalidMessage, match="state root"):
        target.finish(block, {})
    assert not (tmp_path / "copy" / "snapshot").exists()
    assert not (tmp_path / "copy" / "state").exists()


def test_a_block_with_other_receipts_or_senders_is_refused(source: EpochChain, tmp_path: Path) -> None:
    block = boundary(source)
    target = installation(tmp_path / "copy")
    for mixed in (replace(block, receipts=b"\xc0"), replace(block, senders=bytes(len(block.senders)))):
        with pytest.raises(InvalidMessage):
            target.check(mixed)
    target.check(block)


@pytest.mark.parametrize("operation", ["rename", "rmtree"])
@pytest.mark.parametrize("survived", range(4))
def test_a_move_that_is_cut_short_is_finished_at_the_next_start(
    source: EpochChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, survived: int
) -> None:
    begun = EpochChain(tmp_path / "copy")
    begun.mine()
    begun.chain.close()
    calls = 0

    class Cut(Exception):
        """The process ends here."""

    def cut(path: Path, *arguments: object, **options: object) -> object:
        nonlocal calls
        if (tmp_path / "copy" / "snapshot" / "ready").exists():
            calls += 1
            if calls > survived:
                raise Cut
        return real(path, *arguments, **options)

    owner: object = Path if operation == "rename" else shutil
    real = getattr(owner, operation)
    monkeypatch.setattr(owner, operation, cut)
    try:
        install(source, tmp_path / "copy")
    except Cut:
        monkeypatch.setattr(owner, operation, real)
        assert recover_snapshot(tmp_path / "copy")
    monkeypatch.setattr(owner, operation, real)
    assert not recover_snapshot(tmp_path / "copy"), "nothing is left to do"
    copy = EpochChain(tmp_path / "copy")
    assert copy.chain.head == boundary(source)
    copy.chain.close()
