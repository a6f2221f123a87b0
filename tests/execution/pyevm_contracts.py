"""The contracts that the random blocks of the cross-check talk to, assembled from opcodes.

Calldata is words: `word(i)` is the one at 32·i.
"""

from __future__ import annotations

from eth.vm import opcode_values as op

Part = int | bytes
"""An opcode, or the bytes of a literal that is pushed."""


def assemble(*parts: Part) -> bytes:
    """Bytecode: opcodes as they are, literals behind the PUSH of their size."""
    return b"".join(bytes([part]) if isinstance(part, int) else bytes([op.PUSH0 + len(part)]) + part for part in parts)


def push(value: int) -> bytes:
    """A literal for `assemble`, as short as it gets but never PUSH0."""
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def word(index: int) -> tuple[Part, ...]:
    """Push a word of the calldata."""
    return push(32 * index), op.CALLDATALOAD


def initcode(runtime: bytes, *constructor: Part) -> bytes:
    """Code that runs `constructor` and then deploys `runtime`, at most 65,535 bytes of both."""
    size = len(runtime).to_bytes(2, "big")
    body = assemble(*constructor)
    copy_bytes = len(assemble(size, bytes(2), push(0), op.CODECOPY, size, push(0), op.RETURN))
    offset = (len(body) + copy_bytes).to_bytes(2, "big")
    return body + assemble(size, offset, push(0), op.CODECOPY, size, push(0), op.RETURN) + runtime


STORE = assemble(*word(1), *word(0), op.SSTORE, *word(1), push(0), op.MSTORE, *word(0), push(32), push(0), op.LOG1)
"""storage[word 0] = word 1; emits word 1 under the topic word 0."""

STORE_AND_REVERT = assemble(*word(1), *word(0), op.SSTORE, push(32), push(0), op.REVERT)
"""Writes, emits nothing, and takes it back with 32 bytes of output."""

BURN = assemble(op.JUMPDEST, push(1), push(0), op.SSTORE, push(0), op.JUMP)
"""Loops until the gas is gone."""

FORWARD = assemble(
    *(op.CALLDATASIZE, push(0), push(0), op.CALLDATACOPY),
    *(push(64), push(512), push(32), op.CALLDATASIZE, op.SUB, push(32), op.CALLVALUE, *word(0), op.GAS, op.CALL),
    *(push(0), op.SSTORE, op.RETURNDATASIZE, push(1), op.SSTORE, push(512), op.MLOAD, push(2), op.SSTORE),
)
"""Calls the address in word 0 with the rest of the calldata and all value; keeps success, size and first word."""

DELEGATE = assemble(
    *(op.CALLDATASIZE, push(0), push(0), op.CALLDATACOPY),
    *(push(0), push(0), push(32), op.CALLDATASIZE, op.SUB, push(32), *word(0), op.GAS, op.DELEGATECALL),
    *(push(255), op.SSTORE),
)
"""Runs the code at word 0 as its own with the rest of the calldata."""

SELFDESTRUCT = assemble(*word(0), op.SELFDESTRUCT)
"""Sends its balance to word 0; gone only in the transaction that created it."""

PROBE = assemble(
    *(op.TIMESTAMP, push(0), op.SSTORE, op.NUMBER, push(1), op.SSTORE, op.DIFFICULTY, push(2), op.SSTORE),
    *(op.COINBASE, push(3), op.SSTORE, op.BASEFEE, push(4), op.SSTORE, op.CHAINID, push(5), op.SSTORE),
    *(op.GASPRICE, push(6), op.SSTORE, op.ORIGIN, push(7), op.SSTORE, op.GASLIMIT, push(8), op.SSTORE),
    *(*word(0), op.BLOCKHASH, push(9), op.SSTORE, *word(1), op.EXTCODEHASH, push(10), op.SSTORE),
    *(*word(1), op.BALANCE, push(11), op.SSTORE, push(12), op.TLOAD, push(13), op.SSTORE, push(1), push(12), op.TSTORE),
    *(op.GAS, push(14), op.SSTORE),
)
"""Keeps what the block says, the hash of block word 0, and the code hash and balance of account word 1."""

FACTORY = assemble(
    *(push(32), op.CALLDATASIZE, op.SUB, push(32), push(0), op.CALLDATACOPY),
    *(*word(0), push(32), op.CALLDATASIZE, op.SUB, push(0), op.CALLVALUE, op.CREATE2),
    *(op.DUP1, push(0), op.SSTORE, op.EXTCODESIZE, push(1), op.SSTORE),
    *(push(0), push(0), push(0), push(0), push(0), push(0), op.SLOAD, op.GAS, op.CALL, push(2), op.SSTORE),
)
"""CREATE2 with salt word 0 of the initcode behind it; then calls what it made, all within the transaction."""

MORTAL_INITCODE = initcode(assemble(op.CALLER, op.SELFDESTRUCT), push(7), push(7), op.SSTORE)
"""Deploys what destroys itself at its first call, having written storage."""

STILLBORN_INITCODE = assemble(push(1), push(1), op.SSTORE, op.CALLER, op.SELFDESTRUCT)
"""Destroys itself instead of deploying anything."""
