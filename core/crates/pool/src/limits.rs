//! What bounds the pool, and what it must be told about the chain's head.

/// Bounds and prices of one pool. All of them hold after every call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The only chain whose signatures are accepted.
    pub chain_id: u64,
    /// Transactions in all, executable and queued.
    pub max_transactions: usize,
    /// EIP-2718 bytes of all transactions together.
    pub max_bytes: usize,
    /// EIP-2718 bytes of one transaction.
    pub max_transaction_bytes: usize,
    /// Executable transactions of one sender.
    pub max_per_sender: usize,
    /// Queued transactions of one sender.
    pub max_queued_per_sender: usize,
    /// Queued transactions of all senders.
    pub max_queued: usize,
    /// How long a transaction may stay queued, ms.
    pub lifetime_ms: u64,
    /// How much a replacement must raise both fees, percent.
    pub price_bump_percent: u32,
    /// Least max priority fee per gas, wei.
    pub min_tip: u128,
    /// Accept legacy signatures that name no chain (before EIP-155).
    pub allow_unprotected: bool,
}

impl Limits {
    /// The defaults for a chain.
    pub fn new(chain_id: u64) -> Self {
        Self {
            chain_id,
            max_transactions: 200_000,
            max_bytes: 256 << 20,
            max_transaction_bytes: 128 << 10,
            max_per_sender: 20_000,
            max_queued_per_sender: 1_024,
            max_queued: 50_000,
            lifetime_ms: 3 * 60 * 60 * 1_000,
            price_bump_percent: 10,
            min_tip: 0,
            allow_unprotected: false,
        }
    }
}

/// The head of the chain, as far as admission depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Env {
    /// Base fee of the next block, wei per gas.
    pub base_fee: u64,
    /// Gas limit of the next block.
    pub block_gas_limit: u64,
    /// The caller's clock, ms. A clock that goes back is held at its latest value.
    pub now_ms: u64,
}
