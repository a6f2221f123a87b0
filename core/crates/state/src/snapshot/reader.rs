//! The state after a past block, read in order.
//!
//! ```text
//! at block N = flat records of the disk, which is at F ≥ N, with every change of N+1 … F undone
//! ```
//! What was changed is looked up once, in the reverse diffs; it waits in memory, so F may not be far from N. The disk
//! layer is held: what is flushed later changes nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::iter::Peekable;
use std::sync::Arc;

use alloy_primitives::{B256, U256};
use zg_types::{Account, ViewError};

use super::chunk::{Position, Writer};
use crate::disk::Disk;
use crate::error::StateError;
use crate::history::{self, Before};
use crate::key;
use crate::leveldb::Cursor;
use crate::record::{self, BlockId};
use crate::state::State;

/// Changes since the block that a reader keeps in memory.
const UNDO_MAX: usize = 2_000_000;

impl State {
    /// A reader of the state after the finalised block `number`, in chunks that are complete with the first record that
    /// brings them to `chunk_bytes`. Flushes first when the block is not on disk yet. Raises `UnknownBlock`, and
    /// `Missing` when the block is outside the kept history or too much changed since.
    pub fn snapshot(&self, number: u64, chunk_bytes: usize) -> Result<Reader, StateError> {
        if number > self.flushed().0 && number <= self.head().0 {
            self.flush()?;
        }
        let disk = self.with_chain(|chain| {
            self.check_kept(chain, number)?;
            Ok(chain.disk.clone())
        })?;
        Reader::new(disk, number, chunk_bytes)
    }
}

/// One block's state, held until it is dropped. May be used from any thread.
pub struct Reader {
    disk: Arc<Disk>,
    block: BlockId,
    chunk_bytes: usize,
    /// What accounts that changed since were.
    accounts: BTreeMap<B256, Option<Account>>,
    /// What slots that changed since were.
    slots: BTreeMap<(B256, B256), U256>,
}

impl Reader {
    fn new(disk: Arc<Disk>, number: u64, chunk_bytes: usize) -> Result<Self, StateError> {
        let block = disk.block(number)?;
        let (mut accounts, mut slots) = (BTreeMap::new(), BTreeMap::new());
        let mut cursor = disk.cursor();
        for later in number + 1..=disk.flushed().number {
            for (subject, before) in history::block_entries(&mut cursor, later)? {
                match (subject.slot, before) {
                    (None, Before::Account(account)) => drop(accounts.entry(subject.owner).or_insert(account)),
                    (Some(slot), Before::Word(word)) => drop(slots.entry((subject.owner, slot)).or_insert(word)),
                    _ => return Err(StateError::Corrupt("history mixes accounts and words".into())),
                }
            }
            if accounts.len() + slots.len() > UNDO_MAX {
                let text = format!("too much changed since block {number} to serve its state");
                return Err(StateError::Missing(text));
            }
        }
        drop(cursor);
        Ok(Self { disk, block, chunk_bytes, accounts, slots })
    }

    /// (number, hash, state root) of the block.
    pub fn block(&self) -> (u64, B256, B256) {
        (self.block.number, self.block.hash, self.block.root)
    }

    /// The chunk that begins after `after`, and where it ends: None when the state ends with it. None begins.
    pub fn chunk(&self, after: Option<Position>) -> Result<(Vec<u8>, Option<Position>), StateError> {
        let mut writer = Writer::default();
        let mut slots = Slots { reader: self, cursor: self.disk.cursor() };
        if let Some(Position { owner, slot }) = after {
            slots.write(&mut writer, owner, slot)?;
        }
        let mut accounts = Accounts::new(self, after.map(|position| position.owner));
        while writer.len() < self.chunk_bytes {
            let Some((owner, account)) = accounts.next()? else {
                return Ok((writer.finish().0, None));
            };
            let code = match writer.wants_code(account.code_hash) {
                true => Some(self.disk.code(&account.code_hash)?),
                false => None,
            };
            writer.account(owner, &account, code.as_ref());
            slots.write(&mut writer, owner, None)?;
        }
        Ok(writer.finish())
    }
}

