//! Moving finalised blocks to disk: one synced, atomic batch a flush, beside readers and execution.
//!
//! ```text
//! freeze   the active buffer becomes the frozen one, a new one takes its place        (moment, under locks)
//! write    deletes, then the newest value of every key, nodes, history, meta, link    (long, no lock but `flushing`)
//! install  a new snapshot becomes the disk layer, the frozen buffer goes              (moment, under lock)
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use alloy_primitives::map::HashSet;
use alloy_primitives::{Address, B256};
use zg_trie::StateTrie;
use zg_types::ViewError;

use crate::buffer::{Buffer, BufferedAccount};
use crate::disk::Disk;
use crate::error::StateError;
use crate::history;
use crate::key;
use crate::leveldb::{Batch, Cursor};
use crate::record::{self, BlockId, Meta};
use crate::state::State;

/// A frozen buffer, the last block in it with its trie, and the disk layer below.
pub(crate) struct Job {
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) id: BlockId,
    pub(crate) trie: StateTrie,
    /// None for genesis.
    pub(crate) disk: Option<Arc<Disk>>,
}

impl State {
    /// Write all finalised blocks to disk and sync; returns (number, hash) of the last. After a failure, which
    /// `Corrupt` or `Io` describes, nothing more is ever written: reopen to go on from the last good flush.
    pub fn flush(&self) -> Result<(u64, B256), StateError> {
        let _flushing = self.flushing.lock();
        self.writable()?;
        let Some(job) = self.freeze() else {
            return Ok(self.flushed());
        };
        let disk = self.write_out(&job)?;
        let mut chain = self.chain.write();
        if let Some(chain) = &mut *chain {
            chain.disk = disk;
            chain.frozen = None;
        }
        drop(chain);
        self.prune_due.store(true, Ordering::Relaxed);
        Ok((job.id.number, job.id.hash))
    }

    /// Take the active buffer out of use; None when it is empty.
    fn freeze(&self) -> Option<Job> {
        let _writer = self.writer.lock();
        let mut guard = self.chain.write();
        let chain = guard.as_mut()?;
        if chain.active.blocks().is_empty() {
            return None;
        }
        let buffer = std::mem::take(&mut chain.active);
        chain.frozen = Some(buffer.clone());
        Some(Job { buffer, id: chain.head, trie: chain.trie.clone(), disk: Some(chain.disk.clone()) })
    }

    /// Make the job durable; returns the disk layer that holds it.
    pub(crate) fn write_out(&self, job: &Job) -> Result<Arc<Disk>, StateError> {
        let meta = self.meta_after(job);
        let written = encode(job, &meta).and_then(|batch| self.db.write(batch));
        if let Err(error) = written {
            let _ = self.failure.set(error.to_string());
            return Err(match error {
                ViewError::Io(text) => StateError::Io(format!("write failed: {text}")),
                other => other.into(),
            });
        }
        let generation = self.cache.advance();
        self.refresh_cache(&job.buffer, generation);
        Ok(Arc::new(Disk::new(&self.db, meta, self.cache.clone(), generation)))
    }

    fn meta_after(&self, job: &Job) -> Meta {
        let before = job.disk.as_ref().map_or(0, |disk| disk.meta.oldest);
        let promised = self.options.history_blocks.map_or(0, |blocks| job.id.number.saturating_sub(blocks));
        Meta { flushed: job.id, oldest: before.max(promised) }
    }

    /// Bring the clean cache to the values that were just written.
    fn refresh_cache(&self, buffer: &Buffer, generation: u64) {
        let accounts = buffer.accounts();
        let wiped: Vec<Address> = accounts.iter().filter(|(_, a)| !a.wiped.is_empty()).map(|(key, _)| *key).collect();
        self.cache.forget_words(&wiped);
        for (address, account) in accounts.iter() {
            self.cache.put_account(generation, *address, account.accounts.newest().1);
            for (slot, entry) in live_slots(account) {
                self.cache.put_word(generation, *address, *slot, entry.words.newest().1);
            }
        }
    }
}

/// Slots that were written after the account's storage was last wiped.
fn live_slots(
    account: &BufferedAccount,
) -> impl Iterator<Item = (&alloy_primitives::U256, &crate::buffer::BufferedSlot)> {
    let wiped = account.wiped.last().copied().unwrap_or(0);
    account.slots.iter().filter(move |(_, slot)| slot.words.newest().0 >= wiped)
}

