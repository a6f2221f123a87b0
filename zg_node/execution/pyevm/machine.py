"""py-evm's machine by fork: its state classes with `AccountJournal` under them.

py-evm spreads a fork over a chain of subclasses; here a fork is a row. It is no longer developed, so what it gets wrong
is corrected here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from eth.abc import AccountDatabaseAPI, ComputationAPI, OpcodeAPI, TransactionBuilderAPI
from eth.constants import BLANK_ROOT_HASH
from eth.exceptions import VMError
from eth.precompiles.modexp import extract_lengths
from eth.typing import JournalDBCheckpoint
from eth.vm import opcode_values
from eth.vm.computation import BaseComputation
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.constants import MAX_BLOB_GAS_PER_BLOCK as CANCUN_BLOB_GAS_MAX
from eth.vm.forks.cancun.state import CancunState
from eth.vm.forks.cancun.transactions import CancunTransactionBuilder
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.constants import MAX_BLOB_GAS_PER_BLOCK as PRAGUE_BLOB_GAS_MAX
from eth.vm.forks.prague.state import PragueState
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_typing import Address, Hash32

from zg_node.execution.pyevm.accounts import AccountJournal

Precompile: TypeAlias = Callable[[ComputationAPI], ComputationAPI]

MODEXP = Address(bytes(19) + b"\x05")


def _silent(opcodes: Mapping[int, OpcodeAPI]) -> dict[int, OpcodeAPI]:
    """`opcodes` with a SELFDESTRUCT that does not warn: a warning may be an error, and end a transaction half-way."""
    return {**opcodes, opcode_values.SELFDESTRUCT: inspect.unwrap(opcodes[opcode_values.SELFDESTRUCT])}


def _exact(precompiles: Mapping[Address, Precompile]) -> dict[Address, Precompile]:
    """`precompiles` with a MODEXP that follows EIP-198."""
    return {**precompiles, MODEXP: _modexp}


def _modexp(computation: ComputationAPI) -> ComputationAPI:
    """py-evm's, which answers 0 to an empty base, even where the exponent is 0 and the answer is 1."""
    CancunComputation.get_precompiles()[MODEXP](computation)
    data = computation.msg.data_as_bytes
    base_bytes, exponent_bytes, modulus_bytes = extract_lengths(data)
    if base_bytes == 0 and not any(data[96 : 96 + exponent_bytes]):
        start = 96 + exponent_bytes
        modulus = int.from_bytes(data[start : start + modulus_bytes].ljust(modulus_bytes, b"\0"), "big")
        computation.output = int(modulus > 1).to_bytes(modulus_bytes, "big")
    return computation


class _Corrected(BaseComputation):
    """A call or creation, as it should be kept."""

    @property
    def is_origin_computation(self) -> bool:
        """Whether it is a transaction's first; py-evm takes any that a delegated sender (EIP-7702) makes for one."""
        return self.msg.depth == 0

    def add_child_computation(self, child_computation: ComputationAPI) -> None:
        """Keep of a finished call what the transaction's end asks for, and its output until the next call.

        py-evm would keep memory, stack and frames of every call, which is gigabytes in a hostile transaction."""
        if self.children:
            self.children[-1].output = b""
        super().add_child_computation(child_computation)
        child = cast(BaseComputation, child_computation)
        child.msg.data = b""
        del child._memory, child._stack
        if child.is_error:
            release(child.error)


def release(error: VMError) -> None:
    """Drop the frames that an error holds, and with them all that their variables hold."""
    error.__traceback__ = error.__context__ = error.__cause__ = None


class _CancunComputation(_Corrected, CancunComputation):
    opcodes = _silent(CancunComputation.opcodes)
    _precompiles = _exact(CancunComputation.get_precompiles())


class _PragueComputation(_Corrected, PragueComputation):
    opcodes = _silent(PragueComputation.opcodes)
    _precompiles = _exact(PragueComputation.get_precompiles())


class _Journalled:
    """The parts of a py-evm state that keep a database, turned to `AccountJournal`."""

    account_db_class: type[AccountDatabaseAPI] = AccountJournal
    _account_db: AccountDatabaseAPI

    @property
    def journal(self) -> AccountJournal:
        """The database, as what it is."""
        return cast(AccountJournal, self._account_db)

    def set_system_contracts(self) -> None:
        """Nothing: a genesis decides what is deployed."""

    def snapshot(self) -> tuple[Hash32, JournalDBCheckpoint]:
        return BLANK_ROOT_HASH, self._account_db.record()

    def revert(self, snapshot: tuple[Hash32, JournalDBCheckpoint]) -> None:
        self._account_db.discard(snapshot[1])

    def commit(self, snapshot: tuple[Hash32, JournalDBCheckpoint]) -> None:
        self._account_db.commit(snapshot[1])

    def get_transient_storage(self, address: Address, slot: int) -> bytes:
        return self.journal.get_transient(address, slot)

    def set_transient_storage(self, address: Address, slot: int, value: bytes) -> None:
        self.journal.set_transient(address, slot, value)


class _Cancun(_Journalled, CancunState):
    computation_class = _CancunComputation


class _Prague(_Journalled, PragueState):
    computation_class = _PragueComputation


@dataclass(frozen=True, slots=True)
class Fork:
    """The rules that a block is executed under."""

    name: str
    state: type[_Cancun] | type[_Prague]
    transactions: type[TransactionBuilderAPI]
    blob_gas_max: int
    """Blob gas that a block may hold."""
    keeps_block_hashes: bool
    """EIP-2935."""
    has_gas_floor: bool
    """EIP-7623."""


CANCUN = Fork("cancun", _Cancun, CancunTransactionBuilder, CANCUN_BLOB_GAS_MAX, False, False)
PRAGUE = Fork("prague", _Prague, PragueTransactionBuilder, PRAGUE_BLOB_GAS_MAX, True, True)
