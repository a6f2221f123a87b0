"""Blobs by height."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.da.cluster import MemoryLedger
from tests.gateway.lone import Lone, run
from zg_node.errors import Unavailable
from zg_node.gateway.blobs import UnknownBlob
from zg_node.gateway.celestia_blob import CelestiaBlob, of_base64
from zg_node.gateway.heights import Heights

ONE, TWO = bytes(19) + b"rollup-one", bytes(19) + b"rollup-two"


def test_news_name_each_height_with_its_own_blobs_and_pause_after_those_of_one(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        heights = Heights(lone.blobs(1 << 20))
        for number, namespace in enumerate((ONE, TWO, ONE), start=1):
            data = b"data %d" % number
            assert await heights.submit([CelestiaBlob(namespace, data).to_json(b"", -1)]) == number
        for first, expected in ((1, [(1, [b"data 1"])]), (2, [(2, []), (3, [b"data 3"])])):
            told = await heights.news(first, ONE)
            assert [(height, [of_base64(blob["data"], "data") for blob in blobs]) for height, blobs in told] == expected

    run(tmp_path, test)


def test_while_there_is_no_news_the_chain_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(lone: Lone) -> None:
        monkeypatch.delattr(MemoryLedger, "live")
        assert await Heights(lone.blobs()).news(1, ONE) == []

    run(tmp_path, test)


def test_a_height_to_come_and_a_blob_that_is_not_are_different_failures(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        heights = Heights(lone.blobs())
        with pytest.raises(Unavailable):
            await heights.all(1, (ONE,))
        with pytest.raises(UnknownBlob):
            await heights.find(0, ONE, bytes(32))

    run(tmp_path, test)
