"""Installed filters: bounds and expiry."""

from __future__ import annotations

import pytest

from zg_node.errors import InvalidRequest
from zg_node.rpc.filters import BlockFilter, FilterStore, TransactionFilter, new_id


class Time:
    now = 0.0


def test_ids_are_quantities_that_do_not_repeat() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(one == hex(int(one, 16)) for one in ids)


def test_a_filter_expires_when_nobody_polls_it_and_not_before() -> None:
    store = FilterStore(10, 300, lambda: Time.now)
    Time.now = 0
    released: list[bool] = []
    polled = store.install(BlockFilter(0))
    forgotten = store.install(TransactionFilter(0, lambda: released.append(True)))
    Time.now = 200
    assert store.get(polled) == BlockFilter(0)
    Time.now = 301
    assert store.get(polled) == BlockFilter(0)
    assert released == [True]
    with pytest.raises(InvalidRequest, match="filter not found"):
        store.get(forgotten)
    Time.now = 700
    assert not store.uninstall("0x1")
    with pytest.raises(InvalidRequest):
        store.get(polled)
    assert len(store) == 0


def test_filters_are_bounded_and_a_refused_one_is_released() -> None:
    Time.now = 0
    store = FilterStore(2, 300, lambda: Time.now)
    store.install(BlockFilter(0))
    store.install(BlockFilter(0))
    released: list[bool] = []
    with pytest.raises(InvalidRequest) as caught:
        store.install(TransactionFilter(0, lambda: released.append(True)))
    assert caught.value.code == -32005
    assert released == [True]
    Time.now = 301
    store.install(BlockFilter(0))
    assert len(store) == 1
