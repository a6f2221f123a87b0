//! Finalised blocks that the disk does not hold yet, every value with the number of its block.
//!
//! A reader as of block N takes the newest value not newer than N, so merging later blocks disturbs nobody. A buffer
//! takes blocks until a flush freezes it; views keep it alive for as long as they need it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy_primitives::{Address, B256, Bytes, U256, map::HashMap};
use parking_lot::{RwLock, RwLockReadGuard};
use zg_types::Account;

use crate::history::Partitions;
use crate::overlay::Overlay;
use crate::record::BlockId;

/// Accounts merged under one hold of the lock, so that readers wait for microseconds only.
const MERGE_STEP: usize = 256;
/// What a first change of a key adds to a flush: its records and the trie nodes above it, bytes.
const ACCOUNT_BYTES: usize = 700;
const SLOT_BYTES: usize = 500;
/// What every later change adds in memory, bytes.
const VERSION_BYTES: usize = 96;

/// The values of one key, ascending by block number; never empty.
pub(crate) struct Versions<V> {
    newest: (u64, V),
    older: Vec<(u64, V)>,
}

impl<V: Copy> Versions<V> {
    fn push(&mut self, number: u64, value: V) {
        self.older.push(std::mem::replace(&mut self.newest, (number, value)));
    }

    pub(crate) fn newest(&self) -> (u64, V) {
        self.newest
    }

    /// The newest version that is not newer than `limit`.
    fn at(&self, limit: u64) -> Option<(u64, V)> {
        if self.newest.0 <= limit {
            return Some(self.newest);
        }
        let after = self.older.partition_point(|(number, _)| *number <= limit);
        after.checked_sub(1).map(|place| self.older[place])
    }
}

pub(crate) struct BufferedSlot {
    /// keccak(slot).
    pub(crate) key: B256,
    pub(crate) words: Versions<U256>,
}

pub(crate) struct BufferedAccount {
    /// keccak(address).
    pub(crate) key: B256,
    pub(crate) accounts: Versions<Option<Account>>,
    /// Blocks that emptied the storage, ascending.
    pub(crate) wiped: Vec<u64>,
    pub(crate) slots: HashMap<U256, BufferedSlot>,
}

/// Trie nodes that a block took away, see `zg_trie::Update`.
#[derive(Default)]
pub(crate) struct LostNodes {
    pub(crate) removed: Vec<(Option<B256>, Vec<u8>)>,
    pub(crate) wiped: Vec<B256>,
}

/// What a flush needs to know of each block beside its values.
pub(crate) struct FinalisedBlock {
    pub(crate) id: BlockId,
    pub(crate) reverse: Arc<Partitions>,
    pub(crate) nodes: LostNodes,
}

#[derive(Default)]
pub(crate) struct Buffer {
    accounts: RwLock<HashMap<Address, BufferedAccount>>,
    codes: RwLock<HashMap<B256, Bytes>>,
    blocks: RwLock<Vec<FinalisedBlock>>,
    bytes: AtomicUsize,
}

impl Buffer {
    /// Merge a finalised block. Its values become visible to readers whose limit reaches its number, so the caller
    /// announces the block only afterwards. Blocks come in ascending order, one at a time.
    pub(crate) fn merge(&self, overlay: &Overlay, block: FinalisedBlock) {
        let number = block.id.number;
        let mut bytes: usize = block.reverse.iter().map(|(_, partition)| partition.len()).sum();
        bytes += block.nodes.removed.iter().map(|(_, path)| 64 + path.len()).sum::<usize>();
        let mut accounts = overlay.change.accounts().peekable();
        while accounts.peek().is_some() {
            let mut map = self.accounts.write();
            for account in accounts.by_ref().take(MERGE_STEP) {
                let after = account.diff.after;
                let entry = match map.entry(account.diff.address) {
                    alloy_primitives::map::Entry::Occupied(entry) => {
                        let entry = entry.into_mut();
                        entry.accounts.push(number, after);
                        bytes += VERSION_BYTES;
                        entry
                    }
                    alloy_primitives::map::Entry::Vacant(place) => {
                        bytes += ACCOUNT_BYTES;
                        place.insert(BufferedAccount {
                            key: account.key,
                            accounts: Versions { newest: (number, after), older: Vec::new() },
                            wiped: Vec::new(),
                            slots: HashMap::default(),
                        })
                    }
                };
                if account.wiped() {
                    entry.wiped.push(number);
                }
                for (slot, key) in account.diff.storage.iter().zip(account.slot_keys) {
                    match entry.slots.get_mut(&slot.slot) {
                        Some(known) => {
                            known.words.push(number, slot.after);
                            bytes += VERSION_BYTES;
                        }
                        None => {
                            let words = Versions { newest: (number, slot.after), older: Vec::new() };
                            entry.slots.insert(slot.slot, BufferedSlot { key: *key, words });
                            bytes += SLOT_BYTES;
                        }
                    }
                }
            }
        }
        let deployed = &overlay.change.diff().codes;
        bytes += deployed.iter().map(|(_, code)| code.len()).sum::<usize>();
        self.codes.write().extend(deployed.iter().cloned());
        self.blocks.write().push(block);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The account as of block `limit`: None when no block up to it touched the account.
    pub(crate) fn account(&self, address: &Address, limit: u64) -> Option<Option<Account>> {
        self.accounts.read().get(address)?.accounts.at(limit).map(|(_, account)| account)
    }

    /// The word as of block `limit`: None when no block up to it touched the slot.
    pub(crate) fn word(&self, address: &Address, slot: &U256, limit: u64) -> Option<U256> {
        let accounts = self.accounts.read();
        let entry = accounts.get(address)?;
        let written = entry.slots.get(slot).and_then(|slot| slot.words.at(limit));
        let wiped = entry.wiped.iter().rev().find(|number| **number <= limit);
        match (written, wiped) {
            (Some((number, _)), Some(wiped)) if number < *wiped => Some(U256::ZERO),
            (Some((_, word)), _) => Some(word),
            (None, wiped) => wiped.map(|_| U256::ZERO),
        }
    }

    pub(crate) fn code(&self, hash: &B256) -> Option<Bytes> {
        self.codes.read().get(hash).cloned()
    }

    pub(crate) fn accounts(&self) -> RwLockReadGuard<'_, HashMap<Address, BufferedAccount>> {
        self.accounts.read()
    }

    pub(crate) fn codes(&self) -> RwLockReadGuard<'_, HashMap<B256, Bytes>> {
        self.codes.read()
    }

    /// The merged blocks, ascending.
    pub(crate) fn blocks(&self) -> RwLockReadGuard<'_, Vec<FinalisedBlock>> {
        self.blocks.read()
    }

    /// About what a flush of this buffer would write.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}
