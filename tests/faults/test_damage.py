"""Flipped bits, cut and missing files: a precise error or a start with nothing lost; no traceback, no wrong data."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.devnet import Devnet
from tests.faults.load import Load
from tests.faults.power_cut.check import Promises, check
from tests.faults.test_operator import devnet_arguments, refused
from tests.transfers import GENESIS, batches

SEED = 20_240_229
PLACES = 4
PLACES_LONG = 100
REFUSALS = ("Corrupt: ", "Unavailable: ", "InvalidConfig: ")

KINDS = {
    "a segment of the block log": "shard-0/log/*.log",
    "a segment of the vote log": "shard-0/votes/*.wal",
    "the state's log": "shard-0/state/*.log",
    "the state's tables": "shard-0/state/*.ldb",
    "the state's manifest": "shard-0/state/MANIFEST-*",
    "the state's pointer": "shard-0/state/CURRENT",
    "the block store's log": "shard-0/blocks/*.log",
    "the block store's tables": "shard-0/blocks/*.ldb",
    "the block store's manifest": "shard-0/blocks/MANIFEST-*",
    "the block store's pointer": "shard-0/blocks/CURRENT",
    "the mempool's journal": "shard-0/mempool.journal",
    "the configuration": "config.toml",
    "the marker": "zg-node.home",
}
"""What is damaged → where it is below the data directory."""


@dataclass(frozen=True)
class Sound:
    """A data directory in order, and what it promised."""

    home: Path
    promises: Promises


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """A chain with tables, logs, a journal: stopped cleanly once, killed the second time."""
    node = Devnet(tmp_path_factory.mktemp("damage") / "home")
    promises = Promises()
    try:
        for kill, first_nonce in ((False, 0), (True, 400)):
            node.start()
            load = Load(node.url, [list(batches(sender, first_nonce, 400, 20)) for sender in range(2)])
            load.start()
            load.finish()
            blocks = {number: receipts[0]["blockHash"] for number, receipts in load.receipts.items() if receipts}
            promises.blocks |= {number: bytes.fromhex(block_hash[2:]) for number, block_hash in blocks.items()}
            if kill:
                node.kill()
            else:
                assert node.stop() == 0
    finally:
        node.close()
    assert len(promises.blocks) > 4
    return Sound(node.home, promises)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_named_or_harmless(sound: Sound, kind: str, scratch: Path) -> None:
    damage_and_start(sound, kind, PLACES, scratch)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_damage_at_many_places_is_named_or_harmless(sound: Sound, kind: str, scratch: Path) -> None:
    damage_and_start(sound, kind, PLACES_LONG, scratch)


def test_damage_is_one_sentence_for_an_operator(sound: Sound, tmp_path: Path) -> None:
    for number, kind in enumerate(("the state's manifest", "the block store's manifest", "a segment of the block log")):
        home = tmp_path / str(number)
        shutil.copytree(sound.home, home)
        path = min(home.glob(KINDS[kind]))
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 0x10
        path.write_bytes(content)
        sentence = refused(*devnet_arguments(home), code=1)
        assert str(path.parent) in sentence
        assert "b'" not in sentence


def test_the_sound_directory_is_sound(sound: Sound, tmp_path: Path) -> None:
    shutil.copytree(sound.home, tmp_path / "home")
    assert check(tmp_path / "home", GENESIS, sound.promises, thorough=True) is None


def damage_and_start(sound: Sound, kind: str, places: int, scratch: Path) -> None:
    """Damage each file of the kind in turn, in `places` ways of each sort, and start on a copy below `scratch`."""
    files = sorted(path.relative_to(sound.home) for path in sound.home.glob(KINDS[kind]))
    assert files, f"the directory has no {KINDS[kind]}"
    rng = Random(f"{SEED} {kind}")
    for damage in _damages(places, rng):
        with tempfile.TemporaryDirectory(dir=scratch) as directory:
            home = Path(shutil.copytree(sound.home, Path(directory) / "home"))
            damage(home / rng.choice(files))
            wrong = check(home, GENESIS, sound.promises, thorough=True, from_votes=True)
        assert wrong is None or wrong.startswith(REFUSALS), wrong
        assert wrong is None or "\n" not in wrong


def _damages(places: int, rng: Random) -> Iterator[Callable[[Path], None]]:
    """Ways to damage a file."""

    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)

    def cut(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: rng.randrange(max(len(content), 1))])

    def blank(path: Path) -> None:
        content = bytearray(path.read_bytes())
        start = rng.randrange(max(len(content), 1)) // 512 * 512
        content[start : start + 512] = bytes(len(content[start : start + 512]))
        path.write_bytes(content)

    for damage in (flip, cut, blank):
        for _ in range(places):
            yield damage
    yield Path.unlink
