"""Work on a stopped node's data: what is sound is confirmed, what is not is named, and blocks travel as files."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import plyvel
import pytest
import rlp

from tests.db.damage import flip
from tests.execution.begun import begin_with
from tests.test_node import SETTINGS, call, receipt
from tests.transfers import transfer
from zg_node import maintenance
from zg_node.assembly import load_genesis, open_chain
from zg_node.config import override, render
from zg_node.epochs import ValidatorSets
from zg_node.errors import Corrupt, InvalidConfig, Unavailable, ZgError
from zg_node.execution.snapshot import block_zero
from zg_node.maintenance import MAGIC
from zg_node.node import Node
from zg_node.types.block import StoredBlock

TRANSFERS = 8
FIRST = 4
SEED = 20_240_229


def silent(done: int, total: int) -> None:
    assert 0 <= done <= total


def run_node(home: Path, transfers: int) -> None:
    """A node with real consensus: each transfer in a block of its own, then a clean stop."""

    async def life() -> None:
        node = Node(SETTINGS, home)
        await node.start()
        url = node.shards[0].url
        for nonce in range(transfers):
            await receipt(url, await call(url, "eth_sendRawTransaction", transfer(0, nonce)))
        await node.stop()

    asyncio.run(life())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with some blocks."""
    home = tmp_path_factory.mktemp("maintenance") / "home"
    run_node(home, TRANSFERS)
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(template, tmp_path / "home"))


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A data directory at block 0."""
    place = tmp_path / "fresh"
    genesis = load_genesis(SETTINGS, place)
    open_chain(SETTINGS, genesis, place, 0, lambda: 0, ValidatorSets(genesis)).close()
    return place


@pytest.fixture
def exported(home: Path, tmp_path: Path) -> Path:
    maintenance.export(home, 0, tmp_path / "blocks", 0, None, silent)
    return tmp_path / "blocks"


def blocks_of(home: Path) -> list[StoredBlock]:
    genesis = load_genesis(SETTINGS, home)
    chain = open_chain(SETTINGS, genesis, home, 0, lambda: 0, ValidatorSets(genesis))
    found = [chain.by_number(number) for number in range(chain.head.number + 1)]
    chain.close()
    return [block for block in found if block is not None]


# ── verify, compact ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sound_directory_is_confirmed(home: Path) -> None:
    blocks = blocks_of(home)
    report: Any = maintenance.verify(home, silent)
    shard = report["shards"][0]
    assert (shard["shard"], shard["blocks"], shard["transactions"]) == (0, len(blocks), TRANSFERS)
    assert shard["head"] == "0x" + blocks[-1].hash.hex()
    assert shard["state_root"] == "0x" + blocks[-1].header.state_root.hex()
    assert shard["accounts"] > 10 + TRANSFERS


@pytest.fixture
def joined(home: Path, tmp_path: Path) -> Path:
    """A data directory that began with the state after FIRST."""
    place = tmp_path / "joined"
    genesis = load_genesis(SETTINGS, home)
    sets = ValidatorSets(genesis)
    chain = open_chain(SETTINGS, genesis, home, 0, lambda: 0, sets)
    zero = partial(block_zero, genesis, 0, sets.certain(0).hash())
    begin_with(chain, FIRST, place / "shard-0", zero, {})
    chain.close()
    maintenance.export(home, 0, tmp_path / "later", FIRST + 1, None, silent)
    maintenance.import_(place, 0, tmp_path / "later", silent)
    return place


def test_a_directory_that_began_with_a_snapshot_is_confirmed_from_there_on(home: Path, joined: Path) -> None:
    head = blocks_of(home)[-1]
    report: Any = maintenance.verify(joined, silent)
    shard = report["shards"][0]
    assert (shard["first_block"], shard["blocks"]) == (FIRST, head.number + 1 - FIRST)
    assert shard["head"] == "0x" + head.hash.hex()


def test_a_missing_block_after_the_snapshot_is_noticed(joined: Path) -> None:
    with plyvel.DB(str(joined / "shard-0" / "blocks")) as database:
        database.delete(b"b" + (FIRST + 2).to_bytes(8, "big"))
    with pytest.raises(Corrupt, match=f"block {FIRST + 2} is missing"):
        maintenance.verify(joined, silent)


def test_blocks_from_before_the_snapshot_are_exported_by_others(joined: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=rf"began with a snapshot.*\(--first {FIRST}\)"):
        maintenance.export(joined, 0, tmp_path / "file", 0, None, silent)
    assert maintenance.export(joined, 0, tmp_path / "file", FIRST, None, silent) > 1


def change_block(home: Path, number: int, change: Callable[[bytes], bytes]) -> None:
    """Put something else where the block store has a block; LevelDB's checksums are then right."""
    with plyvel.DB(str(home / "shard-0" / "blocks")) as database:
        key = b"b" + number.to_bytes(8, "big")
        database.put(key, change(database.get(key)))


