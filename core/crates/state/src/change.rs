//! A block's diff with the hashes under which disk and trie know its accounts and slots.

use alloy_primitives::{B256, keccak256};
use zg_trie::AccountChange;
use zg_types::{AccountDiff, StateDiff};

use crate::error::StateError;

/// The diff of one block, in canonical order, hashed once.
pub(crate) struct HashedDiff {
    diff: StateDiff,
    /// keccak(address), one an account.
    keys: Vec<B256>,
    /// keccak(slot), the slots of all accounts one after the other.
    slot_keys: Vec<B256>,
}

/// One account of a `HashedDiff`.
pub(crate) struct HashedAccount<'a> {
    pub(crate) key: B256,
    pub(crate) diff: &'a AccountDiff,
    /// keccak(slot) for each of `diff.storage`.
    pub(crate) slot_keys: &'a [B256],
}

impl HashedAccount<'_> {
    /// Whether nothing of the account's earlier storage is left.
    pub(crate) fn wiped(&self) -> bool {
        loses_storage(self.diff)
    }
}

/// Whether the storage from before the block is gone.
pub(crate) fn loses_storage(diff: &AccountDiff) -> bool {
    diff.wiped || (diff.before.is_some() && diff.after.is_none())
}

impl HashedDiff {
    /// Hash `diff`. Raises `Mismatch` when accounts or slots are not ascending, or when a missing account has storage.
    pub(crate) fn new(diff: StateDiff) -> Result<Self, StateError> {
        if let Some(pair) = diff.accounts.windows(2).find(|pair| pair[0].address >= pair[1].address) {
            return Err(StateError::Mismatch(format!("account {} is out of order", pair[1].address)));
        }
        for account in &diff.accounts {
            if account.storage.windows(2).any(|pair| pair[0].slot >= pair[1].slot) {
                return Err(StateError::Mismatch(format!("slots of {} are out of order", account.address)));
            }
            if account.after.is_none() && account.storage.iter().any(|slot| !slot.after.is_zero()) {
                return Err(StateError::Mismatch(format!("{} has storage but no account", account.address)));
            }
        }
        let keys = diff.accounts.iter().map(|account| keccak256(account.address)).collect();
        let slots = diff.accounts.iter().flat_map(|account| &account.storage);
        let slot_keys = slots.map(|slot| keccak256(slot.slot.to_be_bytes::<32>())).collect();
        Ok(Self { diff, keys, slot_keys })
    }

    pub(crate) fn diff(&self) -> &StateDiff {
        &self.diff
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = HashedAccount<'_>> {
        let mut rest = self.slot_keys.as_slice();
        self.diff.accounts.iter().zip(&self.keys).map(move |(diff, key)| {
            let (slot_keys, after) = rest.split_at(diff.storage.len());
            rest = after;
            HashedAccount { key: *key, diff, slot_keys }
        })
    }

    /// The forward half, as the trie takes it.
    pub(crate) fn trie_changes(&self) -> Vec<AccountChange> {
        let change = |account: HashedAccount<'_>| AccountChange {
            key: account.key,
            account: account.diff.after,
            wiped: account.wiped(),
            storage: match account.diff.after {
                None => Vec::new(),
                Some(_) => {
                    account.slot_keys.iter().zip(&account.diff.storage).map(|(key, s)| (*key, s.after)).collect()
                }
            },
        };
        self.accounts().map(change).collect()
    }
}
