//! A state in memory: what fixtures, examples and tests execute over, and a model to hold diffs against.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use std::collections::{BTreeMap, HashMap};
use zg_types::{Account, AccountDiff, SlotDiff, StateDiff, StateView, ViewError};

/// Accounts, storage and code by value. Cloning copies everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    accounts: HashMap<Address, Entry>,
    codes: HashMap<B256, Bytes>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    account: Account,
    /// Only slots that are not zero.
    storage: BTreeMap<U256, U256>,
}

/// A diff that does not belong on this state.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the diff expects another state at {0}")]
pub struct Mismatch(Address);

impl MemoryState {
    /// Put an account in place of whatever was at its address.
    pub fn insert(
        &mut self,
        address: Address,
        nonce: u64,
        balance: U256,
        code: Bytes,
        storage: impl IntoIterator<Item = (U256, U256)>,
    ) {
        let code_hash = keccak256(&code);
        if code_hash != KECCAK256_EMPTY {
            self.codes.insert(code_hash, code);
        }
        let storage = storage.into_iter().filter(|(_, value)| !value.is_zero()).collect();
        self.accounts.insert(address, Entry { account: Account { nonce, balance, code_hash }, storage });
    }

    /// Go forward by one block.
    pub fn apply(&mut self, diff: &StateDiff) -> Result<(), Mismatch> {
        self.codes.extend(diff.codes.iter().cloned());
        diff.accounts.iter().try_for_each(|account| {
            self.change(account, (account.before, account.after), |slot| (slot.before, slot.after))
        })
    }

    /// Go back by one block: the inverse of [`apply`](Self::apply), but for code, which stays.
    pub fn revert(&mut self, diff: &StateDiff) -> Result<(), Mismatch> {
        diff.accounts.iter().try_for_each(|account| {
            self.change(account, (account.after, account.before), |slot| (slot.after, slot.before))
        })
    }

    fn change(
        &mut self,
        diff: &AccountDiff,
        (from, to): (Option<Account>, Option<Account>),
        direction: impl Fn(&SlotDiff) -> (U256, U256),
    ) -> Result<(), Mismatch> {
        let mismatch = Mismatch(diff.address);
        let mut entry = self.accounts.remove(&diff.address);
        if entry.as_ref().map(|entry| entry.account) != from {
            return Err(mismatch);
        }
        let mut storage = entry.take().map(|entry| entry.storage).unwrap_or_default();
        for slot in &diff.storage {
            let (from, to) = direction(slot);
            if storage.remove(&slot.slot).unwrap_or_default() != from {
                return Err(mismatch);
            }
            if !to.is_zero() {
                storage.insert(slot.slot, to);
            }
        }
        match to {
            Some(account) => drop(self.accounts.insert(diff.address, Entry { account, storage })),
            None if storage.is_empty() => {}
            None => return Err(mismatch),
        }
        Ok(())
    }

    /// Everything, as a diff on nothing.
    pub fn allocation(&self) -> StateDiff {
        let mut accounts: Vec<AccountDiff> = self
            .accounts
            .iter()
            .map(|(address, entry)| AccountDiff {
                address: *address,
                before: None,
                after: Some(entry.account),
                wiped: false,
                storage: entry
                    .storage
                    .iter()
                    .map(|(slot, value)| SlotDiff { slot: *slot, before: U256::ZERO, after: *value })
                    .collect(),
            })
            .collect();
        accounts.sort_unstable_by_key(|account| account.address);
        let mut codes: Vec<(B256, Bytes)> = self.codes.iter().map(|(hash, code)| (*hash, code.clone())).collect();
        codes.sort_unstable_by_key(|(hash, _)| *hash);
        StateDiff { accounts, codes }
    }

    /// Addresses with storage but neither nonce nor code.
    pub fn storage_only(&self) -> impl Iterator<Item = Address> {
        let bare = |entry: &Entry| entry.account.nonce == 0 && entry.account.code_hash == KECCAK256_EMPTY;
        self.accounts
            .iter()
            .filter(move |(_, entry)| bare(entry) && !entry.storage.is_empty())
            .map(|(address, _)| *address)
    }

    /// The Merkle Patricia root, computed from nothing.
    pub fn root(&self) -> B256 {
        state_root_unhashed(self.accounts.iter().map(|(address, entry)| {
            let storage = entry.storage.iter().map(|(slot, value)| (B256::from(*slot), *value));
            let account = TrieAccount {
                nonce: entry.account.nonce,
                balance: entry.account.balance,
                storage_root: storage_root_unhashed(storage),
                code_hash: entry.account.code_hash,
            };
            (*address, account)
        }))
    }
}

impl StateView for MemoryState {
    fn account(&self, address: &Address) -> Result<Option<Account>, ViewError> {
        Ok(self.accounts.get(address).map(|entry| entry.account))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ViewError> {
        Ok(self.accounts.get(address).and_then(|entry| entry.storage.get(slot)).copied().unwrap_or_default())
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, ViewError> {
        self.codes.get(code_hash).cloned().ok_or_else(|| ViewError::Corrupt(format!("no code {code_hash}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_state_has_the_empty_root() {
        assert_eq!(MemoryState::default().root(), alloy_trie::EMPTY_ROOT_HASH);
    }

    #[test]
    fn a_diff_with_other_values_before_is_refused() {
        let mut state = MemoryState::default();
        let address = Address::repeat_byte(1);
        state.insert(address, 1, U256::from(5), Bytes::new(), []);
        let account = Account { nonce: 1, balance: U256::from(6), ..Account::default() };
        let diff = StateDiff {
            accounts: vec![AccountDiff {
                address,
                before: Some(account),
                after: None,
                wiped: false,
                storage: Vec::new(),
            }],
            codes: Vec::new(),
        };
        assert_eq!(state.apply(&diff), Err(Mismatch(address)));
    }
}
