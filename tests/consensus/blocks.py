"""Blocks for consensus tests: headers that parse, without execution behind them."""

from __future__ import annotations

import rlp

from zg_node.types.block import Block, ConsensusHeader, Header
from zg_node.types.hashing import EMPTY_TRIE_ROOT, EMPTY_UNCLES_HASH, ZERO_HASH


def make_block(parent_hash: bytes, number: int, view: int, salt: int) -> Block:
    """A block whose hash depends on all four."""
    consensus = ConsensusHeader(ZERO_HASH, 0, view, 1000 * number + salt, ZERO_HASH, ZERO_HASH, 0, 0)
    fields = [
        parent_hash, EMPTY_UNCLES_HASH, bytes(20), ZERO_HASH, EMPTY_TRIE_ROOT, EMPTY_TRIE_ROOT, bytes(256), 0, number,
        500_000_000, 0, number, consensus.hash(), ZERO_HASH, bytes(8), 10**9, EMPTY_TRIE_ROOT, 0, 0, ZERO_HASH,
        ZERO_HASH,
    ]  # fmt: skip
    return Block(Header.decode(rlp.encode(fields)), consensus, b"\xc0")


def block_on(parent: Block, view: int, salt: int) -> Block:
    """A child of `parent`."""
    return make_block(parent.hash, parent.number + 1, view, salt)


GENESIS = make_block(ZERO_HASH, 0, 0, 0)
