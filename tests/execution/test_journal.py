"""The mempool's journal: waiting transactions survive a restart, and no file content does harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rpc.devchain import ALICE, BOB, DevChain
from zg_node import _core
from zg_node.execution import journal as journal_file
from zg_node.execution.journal import Journal


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[DevChain]:
    chain = DevChain(tmp_path / "shard-0")
    yield chain
    chain.chain.close()


def send(dev: DevChain, *raws: str) -> list[bytes]:
    chain = dev.chain
    answers = dev.pool.add(
        chain.state, chain.head.hash, chain.next_base_fee(), chain.head.header.gas_limit, raws, chain.now_ms()
    )
    hashes = [answer for answer in answers if isinstance(answer, bytes)]
    assert len(hashes) == len(raws), answers
    return hashes


def restore(journal: Journal, dev: DevChain, pool: _core.Pool) -> int:
    chain = dev.chain
    limit = chain.head.header.gas_limit
    return journal.restore(pool, chain.state, chain.head.hash, chain.next_base_fee(), limit, chain.now_ms())


def empty_pool(dev: DevChain) -> _core.Pool:
    return _core.Pool(
        dev.chain.chain_id, max_transactions=10_000, max_bytes=64 << 20, max_per_sender=5_000,
        max_queued_per_sender=64, max_queued=1_000, lifetime_ms=3_600_000, price_bump_percent=10, min_tip=0,
        allow_unprotected=False,
    )  # fmt: skip


def test_what_waits_comes_back_in_another_pool(dev: DevChain, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    hashes = send(dev, *(dev.sign(ALICE, nonce) for nonce in range(3)))
    journal.save(dev.pool)
    hashes += send(dev, dev.sign(BOB, 2))
    journal.save(dev.pool)
    pool = empty_pool(dev)
    assert restore(Journal(tmp_path / "journal"), dev, pool) == 4
    assert pool.len() == (3, 1)
    assert all(pool.contains(tx_hash) for tx_hash in hashes)


def test_what_became_final_does_not_come_back(dev: DevChain, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    send(dev, dev.sign(ALICE, 0))
    journal.save(dev.pool)
    dev.mine()
    waiting = send(dev, dev.sign(ALICE, 1))
    journal.save(dev.pool)
    pool = empty_pool(dev)
    assert restore(Journal(tmp_path / "journal"), dev, pool) == 1
    assert pool.contains(waiting[0])


def test_a_restart_rewrites_the_file_to_what_waits(dev: DevChain, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    send(dev, dev.sign(ALICE, 0))
    journal.save(dev.pool)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() * 5 + b"\x83ab")
    restore(Journal(path), dev, empty_pool(dev))
    assert path.stat().st_size == size
    assert not path.with_suffix(".new").exists()


def test_nothing_new_writes_nothing(dev: DevChain, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.save(dev.pool)
    assert not (tmp_path / "journal").exists()
    assert Journal(tmp_path / "journal").load() == []


def test_a_journal_that_grows_too_large_is_rewritten_to_what_waits(
    dev: DevChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal")
    send(dev, *(dev.sign(ALICE, nonce) for nonce in range(5)))
    journal.save(dev.pool)
    size = (tmp_path / "journal").stat().st_size
    monkeypatch.setattr(journal_file, "JOURNAL_MAX_BYTES", size + 10)
    dev.mine()
    waiting = send(dev, dev.sign(ALICE, 5))
    journal.save(dev.pool)
    assert (tmp_path / "journal").stat().st_size < size
    pool = empty_pool(dev)
    assert restore(Journal(tmp_path / "journal"), dev, pool) == 1
    assert pool.contains(waiting[0])


# ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cut_file_gives_what_is_whole(dev: DevChain, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    raws = [dev.sign(ALICE, nonce) for nonce in range(3)]
    send(dev, *raws)
    Journal(path).save(dev.pool)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        loaded = Journal(path).load()
        assert loaded == [bytes.fromhex(raw[2:]) for raw in raws][: len(loaded)]
        assert len(loaded) == end * 3 // len(whole)


@given(content=st.binary(max_size=500))
def test_any_content_is_read_without_harm(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    path.write_bytes(content)
    assert sum(map(len, Journal(path).load())) <= len(content)


@pytest.mark.parametrize(
    "content", [b"\xc1" * 100_000, b"\xbf" + b"\xff" * 8, b"\x81\x05", b"\x80" * 1000, b"\xb8\x37"]
)
def test_hostile_content_restores_nothing(dev: DevChain, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal").write_bytes(content)
    pool = empty_pool(dev)
    assert restore(Journal(tmp_path / "journal"), dev, pool) == 0
    assert pool.len() == (0, 0)
