"""The network of a whole-node schedule: the development chain's contracts and accounts, and as many validators as the
plan has."""

from __future__ import annotations

import json
from functools import cache

from coincurve import PrivateKey

from tests.sim.plan import ENDLESS
from zg_node import _core
from zg_node.consensus.votes import address_of
from zg_node.execution.genesis import Genesis, packaged, parse

CHAIN_ID = 4_660_000
SENDERS = 4
TRANSFERS_MAX = 60
"""By each sender."""
GWEI = 10**9


@cache
def keys(count: int) -> tuple[PrivateKey, ...]:
    """Vote keys in the order of their addresses, so that node numbers and places in the set are the same."""
    made = [PrivateKey(bytes(30) + (1000 + number).to_bytes(2, "big")) for number in range(count)]
    return tuple(sorted(made, key=lambda key: address_of(key.public_key)))


@cache
def network(stakes: tuple[int, ...], epoch_blocks: int) -> Genesis:
    """The genesis with these validators."""
    head, *_ = packaged("devnet").split("[[validators]]")
    rows = "".join(
        f'\n[[validators]]\naddress = "0x{address_of(key.public_key).hex()}"\nstake = {stake}\n'
        for key, stake in zip(keys(len(stakes)), stakes, strict=True)
    )
    text = head.replace('name = "devnet"', 'name = "simulated"').replace(
        "chain_id = 1_660_200", f"chain_id = {CHAIN_ID}"
    )
    return parse(text + rows, "simulated")


@cache
def transfers() -> tuple[tuple[str, ...], ...]:
    """Per sender, transfers with nonces from 0 on, each to an address of its own or to another sender."""
    accounts = list(network((100,), ENDLESS).development_keys.items())[:SENDERS]
    return tuple(
        tuple(_transfer(key, nonce, accounts[(number + 1) % SENDERS][0]) for nonce in range(TRANSFERS_MAX))
        for number, (_, key) in enumerate(accounts)
    )


def _transfer(key: bytes, nonce: int, to: bytes) -> str:
    transaction = {
        "type": "0x2",
        "chainId": hex(CHAIN_ID),
        "nonce": hex(nonce),
        "gas": hex(21_000),
        "maxFeePerGas": hex(100 * GWEI),
        "maxPriorityFeePerGas": hex(GWEI),
        "to": "0x" + to.hex(),
        "value": hex(1 + nonce),
        "input": "0x",
        "accessList": [],
    }
    return "0x" + _core.sign_transaction_json(json.dumps(transaction).encode(), key).hex()