/// Everything that takes the directory from `job.disk` to `meta.flushed`.
fn encode(job: &Job, meta: &Meta) -> Result<Batch, ViewError> {
    let mut batch = Batch::new();
    delete_lost(&mut batch, job)?;
    put_records(&mut batch, &job.buffer);
    job.trie.collect_unsaved(&mut |owner, path, node| batch.put(&key::node(owner, path), node));
    write_history(&mut batch, job, meta)?;
    batch.put(key::META, &meta.encode());
    if let Some(disk) = &job.disk {
        batch.delete(&key::numbered(key::LINK, disk.flushed().number));
    }
    batch.put(&key::numbered(key::LINK, job.id.number), &[]);
    Ok(batch)
}

/// Delete removed trie nodes, and all slots and nodes of wiped accounts; what lives again is put afterwards.
fn delete_lost(batch: &mut Batch, job: &Job) -> Result<(), ViewError> {
    let mut owners: HashSet<B256> = HashSet::default();
    for block in job.buffer.blocks().iter() {
        for (owner, path) in &block.nodes.removed {
            batch.delete(&key::node(owner.as_ref(), path));
        }
        owners.extend(&block.nodes.wiped);
    }
    let accounts = job.buffer.accounts();
    owners.extend(accounts.values().filter(|account| !account.wiped.is_empty()).map(|account| account.key));
    let Some(disk) = job.disk.as_ref().filter(|_| !owners.is_empty()) else {
        return Ok(());
    };
    let mut cursor = disk.cursor();
    for owner in &owners {
        delete_prefix(batch, &mut cursor, &key::hashed(key::SLOT, owner))?;
        delete_prefix(batch, &mut cursor, &key::hashed(key::STORAGE_NODE, owner))?;
    }
    Ok(())
}

fn delete_prefix(batch: &mut Batch, cursor: &mut Cursor<'_>, prefix: &[u8]) -> Result<(), ViewError> {
    cursor.seek(prefix);
    while let Some((found, _)) = cursor.entry()?.filter(|(found, _)| found.starts_with(prefix)) {
        batch.delete(found);
        cursor.next();
    }
    Ok(())
}

/// Put the newest value of every flat record, in the order of the keys, which LevelDB inserts faster.
fn put_records(batch: &mut Batch, buffer: &Buffer) {
    let accounts = buffer.accounts();
    let mut sorted: Vec<&BufferedAccount> = accounts.values().collect();
    sorted.sort_unstable_by_key(|account| account.key);
    for account in sorted {
        let key = key::hashed(key::ACCOUNT, &account.key);
        match account.accounts.newest().1 {
            Some(value) => batch.put(&key, &record::encode_account(&value)),
            None => batch.delete(&key),
        }
        for (_, slot) in live_slots(account) {
            let (key, word) = (key::slot(&account.key, &slot.key), slot.words.newest().1);
            match word.is_zero() {
                true => batch.delete(&key),
                false => batch.put(&key, &record::encode_word(&word)),
            }
        }
    }
    for (hash, code) in buffer.codes().iter() {
        batch.put(&key::hashed(key::CODE, hash), code);
    }
}

