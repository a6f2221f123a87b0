from __future__ import annotations

import stat
from pathlib import Path

import pytest

from zg_node.errors import InvalidConfig
from zg_node.identity import node_seed, peer_id


def test_an_identity_is_made_once_and_stays(tmp_path: Path) -> None:
    seed = node_seed(tmp_path)
    assert len(seed) == 32
    assert node_seed(tmp_path) == seed
    assert node_seed(tmp_path / "other") != seed


def test_no_secret_lies_open(tmp_path: Path) -> None:
    seed = node_seed(tmp_path)
    for path in (tmp_path / "node").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert seed.hex() not in path.read_text()
    assert stat.S_IMODE((tmp_path / "node").stat().st_mode) == 0o700


def test_the_peer_id_is_libp2ps() -> None:
    seed = bytes(range(32))
    libp2p = pytest.importorskip("libp2p.crypto.ed25519")
    from libp2p.peer.id import ID

    assert peer_id(seed) == str(ID.from_pubkey(libp2p.create_new_key_pair(seed).public_key))


def test_a_second_key_is_a_question_for_the_operator(tmp_path: Path) -> None:
    node_seed(tmp_path)
    first = next((tmp_path / "node").glob("0x*.json"))
    first.with_name("0x" + "00" * 20 + ".json").write_bytes(first.read_bytes())
    with pytest.raises(InvalidConfig, match="one identity"):
        node_seed(tmp_path)
