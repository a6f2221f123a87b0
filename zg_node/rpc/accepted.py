"""Transactions that the pool accepted, wherever they are by now: still in it, in a block, or dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zg_node import _core
from zg_node.rpc.api import Chain
from zg_node.rpc.receipts import Place


def final_or(chain: Chain, tx_hash: bytes, waiting: Callable[[bytes], bytes | None]) -> Place | bytes | None:
    """Where a transaction is final, else what `waiting` makes of it while it is in the pool, else None.

    The chain is asked again at the end: a block takes a transaction into the chain first and out of the pool then."""
    return chain.transaction(tx_hash) or waiting(tx_hash) or chain.transaction(tx_hash)


def accepted_json(chain: Chain, tx_hashes: Sequence[bytes]) -> list[bytes]:
    """The transactions in order, less those that were dropped. For a worker thread when there are many."""
    found = (_json(chain, tx_hash) for tx_hash in tx_hashes)
    return [one for one in found if one is not None]


def _json(chain: Chain, tx_hash: bytes) -> bytes | None:
    place = final_or(chain, tx_hash, chain.pool.transaction_json)
    if not isinstance(place, tuple):
        return place
    number, index = place
    block = chain.by_number(number)
    return None if block is None else _core.transaction_json(block.header.raw, block.body, block.senders, index)