/// Block records, reverse diffs and completed chunks of the new blocks; deletes of what fell out of the kept history.
fn write_history(batch: &mut Batch, job: &Job, meta: &Meta) -> Result<(), ViewError> {
    let blocks = job.buffer.blocks();
    for block in blocks.iter().filter(|block| block.id.number >= meta.oldest) {
        batch.put(&key::numbered(key::BLOCK, block.id.number), &record::encode_block(&block.id));
        if block.id.number > meta.oldest {
            for (bound, partition) in block.reverse.iter() {
                batch.put(&key::partition(key::REVERSE, block.id.number, *bound), partition);
            }
        }
    }
    let Some(disk) = &job.disk else {
        return Ok(());
    };
    let before = disk.meta.oldest;
    let mut cursor = disk.cursor();
    let expired = history::expired_chunks(before, meta.oldest);
    let complete = history::complete_chunks(disk.flushed().number, meta.flushed.number);
    for chunk in complete.start.max(expired.end)..complete.end {
        history::write_chunk(batch, chunk, &mut cursor, &blocks)?;
    }
    for chunk in expired {
        delete_prefix(batch, &mut cursor, &key::numbered(key::INDEX, chunk))?;
    }
    for number in before..meta.oldest.min(disk.flushed().number + 1) {
        batch.delete(&key::numbered(key::BLOCK, number));
        delete_prefix(batch, &mut cursor, &key::numbered(key::REVERSE, number + 1))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use alloy_primitives::U256;
    use zg_types::{Account, AccountDiff, SlotDiff, StateDiff};

    use super::*;
    use crate::state::{At, Options};

    /// The directory's numbers under `tag`.
    fn numbers(state: &State, tag: u8) -> BTreeSet<u64> {
        let disk = state.with_chain(|chain| Ok(chain.disk.clone())).expect("after genesis");
        let mut cursor = disk.cursor();
        let mut numbers = BTreeSet::new();
        cursor.seek(&[tag]);
        while let Some((key, _)) = cursor.entry().expect("reads").filter(|(key, _)| key[0] == tag) {
            numbers.insert(u64::from_be_bytes(key[1..9].try_into().expect("a number")));
            cursor.next();
        }
        numbers
    }

    /// One account that counts blocks, in its nonce and in a slot.
    fn counter(number: u64) -> StateDiff {
        let account = |nonce| Account { nonce, ..Account::default() };
        let storage = vec![SlotDiff { slot: U256::ZERO, before: U256::from(number), after: U256::from(number + 1) }];
        let accounts = vec![AccountDiff {
            address: Address::repeat_byte(1),
            before: number.checked_sub(1).map(account),
            after: Some(account(number)),
            wiped: false,
            storage,
        }];
        StateDiff { accounts, codes: vec![] }
    }

    /// A state in a temporary directory named `name`, and `blocks` blocks of `counter`, flushed after each `step`.
    fn counted(name: &str, blocks: u64, step: u64) -> (State, std::path::PathBuf) {
        let path = std::env::temp_dir().join(format!("zg-state-{name}-{}-{step}", std::process::id()));
        let options = Options { cache_bytes: 1 << 16, history_blocks: Some(70) };
        let state = State::open(&path, options).expect("opens");
        state.init_genesis(B256::ZERO, &counter(0)).expect("genesis");
        for number in 1..=blocks {
            let hash = B256::from(U256::from(number));
            let parent = B256::from(U256::from(number - 1));
            let prepared = state.prepare(parent, counter(number), true).expect("prepares");
            state.insert(hash, prepared).expect("inserts");
            state.finalise(hash).expect("finalises");
            if number % step == 0 {
                state.flush().expect("flushes");
            }
        }
        state.flush().expect("flushes");
        (state, path)
    }

    #[test]
    fn nothing_is_left_of_blocks_that_history_does_not_keep() {
        for step in [1, 7, 64, 500] {
            let (state, path) = counted("kept", 500, step);
            assert_eq!(numbers(&state, key::BLOCK), (430..=500).collect(), "step {step}");
            assert_eq!(numbers(&state, key::REVERSE), (431..=500).collect(), "step {step}");
            assert_eq!(numbers(&state, key::INDEX), [6].into(), "step {step}");
            assert_eq!(numbers(&state, key::LINK), [500].into(), "step {step}");
            assert!(state.view(At::Number(429)).is_err() && state.view(At::Number(430)).is_ok());
            drop(state);
            std::fs::remove_dir_all(&path).expect("removable");
        }
    }

    #[test]
    fn the_disk_format_is_pinned() {
        let hashes = [3, 128].map(|step| {
            let (state, path) = counted("format", 130, step);
            let disk = state.with_chain(|chain| Ok(chain.disk.clone())).expect("after genesis");
            let mut cursor = disk.cursor();
            let mut all = Vec::new();
            cursor.seek(&[]);
            while let Some((key, value)) = cursor.entry().expect("reads") {
                all.extend([key.len() as u8, value.len() as u8]);
                all.extend_from_slice(key);
                all.extend_from_slice(value);
                cursor.next();
            }
            drop(cursor);
            drop((disk, state));
            std::fs::remove_dir_all(&path).expect("removable");
            alloy_primitives::keccak256(all).to_string()
        });
        assert_eq!(hashes[0], hashes[1], "what is stored does not depend on when it was flushed");
        assert_eq!(hashes[0], "0x0180ae430bcd6253d536ee296e322cd340f3eafc6641027bb4f49ba8815cc555");
    }
}
