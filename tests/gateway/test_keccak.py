"""The index of keccak-256 digests on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from zg_node.errors import Corrupt
from zg_node.gateway.keccak import KeccakIndex


def test_what_was_added_is_found_when_the_index_is_opened_again(tmp_path: Path) -> None:
    directory = tmp_path / "gateway" / "keccak"
    index = KeccakIndex(directory)
    index.add(b"k" * 32, b"c" * 32)
    index.close()
    again = KeccakIndex(directory)
    assert (again.find(b"k" * 32), again.find(bytes(32))) == (b"c" * 32, None)
    again.close()


def test_a_directory_that_is_no_index_is_named(tmp_path: Path) -> None:
    directory = tmp_path / "keccak"
    directory.mkdir()
    (directory / "CURRENT").write_bytes(b"nothing of the kind")
    with pytest.raises(Corrupt, match="keccak"):
        KeccakIndex(directory)
