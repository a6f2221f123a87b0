"""Rows and cells against commitments, in the EVM: what the core proves is true, and what it refuses is not."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
import rlp

from tests.contracts.data_chain import DataChain, encoded
from zg_node import _core
from zg_node.contracts import da
from zg_node.contracts.abi import Function, interface
from zg_node.errors import InvalidMessage

SHAPES = {
    "rows of one short cell": (900, None),
    "rows of one cell and a short one": (4000, (3, 9, 1344)),
    "rows of two whole cells": (4096, (2, 6, 2048)),
    "the smallest": (70, (2, 1, 64)),
    "rows of five cells, an odd number of rows": (9000, (2, 3, 4672)),
    "the longest rows": (70_000, (3, 4, 32 << 10)),
}
"""Bytes of a blob, and its shape."""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> DataChain:
    return DataChain(tmp_path_factory.mktemp("verifier"))


def verifier(name: str) -> Function:
    return interface("DataVerifier").functions[name]


def says(chain: DataChain, name: str, *values: object) -> bool:
    function = verifier(name)
    (answer,) = function.decode(chain.call(function.encode(*values), to=da.DATA_VERIFIER))
    return bool(answer)


def is_cell(
    chain: DataChain, header: bytes, row: int, cell: int, data: bytes, path: bytes, commitment: bytes | None = None
) -> bool:
    commitment = hashlib.sha256(header).digest() if commitment is None else commitment
    return says(chain, "verifyCell", commitment, header, row, cell, data, da.digests(path))


def is_row(
    chain: DataChain, header: bytes, row: int, data: bytes, path: bytes, commitment: bytes | None = None
) -> bool:
    commitment = hashlib.sha256(header).digest() if commitment is None else commitment
    return says(chain, "verifyRow", commitment, header, row, data, da.digests(path))


@pytest.fixture(params=list(SHAPES.values()), ids=list(SHAPES))
def encoding(request: pytest.FixtureRequest) -> _core.Encoding:
    length, shape = request.param
    return _core.Encoding(random.Random(length).randbytes(length), shape)


def places(encoding: _core.Encoding) -> list[tuple[int, int]]:
    """Every row and cell of it, or the first and the last ones."""
    header = encoding.header()
    rows = int.from_bytes(header[1:3], "big") + int.from_bytes(header[3:5], "big")
    cells = -(-int.from_bytes(header[5:9], "big") // 1024)
    return [(row, cell) for row in {0, 1, rows // 2, rows - 2, rows - 1} for cell in {0, cells // 2, cells - 1}]


def test_every_committed_cell_is_one_at_its_place_only(chain: DataChain, encoding: _core.Encoding) -> None:
    header = encoding.header()
    for row, cell, data, path in encoding.cells(places(encoding)):
        assert is_cell(chain, header, row, cell, data, path)
        assert _core.refused_cells(header, [(row, cell, data, path)]) == []
        for attempt in (
            (row ^ 1, cell, data, path),
            (row, cell + 1, data, path),
            (row, cell, bytes([data[0] ^ 1]) + data[1:], path),
            (row, cell, data[:-1], path),
            (row, cell, data + b"\0", path),
            (row, cell, data, path[:-32]),
            (row, cell, data, path + bytes(32)),
            (row, cell, data, bytes([path[0] ^ 1]) + path[1:]),
            (10**6, cell, data, path),
        ):
            assert is_cell(chain, header, *attempt) is False
            assert _core.refused_cells(header, [attempt])
        assert is_cell(chain, header, row, cell, data, path, commitment=bytes(32)) is False


def test_every_committed_row_is_one_at_its_place_only(chain: DataChain, encoding: _core.Encoding) -> None:
    header = encoding.header()
    for row, data, path in encoding.rows(sorted({row for row, _ in places(encoding)})):
        assert is_row(chain, header, row, data, path)
        assert not is_row(chain, header, row, data[:-1] + bytes([data[-1] ^ 1]), path)
        assert not is_row(chain, header, row, data[:-64], path)
        assert not is_row(chain, header, row, data, path[:-32])
        assert not is_row(chain, header, row, data, path + bytes(32))
        assert not is_row(chain, header, 10**6, data, path)
        assert not is_row(chain, header, row, data, path, commitment=bytes(32))


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (0, b"\2"),
        (1, b"\0\0"),
        (3, b"\0\0"),
        (3, b"\xff\xff"),
        (5, (0).to_bytes(4, "big")),
        (5, (96).to_bytes(4, "big")),
        (5, (1 << 16).to_bytes(4, "big")),
        (9, (0).to_bytes(8, "big")),
        (9, (1 << 40).to_bytes(8, "big")),
    ],
)
def test_headers_that_the_core_refuses_prove_nothing(chain: DataChain, offset: int, value: bytes) -> None:
    encoding = _core.Encoding(b"x" * 900)
    header = bytearray(encoding.header())
    header[offset : offset + len(value)] = value
    [(row, cell, data, path)] = encoding.cells([(5, 0)])
    with pytest.raises(InvalidMessage):
        _core.refused_cells(bytes(header), [(row, cell, data, path)])
    assert is_cell(chain, bytes(header), row, cell, data, path) is False
    assert is_cell(chain, bytes(header[:-1]), row, cell, data, path) is False


def test_numbers_beyond_every_row_are_false_and_no_failure(chain: DataChain) -> None:
    encoding = _core.Encoding(b"x" * 900)
    [(_, _, data, path)] = encoding.cells([(5, 0)])
    for huge in (2**64, 2**255, 2**256 - 1):
        assert is_cell(chain, encoding.header(), huge, 0, data, path) is False
        assert is_cell(chain, encoding.header(), 5, huge, data, path) is False
        assert is_row(chain, encoding.header(), huge, data, path) is False


def test_the_root_shards_contract_says_it_of_certified_blobs_only(chain: DataChain) -> None:
    blob, encoding = chain.blob("certain"), encoded("certain")
    [(row, cell, data, path)] = encoding.cells([(40, 0)])
    cell_call = ("verifyCell", blob.commitment, encoding.header(), row, cell, data, da.digests(path))
    [(row, whole, row_path)] = encoding.rows([40])
    row_call = ("verifyRow", blob.commitment, encoding.header(), row, whole, da.digests(row_path))
    assert not chain.read(*cell_call)
    assert not chain.read(*row_call)
    chain.certified(blob)
    assert chain.read(*cell_call)
    assert chain.read(*row_call)
    assert not chain.read("verifyCell", blob.commitment, encoding.header(), row + 1, cell, data, da.digests(path))


def test_every_shard_has_the_verifier_and_the_root_alone_the_rest(chain: DataChain) -> None:
    root, other = ({bytes(a[0]) for a in rlp.decode(chain.genesis.allocation(shard))[0]} for shard in (0, 1))
    assert da.DATA_VERIFIER in root & other
    assert da.DATA_AVAILABILITY in root - other


def test_a_cell_costs_less_than_a_simple_swap(chain: DataChain, tmp_path: Path) -> None:
    encoding = _core.Encoding(b"q" * (32 << 20))
    [(row, cell, data, path)] = encoding.cells([(4000, 31)])
    commitment = hashlib.sha256(encoding.header()).digest()
    call = verifier("verifyCell").encode(commitment, encoding.header(), row, cell, data, da.digests(path))
    assert chain.send(0, call, to=da.DATA_VERIFIER).gas_used < 120_000
    [(row, data, path)] = encoding.rows([4000])
    call = verifier("verifyRow").encode(commitment, encoding.header(), row, data, da.digests(path))
    assert chain.send(0, call, to=da.DATA_VERIFIER).gas_used < 2_000_000
