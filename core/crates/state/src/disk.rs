//! The flushed state: a LevelDB snapshot with the clean cache in front of it.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use zg_trie::NodeSource;
use zg_types::{Account, ViewError};

use crate::cache::Cache;
use crate::history::{self, Before, Subject};
use crate::key;
use crate::leveldb::{Cursor, Db, Snapshot};
use crate::record::{self, BlockId, Meta};

/// One version of the directory. It answers as of `meta.flushed` whatever is flushed later.
pub(crate) struct Disk {
    pub(crate) meta: Meta,
    snapshot: Snapshot,
    cache: Arc<Cache>,
    generation: u64,
}

impl Disk {
    /// What `db` holds now, which is `meta`; `generation` is the cache's.
    pub(crate) fn new(db: &Arc<Db>, meta: Meta, cache: Arc<Cache>, generation: u64) -> Self {
        Self { meta, snapshot: Snapshot::new(db), cache, generation }
    }

    pub(crate) fn flushed(&self) -> &BlockId {
        &self.meta.flushed
    }

    pub(crate) fn cursor(&self) -> Cursor<'_> {
        self.snapshot.cursor()
    }

    pub(crate) fn account(&self, address: &Address) -> Result<Option<Account>, ViewError> {
        if let Some(known) = self.cache.account(self.generation, address) {
            return Ok(known);
        }
        let stored = self.snapshot.get(&key::hashed(key::ACCOUNT, &keccak256(address)))?;
        let account = stored.map(|bytes| record::decode_account(&bytes)).transpose()?;
        self.cache.put_account(self.generation, *address, account);
        Ok(account)
    }

    pub(crate) fn word(&self, address: &Address, slot: &U256) -> Result<U256, ViewError> {
        if let Some(known) = self.cache.word(self.generation, address, slot) {
            return Ok(known);
        }
        let stored = self.snapshot.get(&key::slot(&keccak256(address), &hash_slot(slot)))?;
        let word = stored.map_or(Ok(U256::ZERO), |bytes| record::decode_word(&bytes))?;
        self.cache.put_word(self.generation, *address, *slot, word);
        Ok(word)
    }

    pub(crate) fn code(&self, hash: &B256) -> Result<Bytes, ViewError> {
        if let Some(known) = self.cache.code(hash) {
            return Ok(known);
        }
        let stored = self.snapshot.get(&key::hashed(key::CODE, hash))?;
        let code = Bytes::from(stored.ok_or_else(|| ViewError::Corrupt(format!("code {hash} is missing")))?);
        self.cache.put_code(*hash, code.clone());
        Ok(code)
    }

    /// The account as of the flushed block `number` or an older one.
    pub(crate) fn past_account(&self, number: u64, address: &Address) -> Result<Option<Account>, ViewError> {
        let subject = Subject { owner: keccak256(address), slot: None };
        match self.before(number, &subject)? {
            Some(Before::Account(account)) => Ok(account),
            Some(Before::Word(_)) => Err(ViewError::Corrupt("a word stands for an account in history".into())),
            None => self.account(address),
        }
    }

    /// The word as of the flushed block `number` or an older one.
    pub(crate) fn past_word(&self, number: u64, address: &Address, slot: &U256) -> Result<U256, ViewError> {
        let subject = Subject { owner: keccak256(address), slot: Some(hash_slot(slot)) };
        match self.before(number, &subject)? {
            Some(Before::Word(word)) => Ok(word),
            Some(Before::Account(_)) => Err(ViewError::Corrupt("an account stands for a word in history".into())),
            None => self.word(address, slot),
        }
    }

    fn before(&self, number: u64, subject: &Subject) -> Result<Option<Before>, ViewError> {
        history::value_before(&self.snapshot, number, self.flushed().number, subject)
    }

    /// Hash and root of a flushed block whose state is kept.
    pub(crate) fn block(&self, number: u64) -> Result<BlockId, ViewError> {
        let stored = self.snapshot.get(&key::numbered(key::BLOCK, number))?;
        let bytes = stored.ok_or_else(|| ViewError::Corrupt(format!("the record of block {number} is missing")))?;
        record::decode_block(number, &bytes)
    }
}

impl NodeSource for Disk {
    fn node(&self, owner: Option<&B256>, path: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.snapshot.get(&key::node(owner, path))
    }
}

/// The key of a slot in a storage trie.
pub(crate) fn hash_slot(slot: &U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}
