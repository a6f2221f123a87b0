"""Finalised blocks that parse, with parts of any content."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.consensus.blocks import make_block
from zg_node.types.block import StoredBlock
from zg_node.types.hashing import ZERO_HASH, keccak


def stored(number: int, transactions: int = 0, parent_hash: bytes = ZERO_HASH, salt: int = 0) -> StoredBlock:
    """A block with made-up senders, receipts and certificate."""
    block = make_block(parent_hash, number, number, salt)
    return StoredBlock(
        block.header,
        block.consensus,
        block.body,
        b"".join(keccak(bytes([number % 256, index]))[:20] for index in range(transactions)),
        f"receipts of {number}".encode(),
        f"certificate of {number}".encode(),
    )


def chain(length: int, transactions: int = 0) -> list[StoredBlock]:
    """Blocks 0 … length − 1, each on the one before."""
    blocks: list[StoredBlock] = []
    for number in range(length):
        blocks.append(stored(number, transactions, blocks[-1].hash if blocks else ZERO_HASH))
    return blocks


def tx_hashes(block: StoredBlock) -> bytes:
    """32 bytes for each of the block's senders."""
    count = len(block.senders) // 20
    return b"".join(keccak(block.hash + bytes([index])) for index in range(count))


stored_blocks = st.builds(
    lambda number, body, senders, receipts, certificate: StoredBlock(
        stored(number).header, stored(number).consensus, body, senders, receipts, certificate
    ),
    st.integers(0, 2**40),
    st.binary(max_size=200),
    st.binary(max_size=200),
    st.binary(max_size=200),
    st.binary(max_size=200),
)
