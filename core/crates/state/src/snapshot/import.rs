//! Chunks become a state directory.
//!
//! ```text
//! open ─▶ add, add, … ─▶ finish
//!          one synced batch each: flat records, trie nodes, progress
//! ```
//! Until `finish` the directory has a progress record and no meta record, so it is never taken for a state. A process
//! that is killed goes on after the last chunk that `add` returned from. Memory is bounded: the trie of what is there so
//! far is kept on disk, and a few megabytes of it here.
//!
//! ```text
//! progress = format (2), block (8 + 64), next chunk (4), accounts (8), slots (8), root so far (32),
//!            length (1), last account's record, end of the last chunk (0, 32 or 64)
//! ```

use std::path::Path;
use std::sync::Arc;

use alloy_primitives::B256;
use zg_trie::{AccountChange, EMPTY_ROOT_HASH, NodeSource, StateTrie};
use zg_types::{Account, ViewError};

use super::chunk::{Chunk, Entry, Position};
use crate::error::StateError;
use crate::key;
use crate::leveldb::{Batch, Db, Snapshot};
use crate::record::{self, BlockId, Meta};

/// Version of the progress record.
const FORMAT: u16 = 1;
/// Clean trie nodes that stay in memory between two chunks.
const TRIE_BYTES: usize = 32 << 20;

/// A directory that is being filled. One thread at a time.
pub struct Import {
    db: Arc<Db>,
    progress: Progress,
    trie: StateTrie,
}

/// What the directory holds so far.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Progress {
    target: BlockId,
    next: u32,
    accounts: u64,
    slots: u64,
    root: B256,
    /// The account at `end`, of which more storage may come.
    account: Account,
    end: Option<Position>,
}

/// The nodes that earlier chunks left.
struct Stored(Snapshot);

impl NodeSource for Stored {
    fn node(&self, owner: Option<&B256>, path: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.0.get(&key::node(owner, path))
    }
}

impl Import {
    /// Begin in the directory at `path`, or go on with what is there. The block's `root` must be certified. Raises
    /// `NotEmpty` when it is a state already, `Mismatch` when it is an import of another block, `Corrupt`, `Locked`, `Io`.
    pub fn open(path: &Path, cache_bytes: usize, number: u64, hash: B256, root: B256) -> Result<Self, StateError> {
        let db = Db::open(path, cache_bytes)?;
        let target = BlockId { number, hash, root };
        let snapshot = Snapshot::new(&db);
        if snapshot.get(key::META)?.is_some() {
            return Err(StateError::NotEmpty);
        }
        let progress = match snapshot.get(key::IMPORT)? {
            Some(bytes) => Progress::decode(&bytes)?,
            None => Progress::new(target),
        };
        if progress.target != target {
            let text = format!("the directory was begun with the state of block {}", progress.target.number);
            return Err(StateError::Mismatch(text));
        }
        let trie = StateTrie::open(progress.root);
        drop(snapshot);
        Ok(Self { db, progress, trie })
    }

    /// The index of the chunk that is to be added next.
    pub fn next(&self) -> u32 {
        self.progress.next
    }

    /// (accounts, slots) so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.progress.accounts, self.progress.slots)
    }

    /// Add chunk `index`; durable when this returns. Raises `Chunk` when it does not parse or is not the next one, and
    /// nothing has changed then; `Corrupt`, `Io`.
    pub fn add(&mut self, index: u32, bytes: &[u8]) -> Result<(), StateError> {
        if index != self.progress.next {
            return Err(StateError::Chunk(format!("chunk {index}, where {} is due", self.progress.next)));
        }
        let chunk = Chunk::decode(bytes, self.progress.end)?;
        let source = Stored(Snapshot::new(&self.db));
        let update = self.trie.update(&source, self.changes(&chunk))?;
        let progress = self.progress.after(&chunk, update.trie.root());
        let mut batch = Batch::new();
        for (owner, path) in &update.removed {
            batch.delete(&key::node(owner.as_ref(), path));
        }
        for entry in &chunk.entries {
            put_flat(&mut batch, entry);
        }
        for (hash, code) in &chunk.codes {
            batch.put(&key::hashed(key::CODE, hash), code);
        }
        update.trie.collect_unsaved(&mut |owner, path, node| batch.put(&key::node(owner, path), node));
        batch.put(key::IMPORT, &progress.encode());
        self.db.write(batch)?;
        self.progress = progress;
        let trie = update.trie;
        self.trie = if trie.memory_bytes() > 2 * TRIE_BYTES { trie.prune(TRIE_BYTES) } else { trie };
        Ok(())
    }

    /// Make the directory a state of its block, durably. Raises `Mismatch` when what was added has another root: the
    /// chunks were false, and the directory is worth nothing.
    pub fn finish(self) -> Result<(), StateError> {
        let target = self.progress.target;
        if self.trie.root() != target.root {
            let text =
                format!("the chunks give state root {}, block {} has {}", self.trie.root(), target.number, target.root);
            return Err(StateError::Mismatch(text));
        }
        let mut batch = Batch::new();
        batch.delete(key::IMPORT);
        batch.put(key::META, &Meta { flushed: target, oldest: target.number }.encode());
        batch.put(&key::numbered(key::BLOCK, target.number), &record::encode_block(&target));
        batch.put(&key::numbered(key::LINK, target.number), &[]);
        Ok(self.db.write(batch)?)
    }

    fn changes(&self, chunk: &Chunk) -> Vec<AccountChange> {
        let change = |entry: &Entry| AccountChange {
            key: entry.owner,
            account: Some(entry.account.unwrap_or(self.progress.account)),
            wiped: false,
            storage: entry.slots.clone(),
        };
        chunk.entries.iter().map(change).collect()
    }
}

