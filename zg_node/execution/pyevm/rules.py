"""What makes a transaction invalid in a block, where py-evm itself does not look.

py-evm checks the signature, the nonce, the fee cap against the base fee, and the balance against the price that is due.
The rest of what Prague asks is here.
"""

from __future__ import annotations

from eth._utils.state import code_is_delegation_designation
from eth.abc import SignedTransactionAPI, StateAPI
from eth.constants import CREATE_CONTRACT_ADDRESS, GAS_TX
from eth.vm.forks.cancun.constants import BLOB_TX_TYPE
from eth.vm.forks.cancun.state import get_total_blob_gas
from eth.vm.forks.prague.constants import STANDARD_TOKEN_COST, TOTAL_COST_FLOOR_PER_TOKEN
from eth.vm.forks.shanghai.constants import INITCODE_WORD_COST, MAX_INITCODE_SIZE

from zg_node.errors import InvalidTransaction


def check(tx: SignedTransactionAPI, state: StateAPI, chain_id: int, has_gas_floor: bool) -> None:
    """Raise InvalidTransaction for what a block's other transactions have no part in."""
    if tx.chain_id is not None and tx.chain_id != chain_id:
        raise InvalidTransaction(f"invalid chain id for signer: have {tx.chain_id} want {chain_id}")
    if tx.max_priority_fee_per_gas > tx.max_fee_per_gas:
        raise InvalidTransaction("max priority fee per gas higher than max fee per gas")
    if tx.type_id == BLOB_TX_TYPE and tx.to == CREATE_CONTRACT_ADDRESS:
        raise InvalidTransaction("blob transaction of type create")
    _check_sender(tx, state)
    _check_gas(tx, has_gas_floor)


def _check_sender(tx: SignedTransactionAPI, state: StateAPI) -> None:
    code = state.get_code(tx.sender)
    if code and not code_is_delegation_designation(code):  # EIP-3607, EIP-7702
        raise InvalidTransaction("sender not an eoa")
    cost = tx.gas * tx.max_fee_per_gas + tx.value
    if tx.type_id == BLOB_TX_TYPE:
        cost += get_total_blob_gas(tx) * tx.max_fee_per_blob_gas
    balance = state.get_balance(tx.sender)
    if cost > balance:  # EIP-1559, EIP-4844
        raise InvalidTransaction(f"insufficient funds for gas * price + value: have {balance} want {cost}")


def _check_gas(tx: SignedTransactionAPI, has_gas_floor: bool) -> None:
    intrinsic = tx.intrinsic_gas
    if tx.to == CREATE_CONTRACT_ADDRESS:  # EIP-3860
        if len(tx.data) > MAX_INITCODE_SIZE:
            raise InvalidTransaction(f"max initcode size exceeded: code size {len(tx.data)} limit {MAX_INITCODE_SIZE}")
        intrinsic += INITCODE_WORD_COST * -(-len(tx.data) // 32)
    if tx.gas < intrinsic:
        raise InvalidTransaction(f"intrinsic gas too low: have {tx.gas}, want {intrinsic}")
    if has_gas_floor:  # EIP-7623
        zeros = tx.data.count(0)
        floor = GAS_TX + TOTAL_COST_FLOOR_PER_TOKEN * (zeros + STANDARD_TOKEN_COST * (len(tx.data) - zeros))
        if tx.gas < floor:
            raise InvalidTransaction(f"insufficient gas for floor data gas cost: gas {tx.gas}, minimum needed {floor}")
