"""Data directories: begun once, held by one process, wiped only when they are ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zg_node.cli import home as homes
from zg_node.errors import InvalidConfig


def test_a_new_directory_is_ours_and_private(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    homes.begin(home, "node")
    assert homes.kind_of(home) == "node"
    assert home.stat().st_mode & 0o777 == 0o700


def test_someone_elses_directory_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidConfig, match="not empty and not a zg-node data directory"):
        homes.begin(tmp_path, "devnet")
    with pytest.raises(InvalidConfig, match="not a zg-node data directory"):
        homes.wipe(tmp_path, "devnet")
    assert (tmp_path / "thesis.tex").exists()


def test_a_nodes_directory_may_hold_keys_before_and_a_development_networks_may_not(tmp_path: Path) -> None:
    (tmp_path / homes.KEYS).mkdir()
    (tmp_path / homes.KEYS / "kept").write_text("")
    with pytest.raises(InvalidConfig, match="not empty"):
        homes.begin(tmp_path, "devnet")  # whose --reset would remove them
    homes.begin(tmp_path, "node")
    assert (tmp_path / homes.KEYS / "kept").exists()


def test_a_home_is_begun_once(tmp_path: Path) -> None:
    homes.begin(tmp_path / "home", "node")
    with pytest.raises(InvalidConfig, match="is a data directory already"):
        homes.begin(tmp_path / "home", "node")


def test_a_home_never_runs_fewer_shards_than_it_holds(tmp_path: Path) -> None:
    assert homes.shards_of(tmp_path / "nowhere") == 0
    homes.begin(tmp_path / "home", "node")
    for name in ("shard-0", "shard-10", "shard-x", "shards"):
        (tmp_path / "home" / name).mkdir()
    (tmp_path / "home" / "shard-99").write_text("a file is no shard")
    assert homes.shards_of(tmp_path / "home") == 11
    homes.check_shards(tmp_path / "home", 11, "do this")
    homes.check_shards(tmp_path / "home", 12, "do this")
    with pytest.raises(InvalidConfig, match="holds 11 shards, but 10 should run: do this"):
        homes.check_shards(tmp_path / "home", 10, "do this")


def test_wiping_removes_everything_and_nothing_outside(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    homes.begin(home, "devnet")
    (home / "shard-0" / "state").mkdir(parents=True)
    (home / "shard-0" / "state" / "table").write_text("")
    (home / "link").symlink_to(outside)
    homes.wipe(home, "devnet")
    assert not home.exists()
    assert (outside / "kept").exists()


def test_a_validators_home_is_not_wiped_as_a_devnet(tmp_path: Path) -> None:
    homes.begin(tmp_path / "home", "node")
    with pytest.raises(InvalidConfig, match="belongs to a node, not to a devnet"):
        homes.wipe(tmp_path / "home", "devnet")
    assert homes.kind_of(tmp_path / "home") == "node"


def test_a_link_to_a_home_is_not_wiped(tmp_path: Path) -> None:
    homes.begin(tmp_path / "home", "devnet")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    with pytest.raises(InvalidConfig, match="symbolic link"):
        homes.wipe(tmp_path / "link", "devnet")


def test_a_directory_that_is_not_there_needs_no_wiping(tmp_path: Path) -> None:
    homes.wipe(tmp_path / "home", "devnet")
    assert not (tmp_path / "home").exists()


def test_a_second_process_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    home = tmp_path / "home"
    homes.begin(home, "devnet")
    script = (
        "import sys; from pathlib import Path; from zg_node.cli.home import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InvalidConfig, match="another zg-node is using"), homes.held(home):
            pass
        with pytest.raises(InvalidConfig, match="another zg-node is using"):
            homes.wipe(home, "devnet")
        process.stdin.close()
    with homes.held(home):
        pass


@pytest.mark.parametrize("marker", ["", "{", "[]", '{"kind": "devnet"}', '{"kind": "devnet", "version": 99}'])
def test_a_damaged_marker_is_one_sentence(tmp_path: Path, marker: str) -> None:
    (tmp_path / homes.MARKER).write_text(marker)
    with pytest.raises(InvalidConfig, match=str(tmp_path)):
        homes.kind_of(tmp_path)


def test_a_missing_home_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="zg-node init NAME --home"):
        homes.kind_of(tmp_path / "home")
