"""What a running node serves to others: the states of epochs that ended, across restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from tests.execution.epoch_chain import EPOCH_BLOCKS, EpochChain
from zg_node.peering import EpochSnapshots


class Inline(Executor):
    """Does what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def served(snapshots: EpochSnapshots) -> int | None:
    manifest = snapshots.manifest()
    return manifest[0] if manifest is not None else None


def mine(chain: EpochChain, blocks: int) -> None:
    for _ in range(blocks):
        chain.chain.announce(chain.mine(transfers=0))


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[EpochChain]:
    chain = EpochChain(tmp_path)
    yield chain
    chain.chain.close()


def test_a_state_is_served_from_the_first_block_of_the_next_epoch_on(chain: EpochChain) -> None:
    snapshots = EpochSnapshots(chain.chain, Inline())
    mine(chain, EPOCH_BLOCKS)
    assert served(snapshots) is None
    mine(chain, 1)
    assert served(snapshots) == EPOCH_BLOCKS
    mine(chain, EPOCH_BLOCKS)
    assert served(snapshots) == 2 * EPOCH_BLOCKS
    snapshots.close()


@pytest.mark.parametrize("later", [0, 2])
def test_after_a_restart_the_same_state_is_served_with_the_next_block(tmp_path: Path, later: int) -> None:
    chain = EpochChain(tmp_path)
    before = EpochSnapshots(chain.chain, Inline())
    mine(chain, 2 * EPOCH_BLOCKS + 1)
    manifest = before.manifest()
    assert manifest is not None
    mine(chain, later)
    chunk = before.chunk(manifest[0], 0)
    before.close()
    nonce = chain.nonce
    chain.chain.close()

    again = EpochChain(tmp_path)
    again.nonce = nonce
    snapshots = EpochSnapshots(again.chain, Inline())
    mine(again, 1)
    assert snapshots.manifest() == manifest
    assert snapshots.chunk(manifest[0], 0) == chunk
    snapshots.close()
    again.chain.close()


def test_a_state_that_is_not_kept_any_more_is_not_served(tmp_path: Path) -> None:
    chain = EpochChain(tmp_path, history_blocks=4)
    mine(chain, 2 * EPOCH_BLOCKS - 1)
    chain.chain.checkpoint()
    snapshots = EpochSnapshots(chain.chain, Inline())
    mine(chain, 1)
    assert served(snapshots) is None
    snapshots.close()
    chain.chain.close()
