"""Where a blob is, as a light client reads it from the real contract's storage: the same that a node computes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contracts.data_chain import DataChain, register
from tests.contracts.staking_chain import account
from zg_node import _core
from zg_node.contracts import da
from zg_node.da.assignment import Assignment, assign
from zg_node.da.certificate import Blob
from zg_node.da.holders import Holder, HolderSet
from zg_node.da.light import Whereabouts, locate

NEWCOMERS = (300, 301, 302)


@pytest.fixture
def chain(tmp_path: Path) -> DataChain:
    return DataChain(tmp_path / "state")


def found(chain: DataChain, blob: Blob) -> tuple[Whereabouts, list[int]]:
    """What is read of the newest state, and how many words each question asked for."""
    counts: list[int] = []

    async def read(slots: Sequence[int]) -> Sequence[int]:
        counts.append(len(slots))
        return [chain.state.storage(chain.head, da.DATA_AVAILABILITY, slot) for slot in slots]

    return asyncio.run(locate(read, blob.commitment, blob.id(chain.network), chain.epoch)), counts


def expected(chain: DataChain, blob: Blob, epoch: int) -> Assignment:
    """The contract's own answers: the set of `epoch`, turned by the beacon of the blob's epoch."""
    beacon = da.decode_beacon(chain.ask(da.beacon_call(blob.epoch)))
    assert beacon is not None
    k, n, _ = _core.erasure_shape(blob.length)
    return assign(HolderSet(tuple(Holder(*member) for member in chain.holders(epoch))), blob, beacon, k + n)


def test_a_blob_of_this_epoch_is_where_the_contract_says(chain: DataChain) -> None:
    chain.end_epoch()
    chain.act(100, da.set_peer(chain.holders(1)[0][0], "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"))
    blob = chain.certified(chain.blob(epochs=3))
    where, counts = found(chain, blob)
    assert where == Whereabouts(blob, (expected(chain, blob, 1),))
    assert counts == [1, 2, 1, 4, 12]


def test_a_blob_that_outlives_its_set_is_looked_for_by_the_newer_ones_first(chain: DataChain) -> None:
    blob = chain.certified(chain.blob(epochs=4))
    register(chain, 0, NEWCOMERS[0])
    chain.end_epoch()
    register(chain, 0, NEWCOMERS[1])
    chain.end_epoch()
    register(chain, 0, NEWCOMERS[2])
    chain.end_epoch()
    chain.act(0, da.set_peer(account(NEWCOMERS[1]), "moved"))
    where, _ = found(chain, blob)
    assert [len(each.holders.holders) for each in where.assignments] == [6, 5, 4]
    assert where == Whereabouts(blob, tuple(expected(chain, blob, epoch) for epoch in (3, 2, 0)))


def test_a_set_that_holds_for_several_epochs_is_read_once(chain: DataChain) -> None:
    blob = chain.certified(chain.blob(epochs=4))
    for _ in range(3):
        chain.end_epoch()
    where, counts = found(chain, blob)
    assert where == Whereabouts(blob, (expected(chain, blob, 3),))
    assert counts == [1, 4, 1, 4, 12]