def test_a_block_that_was_changed_is_noticed(home: Path) -> None:
    """Whichever byte it is, certificates aside: they are checked where they come in."""
    blocks = blocks_of(home)
    target = next(block for block in blocks if block.senders)
    original: list[bytes] = []
    change_block(home, target.number, lambda data: original.append(data) or data)  # type: ignore[func-returns-value]
    certificate_at = len(original[0]) - len(target.certificate)
    rng = Random(SEED)
    for bit in sorted(rng.sample(range(8 * certificate_at), 30)):
        change_block(home, target.number, lambda data, bit=bit: flip(original[0], bit))  # type: ignore[misc]
        with pytest.raises(Corrupt):
            maintenance.verify(home, silent)
    change_block(home, target.number, lambda data: original[0])
    maintenance.verify(home, silent)


def test_a_missing_block_is_named(home: Path) -> None:
    with plyvel.DB(str(home / "shard-0" / "blocks")) as database:
        database.delete(b"b" + (3).to_bytes(8, "big"))
    with pytest.raises(Corrupt, match=r"block 3 is missing: .*zg-node db import"):
        maintenance.verify(home, silent)


def test_blocks_that_changed_places_are_noticed(home: Path) -> None:
    with plyvel.DB(str(home / "shard-0" / "blocks")) as database:
        two, three = (b"b" + number.to_bytes(8, "big") for number in (2, 3))
        one_way, other_way = database.get(two), database.get(three)
        database.put(two, other_way)
        database.put(three, one_way)
    with pytest.raises(Corrupt, match="does not follow"):
        maintenance.verify(home, silent)


def test_a_state_that_was_changed_is_noticed(home: Path) -> None:
    rng = Random(SEED)
    with state_of(home) as database:
        records = [(key, value) for key, value in database if key[:1] in UNDER_THE_ROOT]
    for key, value in rng.sample(records, 12):
        with state_of(home) as database:
            database.put(key, flip(value, rng.randrange(8 * len(value))))
        with pytest.raises(ZgError):
            maintenance.verify(home, silent)
        with state_of(home) as database:
            database.put(key, value)
    maintenance.verify(home, silent)


UNDER_THE_ROOT = (b"a", b"s", b"t", b"u")
"""Accounts, slots, and the nodes of both kinds of trie."""


def state_of(home: Path) -> plyvel.DB:
    """The state's records; the core's LevelDB knows no compression."""
    return plyvel.DB(str(home / "shard-0" / "state"), compression=None)


def test_compacting_changes_nothing(home: Path) -> None:
    before = blocks_of(home)
    assert maintenance.compact(home) >= 0
    assert blocks_of(home) == before
    maintenance.verify(home, silent)


def test_every_shard_is_verified(tmp_path: Path) -> None:
    settings = override(SETTINGS, {"network.shards": 2})
    genesis = load_genesis(settings, tmp_path)
    for shard in (0, 1):
        open_chain(settings, genesis, tmp_path, shard, lambda: 0, ValidatorSets(genesis)).close()
    (tmp_path / "config.toml").write_text(render(settings))
    report: Any = maintenance.verify(tmp_path, silent)
    assert [shard["shard"] for shard in report["shards"]] == [0, 1]


def test_a_home_without_a_chain_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="holds no chain yet"):
        maintenance.verify(tmp_path, silent)


# ── export, import ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_exported_and_imported_is_the_same_chain(home: Path, fresh: Path, exported: Path) -> None:
    blocks = blocks_of(home)
    assert maintenance.import_(fresh, 0, exported, silent) == len(blocks) - 1
    assert blocks_of(fresh) == blocks
    assert maintenance.verify(fresh, silent)["shards"] == maintenance.verify(home, silent)["shards"]


def test_a_chain_can_be_brought_into_a_directory_that_never_ran(home: Path, exported: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InvalidConfig, match="has no shard 1"):
        maintenance.import_(empty, 1, exported, silent)
    assert list(empty.iterdir()) == []
    assert maintenance.import_(empty, 0, exported, silent) == len(blocks_of(home)) - 1
    assert blocks_of(empty) == blocks_of(home)
    run_node(empty, 0)
    assert blocks_of(empty)[: len(blocks_of(home))] == blocks_of(home)


def test_importing_twice_imports_once(fresh: Path, exported: Path) -> None:
    assert maintenance.import_(fresh, 0, exported, silent) > 0
    assert maintenance.import_(fresh, 0, exported, silent) == 0


