"""What the core's erasure code computes, as short as it can be said: for reading, and for tests to compare with.

Symbols are elements of GF(2¹⁶), written over a Cantor basis as Leopard does. A code word is a polynomial's values: with
m the least power of two that is not below N, the parity rows are values at 0 … N − 1 of the sum of the polynomials
of degree below m through each m data rows, at m … 2m − 1, 2m … 3m − 1 and so on, where missing rows are zero.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from hashlib import sha256

POLYNOMIAL = 0x1002D
"""x¹⁶ + x⁵ + x³ + x² + 1, over which the basis below is written."""
CANTOR_BASIS = (
    0x0001, 0xACCA, 0x3C0E, 0x163E, 0xC582, 0xED2E, 0x914C, 0x4012,
    0x6C98, 0x10D8, 0x6A72, 0xB900, 0xFDB8, 0xFB34, 0xFF38, 0x991E,
)  # fmt: skip
ORDER = 65_535
"""Of the multiplicative group."""
UNIT_BYTES = 64
"""32 symbols: their low bytes, then their high bytes."""
LANES = 8
"""Symbols of a checksum."""
CELL_BYTES = 1024


# ── the field ───────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _tables() -> tuple[list[int], list[int]]:
    """(powers of x, logarithms), both over the Cantor basis."""
    plain = [1]
    while len(plain) < ORDER:
        doubled = plain[-1] << 1
        plain.append(doubled ^ POLYNOMIAL if doubled >> 16 else doubled)
    elements = [0]
    for element in CANTOR_BASIS:
        elements += [element ^ other for other in elements]
    cantor = {element: symbol for symbol, element in enumerate(elements)}
    powers = [cantor[element] for element in plain]
    logs = [0] * (ORDER + 1)
    for log, symbol in enumerate(powers):
        logs[symbol] = log
    return powers, logs


def times(a: int, b: int) -> int:
    """The product of two symbols."""
    powers, logs = _tables()
    return powers[(logs[a] + logs[b]) % ORDER] if a and b else 0


def inverse(a: int) -> int:
    """The symbol whose product with `a`, which is not 0, is 1."""
    powers, logs = _tables()
    return powers[-logs[a] % ORDER]


# ── the code ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _product(symbols: Sequence[int]) -> int:
    result = 1
    for symbol in symbols:
        result = times(result, symbol)
    return result


def weight(parity: int, data: int, parity_rows: int) -> int:
    """What a symbol of a parity row has of the same symbol of a data row: Lagrange's polynomial of the data row's point
    in its chunk of m, at the parity row's point. Its denominator is the same for all points of a chunk."""
    m = 1 << (parity_rows - 1).bit_length()
    point = m + data
    chunk = range(point - point % m, point - point % m + m)
    below = times(parity ^ point, _product(range(1, m)))
    return times(_product([parity ^ other for other in chunk]), inverse(below))


def symbols_of(row: bytes) -> list[int]:
    """The symbols of a row."""
    units = range(0, len(row), UNIT_BYTES)
    return [row[unit + place] | row[unit + 32 + place] << 8 for unit in units for place in range(32)]


def row_of(symbols: Sequence[int]) -> bytes:
    """The row of the symbols, of which there is a multiple of 32."""
    units = (symbols[at : at + 32] for at in range(0, len(symbols), 32))
    return b"".join(bytes(s & 255 for s in unit) + bytes(s >> 8 for s in unit) for unit in units)


def parity(rows: Sequence[bytes], parity_rows: int) -> list[bytes]:
    """The N parity rows of K data rows."""
    data = [symbols_of(row) for row in rows]
    out = []
    for index in range(parity_rows):
        sums = [0] * len(data[0])
        for place, row in enumerate(data):
            factor = weight(index, place, parity_rows)
            sums = [total ^ times(factor, symbol) for total, symbol in zip(sums, row, strict=True)]
        out.append(row_of(sums))
    return out


# ── the commitment ──────────────────────────────────────────────────────────────────────────────────────────────────


def root(digests: Sequence[bytes]) -> bytes:
    """RFC 6962's root over leaf digests."""
    if len(digests) == 1:
        return digests[0]
    split = 1 << (len(digests) - 1).bit_length() - 1
    return sha256(b"\1" + root(digests[:split]) + root(digests[split:])).digest()


def leaf(data: bytes) -> bytes:
    """RFC 6962's leaf digest."""
    return sha256(b"\0" + data).digest()


def row_digest(row: bytes, cell_bytes: int = CELL_BYTES) -> bytes:
    """What stands for a row in the tree: the root over its cells."""
    return root([leaf(row[at : at + cell_bytes]) for at in range(0, len(row), cell_bytes)])


def coefficients(row_root: bytes, data_rows: int, parity_rows: int, row_bytes: int) -> list[list[int]]:
    """`[symbols of a row, 8]` symbols, which nobody knows before the rows are fixed."""
    seed = sha256(row_root + struct.pack("<III", data_rows, parity_rows, row_bytes)).digest()
    out = []
    for index in range(row_bytes // 2):
        halves = struct.unpack("<16H", sha256(seed + struct.pack("<I", index)).digest())
        out.append([a ^ b for a, b in zip(halves[:LANES], halves[LANES:], strict=True)])
    return out


def checksum(row: bytes, factors: Sequence[Sequence[int]]) -> bytes:
    """16 bytes: the sum of a row's symbols, each times its coefficient.

    The checksum of a parity row is the parity of the data rows' checksums; a row that is not of the code is noticed so.
    """
    sums = [0] * LANES
    for symbol, lanes in zip(symbols_of(row), factors, strict=True):
        sums = [total ^ times(symbol, lane) for total, lane in zip(sums, lanes, strict=True)]
    return struct.pack("<8H", *sums)


def roots(data: Sequence[bytes], parity_rows: int, cell_bytes: int = CELL_BYTES) -> tuple[bytes, bytes]:
    """(row root, checksum root) of K data rows."""
    rows = [*data, *parity(data, parity_rows)]
    row_root = root([row_digest(row, cell_bytes) for row in rows])
    factors = coefficients(row_root, len(data), parity_rows, len(data[0]))
    return row_root, root([leaf(checksum(row, factors)) for row in data])


def rsema1d(data: Sequence[bytes], parity_rows: int) -> bytes:
    """Celestia's commitment to K data rows: a row is one leaf, and there is no header."""
    return sha256(b"".join(roots(data, parity_rows, len(data[0])))).digest()


def header(blob: bytes, data_rows: int, parity_rows: int, row_bytes: int) -> bytes:
    """The header of a blob in any shape that holds it; its SHA-256 is the commitment."""
    padded = blob.ljust(data_rows * row_bytes, b"\0")
    data = [padded[at : at + row_bytes] for at in range(0, len(padded), row_bytes)]
    fields = struct.pack(">BHHIQ", 1, data_rows, parity_rows, row_bytes, len(blob))
    return fields + b"".join(roots(data, parity_rows))
