"""Ways to damage bytes."""

from __future__ import annotations


def flip(data: bytes, bit: int) -> bytes:
    """`data` with one bit turned over; bit 0 is the lowest of the first byte."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
