//! What execution may read: accounts, storage and code as of one block.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};

/// An account without its storage root, which belongs to the state database alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub nonce: u64,
    pub balance: U256,
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl Account {
    /// EIP-161: no nonce, no balance, no code.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }
}

/// Why a view could not answer.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ViewError {
    /// The block is outside the kept history (geth's words, which clients look for).
    #[error("missing trie node {0}")]
    Missing(String),
    /// The database contradicts itself: the node must stop.
    #[error("corrupt state: {0}")]
    Corrupt(String),
    /// The operating system refused.
    #[error("state read failed: {0}")]
    Io(String),
}

/// Read-only state as of one block. Implementations are cheap to share between threads.
pub trait StateView: Send + Sync {
    /// The account, or None when it does not exist.
    fn account(&self, address: &Address) -> Result<Option<Account>, ViewError>;
    /// The storage word at `slot`; zero when unset.
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ViewError>;
    /// The code with this keccak hash; a known account's missing code is `Corrupt`.
    fn code(&self, code_hash: &B256) -> Result<Bytes, ViewError>;
}
