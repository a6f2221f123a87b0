"""A chain that begins with another one's state, as a node does that joins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from zg_node.execution.service import Chain
from zg_node.execution.snapshot import Installation, SnapshotSource
from zg_node.types.block import StoredBlock


def begin_with(
    source: Chain,
    number: int,
    directory: Path,
    zero: Callable[[Path], StoredBlock],
    epochs: Mapping[int, bytes],
) -> StoredBlock:
    """Install `source`'s state after block `number` in a shard's `directory`; returns the block."""
    block = source.by_number(number)
    assert block is not None
    served = SnapshotSource(source.state)
    assert served.take(number)
    manifest = served.manifest()
    assert manifest is not None
    target = Installation(directory, zero)
    target.open(number, block.hash, block.header.state_root)
    for index in range(len(manifest[2])):
        target.add(index, served.chunk(number, index))
    target.check(block)
    target.finish(block, epochs)
    served.close()
    return block