/// The accounts after a key, ascending.
struct Accounts<'a> {
    cursor: Cursor<'a>,
    undone: Peekable<Range<'a, B256, Option<Account>>>,
}

impl<'a> Accounts<'a> {
    fn new(reader: &'a Reader, after: Option<B256>) -> Self {
        let mut cursor = reader.disk.cursor();
        cursor.seek(&after.map_or(vec![key::ACCOUNT], |owner| following(&key::hashed(key::ACCOUNT, &owner))));
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        Self { cursor, undone: reader.accounts.range((start, std::ops::Bound::Unbounded)).peekable() }
    }

    fn next(&mut self) -> Result<Option<(B256, Account)>, ViewError> {
        loop {
            let stored = match self.cursor.entry()?.filter(|(key, _)| key[0] == key::ACCOUNT) {
                Some((key, value)) => Some((exact(&key[1..])?, record::decode_account(value)?)),
                None => None,
            };
            let undone = self.undone.peek().map(|(owner, account)| (**owner, **account));
            let (owner, account) = match (stored, undone) {
                (None, None) => return Ok(None),
                (Some((owner, account)), undone) if undone.is_none_or(|(other, _)| owner < other) => {
                    self.cursor.next();
                    (owner, Some(account))
                }
                (stored, Some((owner, account))) => {
                    if stored.is_some_and(|(other, _)| other == owner) {
                        self.cursor.next();
                    }
                    self.undone.next();
                    (owner, account)
                }
                (Some(_), None) => unreachable!("taken by the second arm"),
            };
            if let Some(account) = account {
                return Ok(Some((owner, account)));
            }
        }
    }
}

/// The storage of one account after the other.
struct Slots<'a> {
    reader: &'a Reader,
    cursor: Cursor<'a>,
}

impl Slots<'_> {
    /// Write the slots of `owner` after `after` until the chunk is full.
    fn write(&mut self, writer: &mut Writer, owner: B256, after: Option<B256>) -> Result<(), ViewError> {
        let prefix = key::hashed(key::SLOT, &owner);
        match after {
            None => self.cursor.seek(&prefix),
            Some(slot) => self.cursor.seek(&following(&key::slot(&owner, &slot))),
        }
        let start = after
            .map_or(std::ops::Bound::Included((owner, B256::ZERO)), |slot| std::ops::Bound::Excluded((owner, slot)));
        let end = std::ops::Bound::Included((owner, B256::repeat_byte(0xff)));
        let mut undone = self.reader.slots.range((start, end)).map(|((_, slot), word)| (*slot, *word)).peekable();
        while writer.len() < self.reader.chunk_bytes {
            let stored = match self.cursor.entry()?.filter(|(key, _)| key.starts_with(&prefix)) {
                Some((key, value)) => Some((exact(&key[33..])?, record::decode_word(value)?)),
                None => None,
            };
            let (slot, word) = match (stored, undone.peek().copied()) {
                (None, None) => return Ok(()),
                (Some(stored), undone) if undone.is_none_or(|(other, _)| stored.0 < other) => {
                    self.cursor.next();
                    stored
                }
                (stored, Some(before)) => {
                    if stored.is_some_and(|(other, _)| other == before.0) {
                        self.cursor.next();
                    }
                    undone.next();
                    before
                }
                (Some(_), None) => unreachable!("taken by the second arm"),
            };
            if !word.is_zero() {
                writer.slot(owner, slot, &word);
            }
        }
        Ok(())
    }
}

/// The smallest key after `key`.
fn following(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn exact(bytes: &[u8]) -> Result<B256, ViewError> {
    B256::try_from(bytes).map_err(|_| ViewError::Corrupt(format!("a flat key of {} bytes", bytes.len())))
}
