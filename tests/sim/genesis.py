"""The network of a whole-node schedule: the development chain's contracts and accounts, as many validators as the plan
has, an operator with coins behind each, and short epochs."""

from __future__ import annotations

import json
from functools import cache

from coincurve import PrivateKey

from tests.sim.plan import ENDLESS
from zg_node import _core
from zg_node.consensus.votes import address_of
from zg_node.execution.genesis import Genesis, packaged, parse
from zg_node.keys import bls_pubkey

CHAIN_ID = 4_660_000
SENDERS = 4
TRANSFERS_MAX = 60
"""By each sender."""
GWEI = 10**9
COIN = 10**18
OPERATORS = 12
"""Nodes, guests among them, that a schedule has at most."""
FUNDS_WEI = 1000 * COIN
RULES = {"unbonding_epochs = 24": "unbonding_epochs = 3", "jail_epochs = 2": "jail_epochs = 1"}


@cache
def keys(count: int) -> tuple[PrivateKey, ...]:
    """Vote keys in the order of their addresses, so that node numbers and places in the first set are the same."""
    return tuple(sorted(_made(1000, count), key=lambda key: address_of(key.public_key)))


@cache
def guest_keys(count: int) -> tuple[PrivateKey, ...]:
    """Vote keys of nodes that are not among the first validators."""
    return _made(2000, count)


@cache
def operators() -> tuple[PrivateKey, ...]:
    """Who owns the coins behind each node, by node number."""
    return _made(3000, OPERATORS)


def _made(first: int, count: int) -> tuple[PrivateKey, ...]:
    return tuple(PrivateKey(bytes(30) + (first + number).to_bytes(2, "big")) for number in range(count))


@cache
def network(stakes: tuple[int, ...], epoch_blocks: int) -> Genesis:
    """The genesis with these validators. Operators and voters have coins of their own, voters to report with."""
    text, *_ = packaged("devnet").split("[[validators]]")
    changes = {
        'name = "devnet"': 'name = "simulated"',
        "chain_id = 1_660_200": f"chain_id = {CHAIN_ID}",
        "epoch_blocks = 1_000": f"epoch_blocks = {epoch_blocks}",
        **RULES,
    }
    for old, new in changes.items():
        assert old in text, f"the development chain does not say {old} any more"
        text = text.replace(old, new)
    voters = keys(len(stakes))
    rich = [*operators(), *voters]
    accounts = [f'[[accounts]]\naddress = "{_address(key)}"\nbalance_wei = "{FUNDS_WEI}"\n' for key in rich]
    validators = [
        f'[[validators]]\naddress = "{_address(voter)}"\noperator = "{_address(operator)}"\nstake = {stake}\n'
        f'pubkey48 = "0x{bls_pubkey(voter.secret).hex()}"\n'
        for voter, operator, stake in zip(voters, operators(), stakes, strict=False)
    ]
    return parse("\n".join([text, *accounts, *validators]), "simulated")


def _address(key: PrivateKey) -> str:
    return "0x" + address_of(key.public_key).hex()


@cache
def transfers() -> tuple[tuple[str, ...], ...]:
    """Per sender, transfers with nonces from 0 on, each to another sender."""
    accounts = list(network((100,), ENDLESS).development_keys.items())[:SENDERS]
    return tuple(
        tuple(signed(key, nonce, accounts[(number + 1) % SENDERS][0], 1 + nonce) for nonce in range(TRANSFERS_MAX))
        for number, (_, key) in enumerate(accounts)
    )


def signed(key: bytes, nonce: int, to: bytes, value: int, data: bytes = b"", gas: int = 21_000) -> str:
    """A transaction on the root shard, raw, in hexadecimal."""
    transaction = {
        "type": "0x2",
        "chainId": hex(CHAIN_ID),
        "nonce": hex(nonce),
        "gas": hex(gas),
        "maxFeePerGas": hex(100 * GWEI),
        "maxPriorityFeePerGas": hex(GWEI),
        "to": "0x" + to.hex(),
        "value": hex(value),
        "input": "0x" + data.hex(),
        "accessList": [],
    }
    return "0x" + _core.sign_transaction_json(json.dumps(transaction).encode(), key).hex()
