"""A block on py-evm's machine: the system calls, then transactions one by one.

    open ─▶ transact … ─▶ close
    decode ─▶ rules.check ─▶ py-evm's own checks ─▶ message ─▶ computation ─▶ fees, refunds, deletions ─▶ Receipt

Headers are not py-evm's to check here: our blocks
may repeat a second, which it would refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import rlp
from eth.abc import AtomicDatabaseAPI, ComputationAPI, SignedTransactionAPI
from eth.constants import BLANK_ROOT_HASH, SYSTEM_ADDRESS, SYSTEM_MESSAGE_GAS
from eth.exceptions import PyEVMError
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS
from eth.vm.forks.cancun.state import get_total_blob_gas
from eth.vm.forks.frontier.state import FrontierTransactionExecutor
from eth.vm.forks.london.constants import EIP3529_MAX_REFUND_QUOTIENT
from eth.vm.forks.prague.constants import HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS
from eth.vm.message import Message
from eth_keys.exceptions import BadSignature
from eth_typing import Address, BlockNumber, Hash32
from eth_utils.exceptions import ValidationError

from zg_node.errors import InvalidBlock, InvalidTransaction
from zg_node.execution.engine import SYSTEM_CALL_GAS_MAX, SystemCall
from zg_node.execution.pyevm import rules
from zg_node.execution.pyevm.machine import Fork, release
from zg_node.execution.pyevm.view import View

BLOCKHASH_WINDOW = 256
"""Blocks that BLOCKHASH reaches back."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What a block's header says to its transactions."""

    chain_id: int
    parent_hash: bytes
    number: int
    timestamp: int
    """Seconds."""
    coinbase: bytes
    gas_limit: int
    base_fee: int
    """Wei."""
    prev_randao: bytes
    parent_beacon_root: bytes
    excess_blob_gas: int = 0


class Log(NamedTuple):
    """An event; topics are 32 bytes each."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


class Receipt(NamedTuple):
    """What became of a transaction."""

    success: bool
    cumulative_gas_used: int
    logs: tuple[Log, ...]


def decode(fork: Fork, raw: bytes) -> SignedTransactionAPI:
    """A transaction from its EIP-2718 bytes, its sender recovered and kept. Raises InvalidTransaction."""
    try:
        tx = fork.transactions.decode(raw)
        _ = tx.sender
    except (rlp.exceptions.RLPException, ValidationError, PyEVMError, BadSignature, IndexError) as error:
        raise InvalidTransaction(f"undecodable transaction: {error}") from error
    return tx


class Transition:
    """A block under execution over a view of its parent's state."""

    def __init__(self, fork: Fork, context: BlockContext, view: View, ancestors: Iterable[bytes] | None = None) -> None:
        """`ancestors` are block hashes, the parent's first; None reads them where EIP-2935 keeps them."""
        hashes = _kept_hashes(context, view) if ancestors is None else ancestors
        execution_context = ExecutionContext(
            coinbase=Address(context.coinbase),
            timestamp=context.timestamp,
            block_number=BlockNumber(context.number),
            difficulty=0,
            mix_hash=Hash32(context.prev_randao),
            gas_limit=context.gas_limit,
            prev_hashes=(Hash32(block_hash) for block_hash in hashes),
            chain_id=context.chain_id,
            base_fee_per_gas=context.base_fee,
            excess_blob_gas=context.excess_blob_gas,
        )
        self.gas_used = 0
        self._fork = fork
        self._context = context
        self._blob_gas_used = 0
        self._state = fork.state(cast(AtomicDatabaseAPI, view), execution_context, BLANK_ROOT_HASH)
        self.journal = self._state.journal

    def open(self) -> None:
        """Give the parent's beacon root (EIP-4788) and hash (EIP-2935) to their contracts, where there is code."""
        if self._context.number == 0:
            return
        self._system_call(BEACON_ROOTS_ADDRESS, self._context.parent_beacon_root, SYSTEM_MESSAGE_GAS)
        if self._fork.keeps_block_hashes:
            self._system_call(HISTORY_STORAGE_ADDRESS, self._context.parent_hash, SYSTEM_MESSAGE_GAS)

    def close(self, calls: Sequence[SystemCall]) -> None:
        """Make the calls that end the block. Raises InvalidBlock when one does not succeed."""
        for index, (contract, data) in enumerate(calls):
            computation = self._system_call(Address(contract), data, SYSTEM_CALL_GAS_MAX)
            if computation is None:
                raise InvalidBlock(f"closing call {index} to 0x{contract.hex()} found no code")
            if computation.is_error:
                raise InvalidBlock(f"closing call {index} to 0x{contract.hex()} failed: {computation.error!r}")

    def _system_call(self, contract: Address, data: bytes, gas: int) -> ComputationAPI | None:
        state = self._state
        code = state.get_code(contract)
        if not code:
            return None
        message = Message(gas, contract, SYSTEM_ADDRESS, 0, data, code)
        context = state.get_transaction_context_class()(gas_price=0, origin=SYSTEM_ADDRESS)
        computation = state.computation_class.apply_message(state, message, context)
        self.journal.lock_changes()
        return computation

    def nonce(self, address: bytes) -> int:
        """The next nonce, after the transactions so far."""
        return self.journal.get_nonce(Address(address))

    def transact(self, tx: SignedTransactionAPI) -> Receipt:
        """Run one transaction. Raises InvalidTransaction; a refused one leaves no trace."""
        if tx.gas > self._context.gas_limit - self.gas_used:
            raise InvalidTransaction("gas limit reached")
        blob_gas_used = self._blob_gas_used + get_total_blob_gas(tx)
        if blob_gas_used > self._fork.blob_gas_max:
            raise InvalidTransaction("blob gas limit reached")
        state = self._state
        executor = cast(FrontierTransactionExecutor, state.get_transaction_executor())
        try:
            rules.check(tx, state, self._context.chain_id, self._fork.has_gas_floor)
            executor.validate_transaction(tx)
        except ValidationError as error:
            raise InvalidTransaction(str(error)) from error
        computation = executor.build_computation(executor.build_evm_message(tx), tx)
        if computation.is_error:
            release(computation.error)
        # Fees, refunds and deletions; the overriding method would go on to look for touched empty accounts, in time
        # that is quadratic in the call depth, and `lock_changes` knows them already.
        FrontierTransactionExecutor.finalize_computation(executor, tx, computation)
        self.journal.lock_changes()
        gas_used = tx.gas - computation.get_gas_remaining()
        refund = min(computation.get_gas_refund(), gas_used // EIP3529_MAX_REFUND_QUOTIENT)
        self.gas_used += gas_used - refund + computation.data_floor_gas
        self._blob_gas_used = blob_gas_used
        logs = tuple(
            Log(address, tuple(topic.to_bytes(32, "big") for topic in topics), data)
            for address, topics, data in computation.get_log_entries()
        )
        return Receipt(computation.is_success, self.gas_used, logs)


def _kept_hashes(context: BlockContext, view: View) -> Iterator[bytes]:
    """The ancestors that BLOCKHASH reaches, the parent first; zero for what the EIP-2935 contract does not know."""
    yield context.parent_hash
    for number in range(context.number - 2, max(context.number - BLOCKHASH_WINDOW, 0) - 1, -1):
        yield view.storage(HISTORY_STORAGE_ADDRESS, number % HISTORY_SERVE_WINDOW).to_bytes(32, "big")
