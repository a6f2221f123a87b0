//! The values of an EVM chain and their codecs: pure functions from bytes to values and back.
//!
//! ```text
//!   raw bytes ──Transaction::recover──▶ Transaction ──▶ zg-pool, zg-evm
//!   JSON object ──request──▶ CallFields, StateOverrides ──▶ zg-evm
//!   Transaction, Receipt ──body, receipt──▶ bytes on disk ──json, filter, fees──▶ JSON-RPC
//!   Transaction, Receipt ──roots──▶ the roots and the bloom of a header
//! ```
//! Nothing here does I/O, and nothing here knows a state. Whoever sent the bytes is not trusted: every decoder checks sizes
//! first and returns one of the errors of [`error`], which name whose fault it was.

pub mod body;
mod digits;
pub mod error;
pub mod fees;
pub mod filter;
pub mod header;
pub mod json;
pub mod receipt;
pub mod request;
mod rlp;
pub mod roots;
pub mod sign;
pub mod signature;
pub mod transaction;

pub use error::{CodecError, RequestError, TransactionError};
pub use filter::LogFilter;
pub use receipt::Receipt;
pub use request::{AccountOverride, CallFields, StateOverrides, StorageOverride};
pub use roots::{Roots, block_roots};
pub use transaction::{Envelope, Transaction};
