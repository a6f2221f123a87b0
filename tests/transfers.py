"""Signed transfers of the development network's accounts, made in advance and in bulk."""

from __future__ import annotations

import json
from collections.abc import Iterator

from zg_node import _core
from zg_node.execution.genesis import packaged, parse

GENESIS = parse(packaged("devnet"), "devnet")
KEYS = list(GENESIS.development_keys.items())
"""(address, private key) of the funded accounts, in the chain file's order."""
GWEI = 10**9


def transfer(
    sender: int,
    nonce: int,
    to: bytes | None = None,
    *,
    value: int = 1,
    shard: int = 0,
    max_fee: int = 100 * GWEI,
    tip: int = GWEI,
) -> str:
    """A signed transfer in hex by the `sender`th development account; to an address of its own unless `to` is given."""
    receiver = to if to is not None else bytes([0x5A, sender]) + nonce.to_bytes(18, "big")
    transaction = {
        "type": "0x2",
        "chainId": hex(GENESIS.chain_id(shard)),
        "nonce": hex(nonce),
        "gas": hex(21_000),
        "maxFeePerGas": hex(max_fee),
        "maxPriorityFeePerGas": hex(tip),
        "to": "0x" + receiver.hex(),
        "value": hex(value),
        "input": "0x",
        "accessList": [],
    }
    return "0x" + _core.sign_transaction_json(json.dumps(transaction).encode(), KEYS[sender][1]).hex()


def batches(sender: int, first_nonce: int, count: int, size: int) -> Iterator[list[str]]:
    """`count` transfers of one account in consecutive nonces, `size` at a time; signed as they are asked for."""
    for start in range(first_nonce, first_nonce + count, size):
        yield [transfer(sender, nonce) for nonce in range(start, min(start + size, first_nonce + count))]
