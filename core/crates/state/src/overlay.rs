//! What one block that is not final yet lays over its parent.

use alloy_primitives::{Address, B256, Bytes, U256, map::HashMap};
use zg_types::{Account, AccountDiff, StateDiff};

use crate::change::{HashedDiff, loses_storage};

/// A block's own values; its parent is another overlay or the finalised head.
pub(crate) struct Overlay {
    pub(crate) number: u64,
    pub(crate) parent: B256,
    pub(crate) root: B256,
    pub(crate) change: HashedDiff,
    /// Address → place in the diff.
    places: HashMap<Address, u32>,
}

impl Overlay {
    pub(crate) fn new(number: u64, parent: B256, root: B256, change: HashedDiff) -> Self {
        let places = change.diff().accounts.iter().zip(0..).map(|(account, place)| (account.address, place)).collect();
        Self { number, parent, root, change, places }
    }

    fn diff(&self) -> &StateDiff {
        self.change.diff()
    }

    fn entry(&self, address: &Address) -> Option<&AccountDiff> {
        self.places.get(address).map(|place| &self.diff().accounts[*place as usize])
    }

    /// The account after this block: None when the block did not touch it, Some(None) when it does not exist.
    pub(crate) fn account(&self, address: &Address) -> Option<Option<Account>> {
        self.entry(address).map(|entry| entry.after)
    }

    /// The word after this block; None when the block did not touch it.
    pub(crate) fn word(&self, address: &Address, slot: &U256) -> Option<U256> {
        let entry = self.entry(address)?;
        match entry.storage.binary_search_by(|diff| diff.slot.cmp(slot)) {
            Ok(place) => Some(entry.storage[place].after),
            Err(_) => loses_storage(entry).then_some(U256::ZERO),
        }
    }

    /// Code that this block deployed.
    pub(crate) fn code(&self, hash: &B256) -> Option<&Bytes> {
        let codes = &self.diff().codes;
        codes.binary_search_by(|(other, _)| other.cmp(hash)).ok().map(|place| &codes[place].1)
    }
}