fn put_flat(batch: &mut Batch, entry: &Entry) {
    if let Some(account) = &entry.account {
        batch.put(&key::hashed(key::ACCOUNT, &entry.owner), &record::encode_account(account));
    }
    for (slot, word) in &entry.slots {
        batch.put(&key::slot(&entry.owner, slot), &record::encode_word(word));
    }
}

impl Progress {
    fn new(target: BlockId) -> Self {
        Self { target, next: 0, accounts: 0, slots: 0, root: EMPTY_ROOT_HASH, account: Account::default(), end: None }
    }

    /// After `chunk`, which brought the trie to `root`.
    fn after(&self, chunk: &Chunk, root: B256) -> Self {
        let mut begun = chunk.entries.iter().filter_map(|entry| entry.account);
        Self {
            target: self.target,
            next: self.next + 1,
            accounts: self.accounts + begun.clone().count() as u64,
            slots: self.slots + chunk.entries.iter().map(|entry| entry.slots.len() as u64).sum::<u64>(),
            root,
            account: begun.next_back().unwrap_or(self.account),
            end: chunk.end().or(self.end),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let account = record::encode_account(&self.account);
        let mut out = FORMAT.to_be_bytes().to_vec();
        out.extend_from_slice(&self.target.number.to_be_bytes());
        out.extend_from_slice(&record::encode_block(&self.target));
        out.extend_from_slice(&self.next.to_be_bytes());
        out.extend_from_slice(&self.accounts.to_be_bytes());
        out.extend_from_slice(&self.slots.to_be_bytes());
        out.extend_from_slice(self.root.as_slice());
        out.push(account.len() as u8);
        out.extend_from_slice(&account);
        out.extend(self.end.iter().flat_map(Position::encode));
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, ViewError> {
        let corrupt = || ViewError::Corrupt("the record of a snapshot's import does not parse".into());
        let mut rest = bytes;
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at_checked(length).ok_or_else(corrupt)?;
            rest = left;
            Ok::<&[u8], ViewError>(taken)
        };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |value: u64, byte| value << 8 | *byte as u64);
        if number(take(2)?) != FORMAT as u64 {
            return Err(corrupt());
        }
        let height = number(take(8)?);
        let target = record::decode_block(height, take(64)?)?;
        let next = number(take(4)?) as u32;
        let (accounts, slots) = (number(take(8)?), number(take(8)?));
        let root = B256::from_slice(take(32)?);
        let length = number(take(1)?) as usize;
        let account = record::decode_account(take(length)?)?;
        let end = match rest {
            [] => None,
            bytes => Some(Position::decode(bytes).ok_or_else(corrupt)?),
        };
        Ok(Self { target, next, accounts, slots, root, account, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    #[test]
    fn progress_survives_encoding_and_truncation_is_refused() {
        let target = BlockId { number: 9, hash: B256::repeat_byte(1), root: B256::repeat_byte(2) };
        let account = Account { nonce: 3, balance: U256::MAX, code_hash: B256::repeat_byte(4) };
        let end = Some(Position { owner: B256::repeat_byte(5), slot: Some(B256::repeat_byte(6)) });
        let progress = Progress { next: 7, accounts: 8, slots: 9, account, end, ..Progress::new(target) };
        let bytes = progress.encode();
        assert_eq!(Progress::decode(&bytes), Ok(progress.clone()));
        let whole = [bytes.len(), bytes.len() - 32, bytes.len() - 64];
        for cut in (0..bytes.len()).filter(|cut| !whole.contains(cut)) {
            assert!(Progress::decode(&bytes[..cut]).is_err(), "{cut}");
        }
        assert_eq!(Progress::decode(&Progress::new(target).encode()), Ok(Progress::new(target)));
    }
}
