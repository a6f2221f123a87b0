"""A contract that calls back when it is paid, assembled by hand."""

from __future__ import annotations

from eth.vm import opcode_values as op

from tests.execution.pyevm_contracts import assemble, initcode, push


def reentrant(target: bytes, call_data: bytes) -> bytes:
    """Creation code of a contract that hands its call data's tail to `target`, and when paid calls it with `call_data`.

    Its call data: 32 bytes of value, then what to say; whether that succeeded goes to slot 1. Being paid, which comes
    without call data, it says `call_data` and stores 1 + whether that succeeded at slot 0."""
    words = b"".join(
        assemble(push(int.from_bytes(call_data[i : i + 32].ljust(32, b"\0"), "big")), push(i), op.MSTORE)
        for i in range(0, len(call_data), 32)
    )
    paid = words + assemble(
        *(
            push(0),
            push(0),
            push(len(call_data)),
            push(0),
            push(0),
            push(int.from_bytes(target, "big")),
            op.GAS,
            op.CALL,
        ),
        *(push(1), op.ADD, push(0), op.SSTORE, op.STOP),
    )
    forward = assemble(
        *(push(32), op.CALLDATASIZE, op.SUB, push(32), push(0), op.CALLDATACOPY),
        *(push(0), push(0), push(32), op.CALLDATASIZE, op.SUB, push(0), push(0), op.CALLDATALOAD),
        *(push(int.from_bytes(target, "big")), op.GAS, op.CALL, push(1), op.SSTORE, op.STOP),
    )
    return initcode(_branch(paid, forward))


def _branch(without_data: bytes, with_data: bytes) -> bytes:
    """Code that runs one or the other."""
    head_bytes = 5
    destination = head_bytes + len(without_data)
    head = bytes((op.CALLDATASIZE, 0x61, *destination.to_bytes(2, "big"), op.JUMPI))
    assert len(head) == head_bytes
    return head + without_data + bytes((op.JUMPDEST,)) + with_data
