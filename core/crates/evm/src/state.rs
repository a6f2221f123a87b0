//! The state that a block's transactions see, between a read-only view and a diff.
//!
//! ```text
//!   StateView ──loads──▶ BlockState ──Database──▶ revm's journal ──at the end──▶ StateDiff
//! ```
//! One journal lives through a whole block and is its cache of accounts, slots and codes: what an earlier transaction
//! wrote is read from it, not from here. `BlockState` remembers what the view answered, since the diff needs the values
//! from before the block and the journal keeps only those from before the last transaction.
//!
//! Storage is never wiped. From Cancun on an account is destroyed only in the transaction that created it (EIP-6780), and
//! one without nonce and code, where alone something can be created, has no storage: no transaction leads there, and a
//! genesis must not. So a destroyed account had no storage before the block.

use crate::codes::CodeCache;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::Database;
use revm::bytecode::Bytecode;
use revm::database_interface::DBErrorMarker;
use revm::state::{AccountId, AccountInfo, EvmState};
use std::collections::HashMap;
use zg_types::{Account, AccountDiff, SlotDiff, StateDiff, StateView, ViewError};

/// Blocks whose hashes the EIP-2935 contract keeps: the ring's length.
pub const HISTORY_SERVE_WINDOW: u64 = 8191;

/// A view's error on its way through revm.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(transparent)]
pub(crate) struct LoadError(#[from] pub(crate) ViewError);

impl DBErrorMarker for LoadError {}

/// Where BLOCKHASH finds its answers; the opcode itself checks the range of 256 blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BlockHashes<'a> {
    /// The parent's from the header, older ones from the EIP-2935 contract's storage in the view.
    History { number: u64, parent_hash: B256 },
    /// A table; unknown numbers have hash zero.
    Table(&'a HashMap<u64, B256>),
}

/// What the view said about an account that exists.
#[derive(Debug)]
struct Original {
    account: Account,
    /// Slots read from the view, in the order of the reads, each once.
    slots: Vec<(U256, U256)>,
}

/// revm's database over a view, for one block or one call.
pub(crate) struct BlockState<'a> {
    view: &'a dyn StateView,
    codes: &'a CodeCache,
    hashes: BlockHashes<'a>,
    /// Indexed by `AccountId`.
    originals: Vec<Original>,
}

impl<'a> BlockState<'a> {
    pub(crate) fn new(view: &'a dyn StateView, codes: &'a CodeCache, hashes: BlockHashes<'a>) -> Self {
        Self { view, codes, hashes, originals: Vec::new() }
    }

    /// Room for this many accounts.
    pub(crate) fn reserve(&mut self, accounts: usize) {
        self.originals.reserve(accounts);
    }

    fn history(&self, number: u64) -> Result<B256, ViewError> {
        let slot = U256::from(number % HISTORY_SERVE_WINDOW);
        Ok(self.view.storage(&crate::system::HISTORY_STORAGE, &slot)?.into())
    }

    /// What `state`, the journal's accounts after the block, changed against the view.
    pub(crate) fn into_diff(self, state: &EvmState) -> Result<StateDiff, ViewError> {
        let mut touched: Vec<(&Address, &revm::state::Account)> =
            state.iter().filter(|(_, account)| account.is_touched()).collect();
        touched.sort_unstable_by_key(|(address, _)| **address);
        let mut diff = StateDiff { accounts: Vec::with_capacity(touched.len()), codes: Vec::new() };
        for (address, account) in touched {
            self.add(&mut diff, *address, account)?;
        }
        diff.codes.sort_unstable_by_key(|(hash, _)| *hash);
        diff.codes.dedup_by_key(|(hash, _)| *hash);
        Ok(diff)
    }

    /// Append what became of one account; nothing when nothing did.
    fn add(&self, diff: &mut StateDiff, address: Address, account: &revm::state::Account) -> Result<(), ViewError> {
        let original = account.info.account_id.map(|id| &self.originals[id.get()]);
        let before = match original {
            Some(original) => Some(original.account),
            None if account.is_loaded_as_not_existing() => None,
            // Destroyed earlier in the block: the journal forgot the id with everything else.
            None => self.view.account(&address)?,
        };
        let alive = !account.is_selfdestructed_locally() && !account.info.is_empty();
        let after = alive.then_some(Account {
            nonce: account.info.nonce,
            balance: account.info.balance,
            code_hash: account.info.code_hash,
        });
        let storage = if alive { changed_slots(account, original) } else { Vec::new() };
        if before == after && storage.is_empty() {
            return Ok(());
        }
        let new_code = after
            .map(|a| a.code_hash)
            .filter(|hash| *hash != KECCAK256_EMPTY && before.is_none_or(|b| b.code_hash != *hash));
        if let Some(hash) = new_code {
            let Some(code) = &account.info.code else {
                return Err(ViewError::Corrupt(format!("code {hash} of {address} was set but not kept")));
            };
            diff.codes.push((hash, code.original_bytes()));
        }
        diff.accounts.push(AccountDiff { address, before, after, wiped: false, storage });
        Ok(())
    }
}

/// Slots whose value differs from the one before the block, ascending.
fn changed_slots(account: &revm::state::Account, original: Option<&Original>) -> Vec<SlotDiff> {
    let loaded = original.map_or(&[][..], |original| &original.slots);
    let mut storage: Vec<SlotDiff> = Vec::new();
    let mut push = |slot: U256, before: U256, after: U256| {
        if before != after {
            storage.push(SlotDiff { slot, before, after });
        }
    };
    if !account.is_created() && original.is_some() {
        // The rule: every slot in the journal came from the view.
        for (slot, before) in loaded {
            let after = account.storage.get(slot).map_or(U256::ZERO, |value| value.present_value);
            push(*slot, *before, after);
        }
    } else {
        // A created account's slots start at zero without a load.
        let before: HashMap<U256, U256> = loaded.iter().copied().collect();
        for (slot, value) in &account.storage {
            push(*slot, before.get(slot).copied().unwrap_or_default(), value.present_value);
        }
    }
    storage.sort_unstable_by_key(|slot| slot.slot);
    storage
}

/// Code ready to run; bytes that only begin like an EIP-7702 designation are ordinary code.
fn analysed(code: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

impl Database for BlockState<'_> {
    type Error = LoadError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, LoadError> {
        let Some(account) = self.view.account(&address)? else {
            return Ok(None);
        };
        let account_id = AccountId::new(self.originals.len());
        if account_id.is_some() {
            self.originals.push(Original { account, slots: Vec::new() });
        }
        Ok(Some(AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id,
            code: (account.code_hash == KECCAK256_EMPTY).then(Bytecode::default),
        }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, LoadError> {
        if let Some(code) = self.codes.get(&code_hash) {
            return Ok(code);
        }
        let code = analysed(self.view.code(&code_hash)?);
        self.codes.insert(code_hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, LoadError> {
        Ok(self.view.storage(&address, &slot)?)
    }

    fn storage_by_account_id(&mut self, address: Address, id: AccountId, slot: U256) -> Result<U256, LoadError> {
        let value = self.view.storage(&address, &slot)?;
        self.originals[id.get()].slots.push((slot, value));
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, LoadError> {
        match self.hashes {
            BlockHashes::History { number: block, parent_hash } if number + 1 == block => Ok(parent_hash),
            BlockHashes::History { .. } => Ok(self.history(number)?),
            BlockHashes::Table(table) => Ok(table.get(&number).copied().unwrap_or_default()),
        }
    }
}
