"""What must hold of an honest node's chain at the end of a schedule: roots, nonces, every transaction there once and
found where it is, and that no wei is made or lost."""

from __future__ import annotations

import json
from functools import lru_cache

import rlp

from tests.sim.invariants import Violation
from zg_node import _core
from zg_node.contracts.da import DATA_AVAILABILITY
from zg_node.contracts.staking import COIN, STAKING
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain
from zg_node.types.block import StoredBlock
from zg_node.types.hashing import keccak

TRANSACTIONS_MAX = 1024
"""Transactions that are not read again for every node."""


def check_ledger(chain: Chain, genesis: Genesis) -> None:
    """Raise Violation unless the state is what the blocks made of the genesis. Of a chain that began with a snapshot,
    what there is of it is looked at: its state is compared with the others' by its root."""
    number, block_hash, root = chain.state.head()
    if (number, block_hash, root) != (chain.head.number, chain.head.hash, chain.head.header.state_root):
        raise Violation(f"the state is at {number} with root 0x{root.hex()}, the chain at {chain.head.number}")
    first = chain.blocks.first
    nonces: dict[bytes, int] = {}
    touched: set[bytes] = set()
    burnt = 0
    for height in range(max(1, first), chain.head.number + 1):
        block = chain.by_number(height)
        if block is None:
            raise Violation(f"block {height} is not kept")
        burnt += block.header.gas_used * block.header.base_fee
        touched.add(block.header.coinbase)
        touched |= _check_transactions(chain, block, nonces, began=first <= 1)
    for sender, nonce in nonces.items():
        account = chain.state.account(chain.head.hash, sender)
        if account is None or account[0] != nonce:
            raise Violation(f"0x{sender.hex()} sent {nonce} transactions, and its account says {account}")
    if first <= 1:
        _check_supply(chain, genesis, touched, burnt)


def _check_transactions(chain: Chain, block: StoredBlock, nonces: dict[bytes, int], *, began: bool) -> set[bytes]:
    """Every sender's nonces follow one another, so that nothing runs twice, and every transaction is found in its
    block. Returns whom the transactions touch."""
    touched: set[bytes] = set()
    for index, raw in enumerate(rlp.decode(block.body)):
        sender = block.senders[20 * index : 20 * index + 20]
        tx_hash, nonce, to = _read(raw)
        if nonce != nonces.get(sender, 0 if began else nonce):
            raise Violation(f"block {block.number}: 0x{sender.hex()} jumps to nonce {nonce}")
        if chain.transaction(tx_hash) != (block.number, index):
            raise Violation(f"transaction {index} of block {block.number} is not found there")
        nonces[sender] = nonce + 1
        touched |= {sender, to}
    return touched


@lru_cache(TRANSACTIONS_MAX)
def _read(raw: bytes) -> tuple[bytes, int, bytes]:
    """(hash, nonce, recipient) of a transaction; once for all nodes that have it."""
    transaction = json.loads(_core.decode_transaction_json(raw))
    return keccak(raw), int(transaction["nonce"], 16), bytes.fromhex(transaction["to"][2:])


def _check_supply(chain: Chain, genesis: Genesis, touched: set[bytes], burnt: int) -> None:
    """Balances and the burnt base fees together are what there was at the beginning."""
    given = _given(genesis, chain.shard)
    there = sum((chain.state.account(chain.head.hash, a) or (0, 0, b""))[1] for a in sorted(touched | given.keys()))
    if there + burnt != sum(given.values()):
        raise Violation(f"{sum(given.values())} wei at the beginning, {there} and {burnt} burnt now")


def _given(genesis: Genesis, shard: int) -> dict[bytes, int]:
    """Wei by address in a shard's block 0."""
    file = genesis.file
    named = [(a.address, int(a.balance_wei)) for a in file.accounts]
    named += [(p.address, int(p.balance_wei)) for p in file.predeploys]
    given = {bytes.fromhex(address[2:]): balance for address, balance in named}
    if shard == 0:
        stakes = sum(v.stake for v in file.validators) * COIN
        given[STAKING] = stakes + int(file.staking.reserve_wei)
        given[DATA_AVAILABILITY] = stakes
    return given
