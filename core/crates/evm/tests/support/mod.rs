//! Accounts, signed transactions and contracts for tests and benchmarks.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod contracts;
pub(crate) mod token;

use alloy_primitives::{Address, B256, Bytes, U256};
use std::sync::Arc;
use zg_chain::{CallFields, Transaction, sign, signature};
use zg_evm::memory::MemoryState;
use zg_evm::{BlockEnv, Fork};

pub(crate) const CHAIN_ID: u64 = 1_660_200;
pub(crate) const GWEI: u128 = 1_000_000_000;
pub(crate) const COINBASE: Address = Address::repeat_byte(0xcb);

/// One coin, in wei.
pub(crate) fn coins(count: u64) -> U256 {
    U256::from(count) * U256::from(10).pow(U256::from(18))
}

/// The private key of the account with this number.
pub(crate) fn key(number: u64) -> [u8; 32] {
    U256::from(number + 1).to_be_bytes()
}

/// The address of [`key`].
pub(crate) fn account(number: u64) -> Address {
    signature::address(&key(number)).expect("a small number is a key")
}

/// A state in which accounts 0 … count − 1 have 1,000 coins each.
pub(crate) fn rich(count: u64) -> MemoryState {
    let mut state = MemoryState::default();
    (0..count).for_each(|number| state.insert(account(number), 0, coins(1000), Bytes::new(), []));
    state
}

/// Block 1 at Osaka: 500M gas, base fee 1 gwei.
pub(crate) fn env() -> BlockEnv {
    BlockEnv {
        chain_id: CHAIN_ID,
        fork: Fork::OSAKA,
        parent_hash: B256::repeat_byte(0xaa),
        number: 1,
        timestamp: 1_700_000_000,
        coinbase: COINBASE,
        gas_limit: 500_000_000,
        base_fee: GWEI as u64,
        prev_randao: B256::repeat_byte(0xbb),
        parent_beacon_root: B256::repeat_byte(0xcc),
        excess_blob_gas: 0,
        closing_calls: Vec::new(),
    }
}

/// A type-2 transaction of account `number` with a tip of 1 gwei; `fields` says the rest.
pub(crate) fn signed(number: u64, nonce: u64, fields: CallFields) -> Arc<Transaction> {
    let fields = CallFields {
        nonce: Some(nonce),
        chain_id: Some(CHAIN_ID),
        gas: fields.gas.or(Some(21_000)),
        max_fee: fields.max_fee.or(Some(10 * GWEI)),
        max_priority: fields.max_priority.or(Some(GWEI)),
        ..fields
    };
    let raw = sign::sign(fields, &key(number)).expect("complete fields");
    Arc::new(Transaction::recover(raw.into()).expect("signed just now"))
}

/// A plain transfer of `wei`.
pub(crate) fn transfer(number: u64, nonce: u64, to: Address, wei: u64) -> Arc<Transaction> {
    signed(number, nonce, CallFields { to: Some(to), value: Some(U256::from(wei)), ..CallFields::default() })
}
