"""The index of keccak-256 digests on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from zg_node.errors import Corrupt
from zg_node.gateway import keccak
from zg_node.gateway.keccak import KeccakIndex


def test_what_was_added_is_found_when_the_index_is_opened_again(tmp_path: Path) -> None:
    directory = tmp_path / "gateway" / "keccak"
    index = KeccakIndex(directory)
    index.add(b"k" * 32, b"c" * 32)
    index.close()
    again = KeccakIndex(directory)
    assert (again.find(b"k" * 32), again.find(bytes(32))) == (b"c" * 32, None)
    again.close()


class SlowDisk:
    """A database that takes its time to write, and is never closed meanwhile."""

    def __init__(self) -> None:
        self.writing, self.written = Event(), Event()

    def put(self, key: bytes, value: bytes, sync: bool) -> None:
        self.writing.set()
        assert not self.written.wait(0.05)
        self.written.set()

    def close(self) -> None:
        assert self.written.is_set()


def test_an_index_that_is_written_to_is_closed_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SlowDisk()
    monkeypatch.setattr(keccak, "open_index", lambda directory: disk)
    index = KeccakIndex(tmp_path)
    with ThreadPoolExecutor(1) as thread:
        adding = thread.submit(index.add, b"k" * 32, b"c" * 32)
        disk.writing.wait()
        index.close()
        adding.result()


def test_a_directory_that_is_no_index_is_named(tmp_path: Path) -> None:
    directory = tmp_path / "keccak"
    directory.mkdir()
    (directory / "CURRENT").write_bytes(b"nothing of the kind")
    with pytest.raises(Corrupt, match="keccak"):
        KeccakIndex(directory)
