//! A minimal ERC-20 in assembly: `transfer` alone, balances at keccak(address, 0), a Transfer event.

use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use revm::bytecode::opcode::*;

pub(crate) const TRANSFER_TOPIC: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

const SELECTOR: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];

/// Storage slot of an account's balance.
pub(crate) fn balance_slot(account: Address) -> U256 {
    keccak256([account.into_word().0, [0; 32]].concat()).into()
}

/// Call data of `transfer(to, amount)`.
pub(crate) fn transfer_input(to: Address, amount: u64) -> Bytes {
    [&SELECTOR[..], to.into_word().as_slice(), &U256::from(amount).to_be_bytes::<32>()].concat().into()
}

/// The runtime code.
pub(crate) fn code() -> Bytes {
    let mut code = vec![PUSH1, 0, CALLDATALOAD, PUSH1, 0xe0, SHR, PUSH4];
    code.extend(SELECTOR);
    code.extend([EQ, PUSH1, 20, JUMPI, PUSH1, 0, PUSH1, 0, REVERT]);
    assert_eq!(code.len(), 20);
    code.extend([JUMPDEST, CALLER, PUSH1, 0, MSTORE, PUSH1, 0x40, PUSH1, 0, KECCAK256]); // slot
    code.extend([DUP1, SLOAD, PUSH1, 0x24, CALLDATALOAD, DUP1, DUP3, LT, PUSH1, 0, JUMPI]); // slot balance amount
    let fail = code.len() - 2;
    code.extend([DUP1, SWAP2, SUB, SWAP1, SWAP2, SSTORE]); // amount
    code.extend([PUSH1, 4, CALLDATALOAD, PUSH1, 0, MSTORE, PUSH1, 0x40, PUSH1, 0, KECCAK256]); // amount slot
    code.extend([DUP1, SLOAD, DUP3, ADD, SWAP1, SSTORE, PUSH1, 0, MSTORE]);
    code.extend([PUSH1, 4, CALLDATALOAD, CALLER, PUSH32]);
    code.extend(TRANSFER_TOPIC);
    code.extend([PUSH1, 0x20, PUSH1, 0, LOG3, PUSH1, 1, PUSH1, 0, MSTORE, PUSH1, 0x20, PUSH1, 0, RETURN]);
    code[fail] = code.len() as u8;
    code.extend([JUMPDEST, PUSH1, 0, PUSH1, 0, REVERT]);
    code.into()
}
