//! Small contracts in assembly.

use alloy_primitives::{Address, Bytes};
use revm::bytecode::opcode::*;

/// Init code that deploys `runtime`.
pub(crate) fn init(runtime: &[u8]) -> Bytes {
    let length = u8::try_from(runtime.len()).expect("short");
    let head = [PUSH1, length, PUSH1, 11, PUSH1, 0, CODECOPY, PUSH1, length, PUSH0, RETURN];
    assert_eq!(head.len(), 11);
    [&head[..], runtime].concat().into()
}

/// sstore(calldata[0..32], calldata[32..64]).
pub(crate) fn setter() -> Bytes {
    vec![PUSH1, 32, CALLDATALOAD, PUSH0, CALLDATALOAD, SSTORE, STOP].into()
}

/// Reverts with Error("no").
pub(crate) fn reverter() -> Bytes {
    let mut code = vec![PUSH4, 0x08, 0xc3, 0x79, 0xa0, PUSH1, 0xe0, SHL, PUSH0, MSTORE];
    code.extend([PUSH1, 32, PUSH1, 4, MSTORE, PUSH1, 2, PUSH1, 36, MSTORE]);
    code.extend([PUSH2, b'n', b'o', PUSH1, 0xf0, SHL, PUSH1, 68, MSTORE, PUSH1, 100, PUSH0, REVERT]);
    code.into()
}

/// Loops until the gas is used up.
pub(crate) fn looper() -> Bytes {
    vec![JUMPDEST, PUSH0, JUMP].into()
}

/// Returns the word that the operation without operands leaves.
pub(crate) fn returns(operation: u8) -> Bytes {
    vec![operation, PUSH0, MSTORE, PUSH1, 32, PUSH0, RETURN].into()
}

/// sstore(n, blockhash(n)) for the word n of the call data.
pub(crate) fn hash_keeper() -> Bytes {
    vec![PUSH0, CALLDATALOAD, DUP1, BLOCKHASH, SWAP1, SSTORE, STOP].into()
}

/// Self-destructs to the caller when it is sent value, else increments slot 0.
pub(crate) fn mortal() -> Bytes {
    vec![
        CALLVALUE,
        PUSH1,
        13,
        JUMPI,
        PUSH0,
        SLOAD,
        PUSH1,
        1,
        ADD,
        PUSH0,
        SSTORE,
        STOP,
        STOP,
        JUMPDEST,
        CALLER,
        SELFDESTRUCT,
    ]
    .into()
}

/// Where [`phoenix`] at `factory` creates its child.
pub(crate) fn child(factory: Address) -> Address {
    factory.create2_from_code([0; 32], init(&mortal()))
}

/// Creates a [`mortal`] with CREATE2 and salt 0 unless it exists, calls it twice without value and, if the call data is not
/// empty, once more with 1 wei, which destroys it when it was created just now.
pub(crate) fn phoenix() -> Bytes {
    let init = init(&mortal());
    let length = init.len() as u8;
    let mut code = Vec::new();
    // The init code lies behind the runtime code; its offset is filled in below.
    code.extend([PUSH1, length, PUSH1, 0, PUSH0, CODECOPY]);
    code.extend([PUSH0, PUSH1, length, PUSH0, PUSH0, CREATE2, POP]);
    // The child's address, whether or not it was created just now: keccak(0xff ‖ this ‖ salt ‖ keccak(init))[12..].
    code.extend([PUSH1, length, PUSH0, KECCAK256, PUSH1, 0x55, MSTORE]);
    code.extend([PUSH0, PUSH1, 0x35, MSTORE, ADDRESS, PUSH1, 0x15, MSTORE, PUSH1, 0xff, PUSH1, 0x20, MSTORE8]);
    code.extend([PUSH1, 0x55, PUSH1, 0x20, KECCAK256]);
    for _ in 0..2 {
        code.extend([PUSH0, PUSH0, PUSH0, PUSH0, PUSH0, DUP6, GAS, CALL, POP]);
    }
    code.extend([CALLDATASIZE, ISZERO, PUSH1, 0, JUMPI]);
    let skip = code.len() - 2;
    code.extend([PUSH0, PUSH0, PUSH0, PUSH0, PUSH1, 1, DUP6, GAS, CALL, POP]);
    code[skip] = code.len() as u8;
    code.extend([JUMPDEST, STOP]);
    code[3] = code.len() as u8;
    code.extend(init);
    code.into()
}
