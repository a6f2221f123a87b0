//! Whose fault it was.
//!
//! ```text
//!   TransactionError   the sender's: no block may contain this transaction; the text is geth's
//!   RequestError       the client's: a JSON-RPC argument that does not parse; the text is geth's
//!   CodecError         the peer's when the bytes came from a peer, ours (a corrupt database) when they came from disk
//! ```

use alloy_primitives::Address;
use std::borrow::Cow;

/// A transaction that cannot be valid in any block.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TransactionError {
    #[error("invalid hex string")]
    Hex,
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized { size: usize, limit: usize },
    #[error("typed transaction too short")]
    TooShort,
    #[error("transaction type not supported")]
    UnsupportedType,
    #[error("rlp: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    /// Zero or too large r or s, s in the upper half (EIP-2), or a v that means nothing.
    #[error("invalid sender: invalid transaction v, r, s values")]
    Signature,
    /// No public key belongs to the signature.
    #[error("invalid sender: recovery failed")]
    Recovery,
    /// The gas limit does not even pay for the authorization list (EIP-7702).
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas { gas: u64, needed: u64 },
}

/// A JSON-RPC argument that does not parse.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    #[error("invalid JSON: {0}")]
    Json(String),
    #[error("invalid argument: {reason} in field {field}")]
    Field { field: String, reason: Cow<'static, str> },
    #[error("{0} not specified")]
    Missing(&'static str),
    #[error("both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data")]
    DataAndInput,
    #[error("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")]
    GasPriceAndFees,
    #[error("account {0} has both 'state' and 'stateDiff'")]
    StateAndDiff(Address),
    #[error("exceed max addresses")]
    TooManyAddresses,
    #[error("exceed max topics")]
    TooManyTopics,
    #[error("{0}")]
    Transaction(&'static str),
    #[error("invalid private key")]
    Key,
}

/// Bytes that are not the encoding of a header, a body or a list of receipts.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodecError {
    #[error("{what}: {error}")]
    Rlp { what: &'static str, error: alloy_rlp::Error },
    #[error("{what}: {reason}")]
    Shape { what: &'static str, reason: &'static str },
    #[error("transaction {index}: {error}")]
    Transaction { index: usize, error: TransactionError },
}
