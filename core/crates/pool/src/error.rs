//! Why a transaction was refused, in the words that geth uses: clients search for them.

use alloy_primitives::{Address, U256};
use zg_types::ViewError;
use zg_types::pool::{INITCODE_BYTES_MAX, TRANSACTION_GAS_MAX};

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PoolError {
    #[error("already known")]
    AlreadyKnown,

    // What the transaction is by itself.
    #[error("transaction type not supported: blob transactions (type 3) are not accepted on this chain")]
    BlobTransaction,
    #[error("transaction type not supported: type {tx_type}")]
    UnknownType { tx_type: u8 },
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    #[error("invalid sender: invalid chain id for signer: have {have} want {want}")]
    WrongChain { have: u64, want: u64 },
    #[error("oversized data: transaction size {bytes}, limit {limit}")]
    Oversized { bytes: usize, limit: usize },
    #[error("max initcode size exceeded: code size {bytes}, limit {INITCODE_BYTES_MAX}")]
    InitcodeTooLarge { bytes: usize },
    #[error("transaction gas limit too high (cap: {TRANSACTION_GAS_MAX}, tx: {gas})")]
    GasAboveCap { gas: u64 },
    #[error("exceeds block gas limit")]
    GasAboveBlock,
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFee,
    #[error("nonce has max value")]
    NonceMax,
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas { gas: u64, needed: u64 },
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorGas { gas: u64, needed: u64 },
    #[error("transaction underpriced: gas tip cap {tip}, minimum needed {needed}")]
    TipTooLow { tip: u128, needed: u128 },
    #[error("set code tx must have at least one authorization tuple")]
    NoAuthorizations,

    // What its sender is.
    #[error("sender not an eoa: address {address}, len(code): {code_bytes}")]
    SenderIsContract { address: Address, code_bytes: usize },
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}",
        cost.saturating_sub(*balance)
    )]
    InsufficientFunds { balance: U256, cost: U256 },
    /// The sender could pay this transaction, but not after those that it already has here.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, overshot {}",
        queued.saturating_add(*cost).saturating_sub(*balance)
    )]
    Overdraft { balance: U256, queued: U256, cost: U256 },
    /// The same for a replacement, which adds only the difference in cost.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx bumped {bump}, overshot {}",
        queued.saturating_add(*bump).saturating_sub(*balance)
    )]
    BumpOverdraft { balance: U256, queued: U256, bump: U256 },
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedInFlight,
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedGap,
    #[error("authority already reserved")]
    AuthorityReserved,

    // What else is in the pool.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    #[error("account limit exceeded: pooled {pooled} txs")]
    AccountLimit { pooled: usize },
    /// The pool is full, and no transaction in it is worse.
    #[error("transaction underpriced")]
    Underpriced,
    /// The pool is full of executable transactions, and this one is not executable.
    #[error("future transaction tries to replace pending")]
    FutureReplacesPending,
    /// The pool is full, and evicting others would not make enough room.
    #[error("txpool is full")]
    Full,

    /// The state could not be read: no verdict on the transaction.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl PoolError {
    /// The JSON-RPC error code: −32000 as geth for a refusal, −32603 when the node itself failed.
    pub fn code(&self) -> i32 {
        match self {
            Self::View(ViewError::Corrupt(_) | ViewError::Io(_)) => -32603,
            _ => -32000,
        }
    }
}
