"""A data directory belongs to no engine: what one wrote, the other continues, and either replays the other's log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.world import World
from tests.execution.pyevm_shard import Shard, native_engine, pyevm_engine
from tests.execution.pyevm_workload import Workload
from zg_node import _core
from zg_node.execution.engine import Engine

BLOCKS = 3


def advance(shard: Shard, world: World) -> list[_core.Executed]:
    """`BLOCKS` blocks, final; `world` follows."""
    blocks = []
    for number in range(shard.number + 1, shard.number + 1 + BLOCKS):
        attributes = shard.workload.attributes(number, 1_000 + number)
        shard.offer(attributes, shard.workload.transactions(shard.nonces(), 25))
        block = shard.build(attributes)
        assert block.tx_count > 5
        shard.finalise(block)
        world.apply(block.diff)
        assert world.root() == block.state_root
        blocks.append(block)
    return blocks


@pytest.mark.parametrize("first", ["native", "py-evm"])
def test_either_engine_goes_on_where_the_other_stopped(first: str, tmp_path: Path) -> None:
    workload = Workload(11)
    world = World()
    world.apply(workload.genesis())
    engines: list[Engine] = [native_engine(), pyevm_engine(), native_engine()]
    head = b""
    for engine in engines if first == "native" else [*engines[1:], pyevm_engine()]:
        shard = Shard(tmp_path, engine, workload)
        assert head in (b"", shard.head)
        head = advance(shard, world)[-1].hash
        shard.close()
    state = _core.State(str(tmp_path), 1 << 20, None)
    accounts, slots, root = state.verify()
    assert root == world.root()
    assert accounts == len(world.contents)
    assert slots == sum(len(contents.storage) for contents in world.contents.values())


def test_either_engine_replays_the_log_of_the_other(tmp_path: Path) -> None:
    workload = Workload(12)
    written = Shard(tmp_path / "written", pyevm_engine(), workload)
    world = World()
    world.apply(workload.genesis())
    blocks = advance(written, world)
    for engine in (native_engine(), pyevm_engine()):
        replayed = Shard(tmp_path / type(engine).__name__, engine, workload)
        for block in blocks:
            parts = (block.header, block.body, block.receipts, block.senders, block.diff)
            again = engine.replay(replayed.state, replayed.head, *parts)
            assert again.hash == block.hash
            replayed.finalise(again)
        assert replayed.state.head() == written.state.head()
