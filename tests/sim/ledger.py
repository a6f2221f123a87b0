"""What must hold of an honest node's chain at the end of a schedule: roots, nonces, and that no wei is made or lost."""

from __future__ import annotations

import json
from collections import defaultdict

import rlp

from tests.sim.invariants import Violation
from zg_node import _core
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain


def check_ledger(chain: Chain, genesis: Genesis) -> None:
    """Raise Violation unless the state is what the blocks made of the genesis."""
    number, block_hash, root = chain.state.head()
    if (number, block_hash, root) != (chain.head.number, chain.head.hash, chain.head.header.state_root):
        raise Violation(f"the state is at {number} with root 0x{root.hex()}, the chain at {chain.head.number}")
    nonces: dict[bytes, int] = defaultdict(int)
    touched: set[bytes] = set()
    burnt = 0
    for height in range(1, chain.head.number + 1):
        block = chain.by_number(height)
        if block is None:
            raise Violation(f"block {height} is not kept")
        burnt += block.header.gas_used * block.header.base_fee
        touched.add(block.header.coinbase)
        for index, raw in enumerate(rlp.decode(block.body)):
            sender = block.senders[20 * index : 20 * index + 20]
            transaction = json.loads(_core.decode_transaction_json(raw))
            if int(transaction["nonce"], 16) != nonces[sender]:
                raise Violation(f"block {height}: 0x{sender.hex()} jumps to nonce {transaction['nonce']}")
            nonces[sender] += 1
            touched |= {sender, bytes.fromhex(transaction["to"][2:])}
    for sender, nonce in nonces.items():
        account = chain.state.account(chain.head.hash, sender)
        if account is None or account[0] != nonce:
            raise Violation(f"0x{sender.hex()} sent {nonce} transactions, and its account says {account}")
    _check_supply(chain, genesis, touched, burnt)


def _check_supply(chain: Chain, genesis: Genesis, touched: set[bytes], burnt: int) -> None:
    """Balances and the burnt base fees together are what there was at the beginning."""
    file = genesis.file
    named = [(a.address, int(a.balance_wei)) for a in file.accounts]
    named += [(p.address, int(p.balance_wei)) for p in file.predeploys]
    given = {bytes.fromhex(address[2:]): balance for address, balance in named}
    there = sum((chain.state.account(chain.head.hash, a) or (0, 0, b""))[1] for a in sorted(touched | given.keys()))
    if there + burnt != sum(given.values()):
        raise Violation(f"{sum(given.values())} wei at the beginning, {there} and {burnt} burnt now")