def test_a_range_can_be_carried_in_two_files(home: Path, fresh: Path, tmp_path: Path) -> None:
    blocks = blocks_of(home)
    first, second = tmp_path / "first", tmp_path / "second"
    assert maintenance.export(home, 0, first, 1, 3, silent) == 3
    assert maintenance.export(home, 0, second, 2, 10**9, silent) == len(blocks) - 2
    with pytest.raises(InvalidConfig, match="does not fit this chain after block 0"):
        maintenance.import_(fresh, 0, second, silent)
    assert maintenance.import_(fresh, 0, first, silent) == 3
    assert maintenance.import_(fresh, 0, second, silent) == len(blocks) - 4
    assert blocks_of(fresh) == blocks


def test_blocks_that_do_not_exist_cannot_be_exported(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="block 1000000 does not exist yet"):
        maintenance.export(home, 0, tmp_path / "blocks", 1_000_000, None, silent)
    with pytest.raises(InvalidConfig, match="has no shard 7"):
        maintenance.export(home, 7, tmp_path / "blocks", 0, None, silent)
    assert not (tmp_path / "blocks").exists()


def test_another_chains_blocks_are_refused(exported: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run_node(other, 2)
    before = blocks_of(other)
    with pytest.raises(InvalidConfig, match="holds another chain: its block 1 is not the one stored here"):
        maintenance.import_(other, 0, exported, silent)
    assert blocks_of(other) == before


@pytest.mark.parametrize("content", [b"", MAGIC[:-1], b"something else\n" * 9])
def test_a_file_of_another_kind_is_refused(fresh: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InvalidConfig, match="was not written by `zg-node db export`"):
        maintenance.import_(fresh, 0, tmp_path / "file", silent)


@pytest.mark.parametrize(
    "record", [b"\xff\xff\xff\xff" + bytes(99), b"\0\0\0\1\x80", b"\0\0\x75\x30" + b"\xf8\xff" * 15_000]
)
def test_a_record_that_is_no_block_is_refused(fresh: Path, tmp_path: Path, record: bytes) -> None:
    (tmp_path / "file").write_bytes(MAGIC + record)
    with pytest.raises(InvalidConfig):
        maintenance.import_(fresh, 0, tmp_path / "file", silent)


def attempt(home: Path, file: Path) -> str:
    """Import; what is wrong with the file, empty when nothing is."""
    try:
        maintenance.import_(home, 0, file, silent)
    except InvalidConfig as error:
        return str(error)
    return ""


def borders(content: bytes) -> set[int]:
    """Where an export may end."""
    found, offset = set(), len(MAGIC)
    while offset < len(content):
        found.add(offset)
        offset += 4 + int.from_bytes(content[offset : offset + 4], "big")
    return found


def test_a_cut_file_gives_the_blocks_that_are_whole(home: Path, fresh: Path, exported: Path) -> None:
    blocks, content, rng = blocks_of(home), exported.read_bytes(), Random(SEED)
    for end in sorted(rng.sample(sorted(set(range(len(MAGIC), len(content))) - borders(content)), 6)):
        exported.write_bytes(content[:end])
        assert "is cut off or damaged at byte" in attempt(fresh, exported)
        found = blocks_of(fresh)
        assert found == blocks[: len(found)]


def test_a_file_with_a_flipped_bit_never_gives_another_chain(home: Path, fresh: Path, exported: Path) -> None:
    blocks, content, rng = blocks_of(home), exported.read_bytes(), Random(SEED)
    for bit in rng.sample(range(8 * len(MAGIC), 8 * len(content)), 15):
        exported.write_bytes(flip(content, bit))
        attempt(fresh, exported)
        found = blocks_of(fresh)
        assert [block.hash for block in found] == [block.hash for block in blocks[: len(found)]]


@pytest.mark.parametrize(
    "part", ["a vote of another view", "a vote of another epoch", "a notarization", "no signatures"]
)
def test_a_block_without_a_proof_of_finality_is_refused(home: Path, fresh: Path, exported: Path, part: str) -> None:
    block = blocks_of(home)[1]
    kind, epoch, view, block_hash, signatures = rlp.decode(block.certificate)
    forged = {
        "a vote of another view": [kind, epoch, b"\x7f", block_hash, signatures],
        "a notarization": [b"\1", epoch, view, block_hash, signatures],
        "a vote of another epoch": [kind, b"\1", view, block_hash, signatures],
        "no signatures": [kind, epoch, view, block_hash, []],
    }[part]
    record = rlp.encode([block.header.raw, block.consensus.encode(), block.body, rlp.encode(forged)])
    exported.write_bytes(MAGIC + len(record).to_bytes(4, "big") + record)
    with pytest.raises(InvalidConfig):
        maintenance.import_(fresh, 0, exported, silent)
    assert len(blocks_of(fresh)) == 1
