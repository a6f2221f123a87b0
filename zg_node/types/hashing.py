"""Keccak-256 on safe-pysha3: eth-hash's `auto` would pick a backend five times slower."""

from __future__ import annotations

from eth_hash import Keccak256
from eth_hash.backends.pysha3 import backend

keccak = Keccak256(backend)

ZERO_HASH = b"\0" * 32
EMPTY_CODE_HASH = keccak(b"")
EMPTY_TRIE_ROOT = keccak(b"\x80")
EMPTY_UNCLES_HASH = keccak(b"\xc0")
