"""Blobs by height."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.lone import Lone, run
from zg_node.errors import Unavailable
from zg_node.gateway.blobs import UnknownBlob
from zg_node.gateway.celestia_blob import CelestiaBlob, to_base64
from zg_node.gateway.heights import Heights

ONE, TWO = bytes(19) + b"rollup-one", bytes(19) + b"rollup-two"


def test_news_name_each_height_with_its_own_blobs(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        heights = Heights(lone.blobs(1 << 20))
        for number, namespace in enumerate((ONE, TWO, ONE), start=1):
            data = b"data %d" % number
            assert await heights.submit([CelestiaBlob(namespace, data).to_json(b"", -1)]) == number
        told = [(height, [blob["data"] for blob in blobs]) for height, blobs in await heights.news(1, ONE)]
        assert told == [(1, [to_base64(b"data 1")]), (2, []), (3, [to_base64(b"data 3")])]
        assert await heights.news(4, ONE) == []

    run(tmp_path, test)


def test_a_height_to_come_and_a_blob_that_is_not_are_different_failures(tmp_path: Path) -> None:
    async def test(lone: Lone) -> None:
        heights = Heights(lone.blobs())
        with pytest.raises(Unavailable):
            await heights.all(1, (ONE,))
        with pytest.raises(UnknownBlob):
            await heights.find(0, ONE, bytes(32))

    run(tmp_path, test)
