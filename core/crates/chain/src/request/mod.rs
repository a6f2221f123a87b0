//! What JSON-RPC clients send: transaction objects and state overrides, parsed into plain values.
//!
//! ```text
//!   {"to": "0x…", "data": "0x…"}             ──CallFields::parse──▶      CallFields       eth_call, eth_estimateGas, signing
//!   {"0x…": {"balance": "0x…"}}              ──StateOverrides::parse──▶  StateOverrides   the third argument of eth_call
//! ```
//! Every field may be absent or null; unknown fields are ignored. Common errors: a number that is not a minimal hex
//! quantity, a byte string of odd or wrong length, a transaction's `data` and `input` that differ, `gasPrice` beside the
//! EIP-1559 fees, `state` beside `stateDiff`. What the values mean on a chain is checked by whoever executes them.

mod call;
mod field;
mod overrides;

pub use call::CallFields;
pub use overrides::{AccountOverride, StateOverrides, StorageOverride};
